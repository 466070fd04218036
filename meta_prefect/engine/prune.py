"""Deletes deployments that are no longer in the project, without losing active runs."""

from __future__ import annotations

from typing import Any, Final

import anyio
from prefect import get_run_logger, task

from meta_prefect.engine.observed import RETRY_TEMPORARY_ERRORS
from meta_prefect.engine.progress import progress
from meta_prefect.engine.project_plan import ProjectPlan
from meta_prefect.errors import MetaPrefectError, MovedError
from meta_prefect.hidden_values import known_by
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.tags import Names, owner
from meta_prefect.plan.changes import Delete
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.ledger import PageHead, deleted
from meta_prefect.plan.outcomes import counted, listed
from meta_prefect.plan.prune import PlannedDeletion
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.redaction import remember
from meta_prefect.report import Outcome, Report
from meta_prefect.report.events import announce_report
from meta_prefect.server import PrefectServer
from meta_prefect.state.ledger import begin_page
from meta_prefect.texts import presentable

ACTIVE_RUNS_TIMEOUT_SECONDS: Final = 600
"""How long to wait for active runs before a deployment is left, paused, to the next deploy."""

_POLL_SECONDS: Final = 1
_UNDER_WAY: Final = ("PENDING", "RUNNING", "PAUSED", "CANCELLING")


@task(
    name="delete",
    task_run_name="delete {planned}",
    **RETRY_TEMPORARY_ERRORS,
)
async def delete_orphan(planned: PlannedDeletion, names: Names, server: PrefectServer, *, force: bool) -> None:
    """Pause a deployment, cancel scheduled runs, let active runs finish, then delete it. What only it used can then be removed.

    Args:
        planned: The deployment.
        names: The names of the owning project.
        server: The Prefect API.
        force: Whether to delete it despite active runs.

    Raises:
        MovedError: Its owner has changed, or runs are still active after 10 minutes; it stays, paused.
    """
    progress().step(f"delete {planned}")
    logger = get_run_logger()
    name = planned.live.full_name
    live = await server.read_deployment(name)
    if live is None:
        logger.info("%s is gone already", name)
        return
    if owner(live.record["tags"]) not in names:
        raise MovedError("it does not belong to this project any more", where=f"deployment {name}")
    if not live.record["paused"]:
        await server.update_deployment(live, {"paused": True})
    cancelled = await _cancel_scheduled_runs(live, server)
    if not force:
        await _wait_for_runs(live, server)
    await server.delete(f"/automations/owned-by/prefect.deployment.{live.id}")
    await server.delete_deployment(live)
    logger.info("deleted %s: %d scheduled runs cancelled", name, cancelled)


async def _cancel_scheduled_runs(live: LiveDeployment, server: PrefectServer) -> int:
    cancelled = 0
    while found := await _runs(live, ("SCHEDULED",), server):
        for run in found:
            state = {"type": "CANCELLED", "name": "Cancelled", "message": "Its deployment is deleted."}
            await server.post(f"/flow_runs/{run['id']}/set_state", {"state": state, "force": True})
        cancelled += len(found)
    return cancelled


async def _wait_for_runs(live: LiveDeployment, server: PrefectServer) -> None:
    deadline = anyio.current_time() + ACTIVE_RUNS_TIMEOUT_SECONDS
    announced = False
    while under_way := await _runs(live, _UNDER_WAY, server):
        runs, names = counted(len(under_way), "run"), listed(run["name"] for run in under_way)
        if not announced:
            announced = True
            progress().wait(f"waiting for {runs} of {live.full_name} to finish")
            get_run_logger().info("waiting for %s of %s: %s", runs, live.full_name, names)
        if anyio.current_time() > deadline:
            raise MovedError(
                f"{runs} still under way ({names}); it is paused, and not deleted",
                where=f"deployment {live.full_name}",
                hint="Prune again once they have finished, or with --force.",
            )
        await anyio.sleep(_POLL_SECONDS)


async def _runs(live: LiveDeployment, types: tuple[str, ...], server: PrefectServer) -> list[Record]:
    condition: dict[str, Any] = {"deployment_id": {"any_": [live.id]}, "state": {"type": {"any_": list(types)}}}
    return await server.post("/flow_runs/filter", {"flow_runs": condition, "limit": 200})


RECIPE = "prune"
"""The recipe name under which the ledger records deletions."""


async def prune_orphans(planned: ProjectPlan, report: Report, server: PrefectServer, *, force: bool) -> Report:
    """Delete the plan's orphans one by one, unless something failed before; a failure affects only its own deployment.

    Args:
        planned: The plan.
        report: The outcomes so far.
        server: The Prefect API.
        force: Whether to delete deployments despite active runs.
    """
    context = planned.context
    orphans = [one for one in planned.batch.orphans if isinstance(one.change, Delete)]
    if not orphans:
        return report
    if report.failed:
        get_run_logger().warning("nothing is pruned, as something has failed")
        return report.model_copy(update={"remarks": (*report.remarks, "nothing was pruned, as something has failed")})
    progress().expect(len(orphans))
    live = {str(one): one.live for one in orphans}
    last = await server.read_last_entries(context.names, live, live=live)
    for one in orphans:
        if (recorded := last.get(str(one))) is not None:
            # This process never saw the values that a recipe treated as secrets when it was deployed.
            remember(*known_by(recorded.entry.after, one.live.record))
    page = await begin_page(
        PageHead.of(context, RECIPE), [deleted(str(one), one.live.record) for one in orphans], server
    )
    outcomes: list[Outcome] = []
    for one in orphans:
        try:
            await delete_orphan(whole(one), context.names, server, force=force)
        except Exception as error:  # noqa: BLE001 - reported with the deployment; the task's run holds the traceback
            message = (
                str(error) if isinstance(error, MetaPrefectError) else presentable(f"{type(error).__name__}: {error}")
            )
            outcomes.append(
                Outcome(deployment=str(one), recipe=RECIPE, action="failed", detail=message, id=one.live.id)
            )
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
