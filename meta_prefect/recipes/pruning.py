"""The last part of a deploy that prunes: deleting what is no longer in the project."""

from __future__ import annotations

from prefect import get_run_logger

from meta_prefect.errors import MetaPrefectError
from meta_prefect.hidden_values import known_by
from meta_prefect.plan.changes import Delete
from meta_prefect.plan.ledger import PageHead, deleted
from meta_prefect.recipes.announcing import announce_report
from meta_prefect.recipes.planning import ProjectPlan
from meta_prefect.redaction import remember
from meta_prefect.report import Outcome, Report
from meta_prefect.server import PrefectServer
from meta_prefect.steps.deleting import delete_orphan
from meta_prefect.steps.progress import progress
from meta_prefect.steps.recording import begin_page
from meta_prefect.texts import presentable

RECIPE = "prune"
"""Under which name the ledger keeps what was deleted."""


async def prune_orphans(planned: ProjectPlan, report: Report, server: PrefectServer, *, force: bool) -> Report:
    """Delete what the plan deletes, one after another, unless something has failed before; a failure stops only that one.

    Args:
        planned: The plan.
        report: What happened so far.
        server: The Prefect API.
        force: Whether runs that are under way are left to themselves.
    """
    context = planned.context
    orphans = [one for one in planned.batch.orphans if isinstance(one.change, Delete)]
    if not orphans:
        return report
    if report.failed:
        get_run_logger().warning("nothing is pruned, as something has failed")
        return report.model_copy(update={"remarks": (*report.remarks, "nothing was pruned, as something has failed")})
    progress().expect(len(orphans))
    last = await server.read_last_entries(context.names, map(str, orphans))
    for one in orphans:
        if (recorded := last.get(str(one))) is not None:
            # What a recipe took as a secret when it was deployed, this process has never seen.
            remember(*known_by(recorded.entry.after, one.live.record))
    page = await begin_page(
        PageHead.of(context, RECIPE), [deleted(str(one), one.live.record) for one in orphans], server
    )
    outcomes: list[Outcome] = []
    for one in orphans:
        try:
            await delete_orphan(one, last.get(str(one)), context.names, server, force=force)
        except Exception as error:  # noqa: BLE001 - reported with the deployment; the task's run holds the traceback
            told = (
                str(error) if isinstance(error, MetaPrefectError) else presentable(f"{type(error).__name__}: {error}")
            )
            outcomes.append(Outcome(deployment=str(one), recipe=RECIPE, action="failed", detail=told, id=one.live.id))
        else:
            outcomes.append(
                Outcome(
                    deployment=str(one),
                    recipe=RECIPE,
                    action="deleted",
                    version=one.live.record["version"],
                    detail="no longer in the project",
                )
            )
        progress().wrote(str(one), outcomes[-1].action)
    await page.close(outcome.deployment for outcome in outcomes if outcome.action == "deleted")
    announce_report(Report(environment=context.environment, outcomes=tuple(outcomes)), context.project)
    return report.model_copy(update={"outcomes": (*report.outcomes, *outcomes)})
