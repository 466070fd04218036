"""Rolling back: read the ledger, compare, write back what a deployment was, record that."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated, Any
from urllib.parse import quote

from prefect import get_run_logger, task
from prefect.runtime import flow_run
from pydantic import Field

from meta_prefect.errors import TargetError
from meta_prefect.hidden_values import known_by
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.changes import Create, Plan, Unchanged, Update
from meta_prefect.plan.document import document
from meta_prefect.plan.explain import details, headline
from meta_prefect.plan.ledger import Ledger, LedgerEntry, PageHead, Recorded, history_of, version_to_restore
from meta_prefect.plan.records import LiveDeployment
from meta_prefect.plan.restoring import diff_restored
from meta_prefect.project import read_project
from meta_prefect.recipes.observed import deploy_flow
from meta_prefect.recipes.parameters import DryRun, ProjectPath
from meta_prefect.recipes.showing import show_report
from meta_prefect.redaction import remember
from meta_prefect.report import Outcome, Report, history_artifact
from meta_prefect.server import PrefectServer, connect, ui_url
from meta_prefect.steps.failing import failing_in_words
from meta_prefect.steps.fetching import project_folder
from meta_prefect.steps.locking import turn
from meta_prefect.steps.progress import progress
from meta_prefect.steps.recording import begin_page
from meta_prefect.steps.retrying import PATIENTLY
from meta_prefect.steps.this_run import present_run
from meta_prefect.texts import code


class Restoration:
    """What a deployment goes back to, and what has to be written for that."""

    # No dataclass: Prefect searches those, member by member, for futures when they are a task's parameter.

    def __init__(
        self,
        target: Recorded,
        live: LiveDeployment | None,
        change: Create | Update | Unchanged,
        remarks: tuple[str, ...],
    ) -> None:
        self.target = target
        self.live = live
        self.change = change
        self.remarks = remarks

    def __str__(self) -> str:
        return f"{self.target.entry.deployment} to {self.target}"


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.get_parameters()
    version = parameters.get("to")
    to = f"version {version}" if version else "the version before"
    return f"{'plan to roll' if parameters.get('dry_run') else 'roll'} {parameters['deployment']} back to {to}"


@deploy_flow(name="rollback", flow_run_name=_run_name)
@failing_in_words
async def rollback(
    deployment: Annotated[str, Field(title="Deployment", description="`flow/deployment`.")],
    to: Annotated[
        str | None,
        Field(
            title="Version",
            description="The version to go back to; left empty, the one before. A dry run leaves a page `history-…` of all.",
        ),
    ] = None,
    path: ProjectPath = ".",
    dry_run: DryRun = False,
) -> Report:
    """Make a deployment what it was at a version: every field, its schedules, its pause and its limits.

    A deployment that has been deleted is created again. The code that it runs, its work pool and its automations are left as
    they are now. It takes turns with deploys of the same project and environment.

    Raises:
        TargetError: No such deployment, or no such version of it, is recorded; or its work pool is gone.
        ConflictError: The deployment belongs to another project.
    """
    async with connect(LocalHost()) as server, project_folder(path, None, server) as folder:
        project = read_project(folder, required=False)
        (newest, *_) = await read_history(deployment, project.name, server)
        taking_turns = turn(server, project.name, newest.page.environment, waiting=progress().wait)
        async with nullcontext() if dry_run else taking_turns:
            restoration = await compare_with_recorded(deployment, to, project.name, server)
            if not dry_run and not isinstance(restoration.change, Unchanged):
                progress().expect(1)
                page = await begin_page(_head(restoration.target.page), [_entry(restoration)], server)
                deployment_id = await restore(restoration, server)
                progress().wrote()
                await page.close([deployment])
            else:
                deployment_id = restoration.live.id if restoration.live else None
            report = _report(restoration, deployment_id, dry_run=dry_run)
            await _show(report, deployment, server)
    return report


async def _history(deployment: str, project: str, server: PrefectServer) -> tuple[Recorded, ...]:
    return history_of(deployment, [page async for page in server.read_ledgers(project)])


@task(
    name="read history",
    task_run_name="read the history of {deployment}",
    **PATIENTLY,
)
async def read_history(deployment: str, project: str, server: PrefectServer) -> tuple[Recorded, ...]:
    """Find what was written of a deployment, newest first, and leave that as a page from which to choose a version."""
    progress().step("read the history")
    history = await _history(deployment, project, server)
    urls = [ui_url("flow-run", one.page.run_id) if one.page.run_id else None for one in history]
    await server.create_artifact(history_artifact(deployment, history, urls))
    get_run_logger().info("%s: %d entries in the ledger, the newest %s", deployment, len(history), history[0])
    return history


@task(
    name="compare with what is recorded",
    task_run_name="compare {deployment} with what is recorded",
    **PATIENTLY,
)
async def compare_with_recorded(deployment: str, to: str | None, project: str, server: PrefectServer) -> Restoration:
    """Choose the version, and compare it with the live deployment; reads only.

    The history is read again: while this run waited for its turn, somebody may have deployed.
    """
    progress().step("compare")
    history = await _history(deployment, project, server)
    target = version_to_restore(history, to)
    flow_name, _, name = deployment.partition("/")
    live = (await server.read_deployments([(flow_name, name)])).get(deployment)
    if live is not None:
        # What a recipe took as a secret, this run has never seen; the ledger shows where it stands.
        remember(*(text for one in history for text in known_by(one.entry.after, live.record)))
    change = diff_restored(target, live)
    await _check_pool(target, server)
    logger = get_run_logger()
    for line in (f"back to {target}: {headline(change)}", *details(change)):
        logger.info("%s", line)
    return Restoration(target, live, change, (*change.remarks, *_remarks(target, history[0])))


async def _check_pool(target: Recorded, server: PrefectServer) -> None:
    pool = (target.entry.after or {}).get("work_pool_name")
    if pool is not None and await server.get(f"/work_pools/{quote(pool)}") is None:
        raise TargetError(
            f"at {target} it ran in the work pool {pool!r}, which is gone",
            where=f"deployment {target.entry.deployment}",
            hint="Create the pool again, or choose another version.",
        )


def _remarks(target: Recorded, newest: Recorded) -> list[str]:
    before, now = target.page.commit, newest.page.commit
    if before is None or before == now:
        return []
    return [f"fields go back, files do not: {target} was deployed from commit {before}, the last one from {now}"]


@task(
    name="roll back",
    task_run_name="roll back {restoration}",
    **PATIENTLY,
)
async def restore(restoration: Restoration, server: PrefectServer) -> str:
    """Write what differs; returns the deployment's id."""
    progress().step(f"roll back {restoration}")
    logger = get_run_logger()
    change, live = restoration.change, restoration.live
    if isinstance(change, Create) or live is None:
        flow_name, _, name = restoration.target.entry.deployment.partition("/")
        written = await server.create_deployment(flow_name, name, getattr(change, "after", {}))
        logger.info("created again: %s", restoration.target.entry.deployment)
        return written
    if isinstance(change, Update):
        await server.update_deployment(live, change.changed)
        logger.info("rolled back: %s", ", ".join(field.path for field in change.fields))
    return live.id


