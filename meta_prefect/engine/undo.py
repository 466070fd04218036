"""Restores what a partly failed deploy has written."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import get_run_logger, task

from meta_prefect.engine.compare import PlannedDeployment
from meta_prefect.engine.leaving import delete_with_its_own
from meta_prefect.engine.observed import RETRY_TEMPORARY_ERRORS
from meta_prefect.engine.progress import progress
from meta_prefect.engine.project_plan import ProjectPlan
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.changes import after_of
from meta_prefect.plan.deployment_record import LiveDeployment, field_changes
from meta_prefect.plan.ledger import PUT_BACK, HistoryEntry, LedgerEntry, PageHead
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.report import Outcome, Report
from meta_prefect.server import PrefectServer
from meta_prefect.state.ledger import begin_page
from meta_prefect.texts import presentable


@task(
    name="put back",
    task_run_name="put back {planned}",
    **RETRY_TEMPORARY_ERRORS,
)
async def put_back(planned: PlannedDeployment, context: DeployContext, server: PrefectServer) -> bool:
    """Restore one deployment to its state before this deploy; return whether anything had to be written.

    Restores its fields, schedules, pause and limits, but not the ids of its scheduled runs. A deployment that was created is
    deleted, along with the automations created only for it.
    """
    progress().step(f"put back {planned}")
    name = str(planned)
    flow_name, _, deployment_name = name.partition("/")
    old = planned.predecessor
    wanted = [(flow_name, deployment_name), *([(old.flow_name, old.name)] if old is not None else [])]
    found = await server.read_deployments(wanted)
    live, did = found.get(name), False
    if old is not None and old.full_name not in found:
        await server.create_deployment(old.flow_name, old.name, old.record)
        did = True
    if planned.original is None:
        if live is not None:
            await delete_with_its_own(live, context, server)
            did = True
    elif live is None:
        await server.create_deployment(flow_name, deployment_name, planned.original)
        did = True
    elif changed := _changed(live, planned.original):
        await server.update_deployment(live, changed)
        did = True
    get_run_logger().info("%s %s", name, "was put back" if did else "is as it was")
    return did


def _changed(live: LiveDeployment, before: Record) -> Record:
    paths = {change.path.partition(".")[0] for change in field_changes(live.record, before)}
    return {key: before[key] for key in before if key in paths}


async def put_all_back(
    written: Sequence[PlannedDeployment], context: DeployContext, server: PrefectServer
) -> dict[str, Exception | None]:
    """Restore what a deploy has written or may have written, in reverse order.

    Args:
        written: The deployments, each with its state before the deploy; not empty.
        context: The deploy.
        server: The Prefect API.

    Returns:
        The error for each, by name; None if it was restored.
    """
    last = await server.read_last_entries(context.names, map(str, written), but_of=context.deploy_id)
    entries = [_entry(planned, last.get(str(planned))) for planned in written]
    page = await begin_page(PageHead.of(context, PUT_BACK), entries, server)
    results: dict[str, Exception | None] = {}
    for planned in reversed(written):
        try:
            await put_back(whole(planned), context, server)
        except Exception as error:  # noqa: BLE001 - the others go back all the same; the task's run holds the traceback
            results[str(planned)] = error
        else:
            results[str(planned)] = None
    await page.close(name for name, error in results.items() if error is None)
    return results


def _entry(planned: PlannedDeployment, last: HistoryEntry | None) -> LedgerEntry:
    name, after = str(planned), after_of(planned.change)
    before = planned.original
    if before is None:
        return LedgerEntry(deployment=name, action="deleted", version=None, before=after, after=None)
    of_recipe: Record = {} if last is None else {"ours": last.entry.ours, "own": last.entry.own}
    return LedgerEntry(
        deployment=name, action="rolled back", version=before["version"], before=after, after=before, **of_recipe
    )


async def undo(planned: ProjectPlan, report: Report, server: PrefectServer) -> Report:
    """Restore what a deploy has written, and report that for each deployment. Work pools, queues and workers are kept.

    Args:
        planned: The plan, including the states before the deploy.
        report: The outcomes so far, including a failure.
        server: The Prefect API.
    """
    tried = {outcome.deployment for outcome in report.outcomes if outcome.tried}
    written = [one for one in planned.batch.deployments if str(one) in tried]
    results = await put_all_back(written, planned.context, server) if written else {}

    def after(outcome: Outcome) -> Outcome:
        if outcome.deployment not in results:
            return outcome
        error = results[outcome.deployment]
        if error is not None:
            detail = presentable(f"could not be put back ({type(error).__name__}: {error})")
            return outcome.model_copy(update={"action": "failed", "detail": detail})
        if outcome.action == "failed":
            return outcome.model_copy(update={"detail": f"{outcome.detail} (put back as it was)"})
        return outcome.model_copy(update={"action": "put back", "detail": "as it was before this deploy"})

    remark = "all or nothing: as something failed, what this deploy had written was put back"
    return report.model_copy(
        update={"outcomes": tuple(map(after, report.outcomes)), "remarks": (*report.remarks, remark)}
    )