def _head(page: Ledger) -> PageHead:
    return PageHead(page.project, page.environment, page.recipe, str(flow_run.get_id()), page.commit)


def _entry(restoration: Restoration) -> LedgerEntry:
    was, live = restoration.target.entry, restoration.live
    return LedgerEntry(
        deployment=was.deployment,
        action="rolled back",
        version=was.version,
        before=live.record if live is not None else None,
        after=getattr(restoration.change, "after", was.after),
        ours=was.ours,
    )


def _report(restoration: Restoration, deployment_id: str | None, *, dry_run: bool) -> Report:
    target, change = restoration.target, restoration.change
    match change:
        case Create():
            action, detail = "created", f"again, as it was at {target}"
        case Update(fields=fields):
            action, detail = "updated", f"rolled back to {target}: {', '.join(field.path for field in fields)}"
        case Unchanged(reason=reason):
            action, detail = "unchanged", reason
    _, run_url = present_run()
    return Report(
        environment=target.page.environment,
        dry_run=dry_run,
        outcomes=(
            Outcome(
                deployment=target.entry.deployment,
                recipe=target.page.recipe,
                action=action,
                version=target.entry.version,
                detail=detail,
                id=deployment_id,
                url=ui_url("deployment", deployment_id) if deployment_id else None,
            ),
        ),
        remarks=restoration.remarks,
        run_url=run_url,
        plan=document(Plan(deployments=(change,))),
    )


async def _show(report: Report, deployment: str, server: PrefectServer) -> None:
    (outcome,) = report.outcomes
    get_run_logger().info("%s %s: %s", outcome.action, deployment, outcome.detail)
    await show_report(report, f"rollback-{deployment}", f"Rollback of {code(deployment)}: {report.count()}.", server)
