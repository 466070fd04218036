"""``rollback``: restores an earlier state of a deployment from the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from prefect import get_run_logger, task
from prefect.runtime import flow_run, task_run
from pydantic import Field

from meta_prefect.engine.context import clock
from meta_prefect.engine.form import DryRun, ProjectPath
from meta_prefect.engine.holds import store_hold
from meta_prefect.engine.observed import RETRY_TEMPORARY_ERRORS, ending_in_words, mark_run, present_run, saying
from meta_prefect.engine.progress import progress
from meta_prefect.engine.report_artifact import show_report
from meta_prefect.engine.rollback import check_restorable, untouched_by_rollback
from meta_prefect.engine.source import project_folder
from meta_prefect.errors import ConflictError
from meta_prefect.hidden_values import known_by
from meta_prefect.interfaces.components import Owner
from meta_prefect.interfaces.markdown import code
from meta_prefect.interfaces.tags import Names
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.changes import Create, Plan, Planned, Unchanged, Update, after_of
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.holds import MAX_REASON_LENGTH, Hold, StoredHold, release_command
from meta_prefect.plan.ledger import CUT_OFF, HistoryEntry, LedgerEntry, LedgerPage, PageHead, is_cut_off
from meta_prefect.plan.outcomes import counted, done_action, planned_action
from meta_prefect.plan.rollback import code_remarks, diff_restored, under_present_name
from meta_prefect.plan.rollback_target import version_to_restore
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.project import Project, read_project
from meta_prefect.recipes.deploy_flow import deploy_flow
from meta_prefect.redaction import remember
from meta_prefect.report import Outcome, Report
from meta_prefect.report.history_page import history_artifact
from meta_prefect.report.plan_json import change_document, document
from meta_prefect.report.plan_text import field_lines, title
from meta_prefect.server import PrefectServer, connect, ui_url
from meta_prefect.state.ledger import begin_page, who_runs
from meta_prefect.state.lock import turn
from meta_prefect.state.sealing_key import learn_key

Holding = Literal["automatic", "all", "none"]


@dataclass(eq=False)
class Restoration(Planned[HistoryEntry, LiveDeployment | None, Create | Update | Unchanged]):
    """The state to restore for a deployment, and the changes needed."""

    remarks: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.wanted.entry.deployment} to {self.wanted}"


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.get_parameters()
    version = parameters.get("to")
    to = f"version {version}" if version else "the version before"
    return f"{'plan to roll' if parameters.get('dry_run') else 'roll'} {parameters['deployment']} back to {to}"


@deploy_flow(name="rollback", flow_run_name=_run_name)
@ending_in_words
async def rollback(
    deployment: Annotated[str, Field(title="Deployment", description="`flow/deployment`.")],
    to: Annotated[
        str | None,
        Field(
            title="Version",
            description="The version to go back to; left empty, the one before. A dry run leaves a page `history-…` of all.",
        ),
    ] = None,
    hold: Annotated[
        Holding,
        Field(
            title="Hold afterwards",
            description="`automatic`: scheduled and healing deploys leave it alone until somebody releases or deploys it. "
            "`all`: so does every deploy, until it is released. `none`: the next deploy may undo the rollback.",
        ),
    ] = "automatic",
    despite_hold: Annotated[
        bool, Field(title="Despite a hold", description="Roll back also what is held from every deploy; it stays held.")
    ] = False,
    unconfirmed: Annotated[
        bool,
        Field(
            title="Unconfirmed too",
            description="Go back also to what is recorded of a run that is gone, which nothing confirms.",
        ),
    ] = False,
    path: ProjectPath = ".",
    dry_run: DryRun = False,
) -> Report:
    """Make a deployment what it was at a version: every field, its schedules, its pause and its limits.

    A deployment that has been deleted is created again. Its work pool, queues and automations are left as they are now, which
    a remark names, and so is code that its runs take from a folder; that of a commit, or in an image, goes back with the
    fields. It takes turns with deploys of the same project and environment, and leaves a hold.

    Raises:
        TargetError: No such deployment, or no such version of it, is recorded; or its work pool is gone.
        ConflictError: The deployment belongs to another project, or is held.
        ValidationFailed: Something of what would be written fails a check of a deploy.
    """
    async with connect(LocalHost()) as server, project_folder(path, None, server) as folder:
        project = read_project(folder, required=False)
        newest = _newest(await read_history(deployment, project.names, server))
        await mark_run(project.name, [newest.page.environment], server)
        taking_turns = turn(server, project.name, newest.page.environment, waiting=progress().wait)
        async with nullcontext() if dry_run else taking_turns:
            held = _counting((await server.read_holds()).get(deployment))
            if held is not None and held.scope == "all" and not despite_hold:
                raise _refusal(deployment, held)
            restoration = await compare_with_recorded(deployment, to, project, server, unconfirmed=unconfirmed)
            if not dry_run and not isinstance(restoration.change, Unchanged):
                progress().plan([deployment])
                progress().expect(1)
                page = await begin_page(_head(restoration.wanted.page), [_entry(restoration)], server)
                deployment_id = await restore(whole(restoration), server)
                progress().wrote(deployment, "rolled back")
                await page.close([deployment], {deployment: deployment_id})
            else:
                deployment_id = restoration.live.id if restoration.live else None
            if hold != "none" and not (held is not None and held.scope == "all"):
                restoration.remarks += (_what_holds(hold, deployment),)
                if not dry_run:
                    await store_hold(deployment, await _hold(restoration, hold, server), server)
            report = _report(restoration, deployment_id, dry_run=dry_run)
            await _show(report, restoration.wanted, server)
    (outcome,) = report.outcomes
    return saying(f"{outcome.action} {deployment}: {outcome.detail}", report)


def _newest(history: Sequence[HistoryEntry]) -> HistoryEntry:
    """Return the newest entry that counts."""
    return next((one for one in history if one.doubt is None), history[0])


def _counting(stored: StoredHold | None) -> Hold | None:
    return stored.hold if stored is not None and stored.hold.counts(clock()) else None


def _refusal(deployment: str, held: Hold) -> ConflictError:
    return ConflictError(
        f"it is {held}",
        where=f"deployment {deployment}",
        hint=f"Release it: {release_command(deployment)}; or roll back all the same, with --despite-hold.",
    )


async def _hold(restoration: Restoration, scope: Literal["automatic", "all"], server: PrefectServer) -> Hold:
    by = (await who_runs(flow_run.get_id(), server))[:300]
    because = f"rolled back to {restoration.wanted}"[:MAX_REASON_LENGTH]
    return Hold(deployment=restoration.wanted.entry.deployment, by=by, at=clock(), because=because, scope=scope)


def _what_holds(scope: Literal["automatic", "all"], deployment: str) -> str:
    release = release_command(deployment)
    if scope == "all":
        return f"every deploy leaves it alone until it is released: {release}"
    return f"scheduled and healing deploys leave it alone until somebody deploys or releases it: {release}"


@task(
    name="read history",
    task_run_name="read the history of {deployment}",
    **RETRY_TEMPORARY_ERRORS,
)
async def read_history(deployment: str, names: Names, server: PrefectServer) -> tuple[HistoryEntry, ...]:
    """Find a deployment's history, newest first, and publish it as a page from which to choose a version."""
    progress().step("read the history")
    history = await server.read_history(deployment, names)
    await server.create_artifact(history_artifact(deployment, names[0], history))
    logger = get_run_logger()
    entries = counted(len(history), "entry", "entries")
    logger.info("%s: %s in the ledger, the newest %s", deployment, entries, history[0])
    for text in (*server.unsound.values(), *([CUT_OFF] if is_cut_off(history, names) else [])):
        logger.warning("%s", text)
    return history


@task(
    name="compare with what is recorded",
    task_run_name="compare {deployment} with what is recorded",
    **RETRY_TEMPORARY_ERRORS,
)
async def compare_with_recorded(
    deployment: str, to: str | None, project: Project, server: PrefectServer, *, unconfirmed: bool
) -> Restoration:
    """Choose the version, compare it with the live deployment, and check it as a deploy would. Only reads.

    The history is read again, because someone may have deployed while this run waited for its turn.
    """
    progress().step("compare")
    names = project.names
    history, _ = await asyncio.gather(server.read_history(deployment, names), learn_key(server))
    state = version_to_restore(history, to or None, unconfirmed=unconfirmed, former=names[1:])
    target = under_present_name(state.written, names)
    live = await server.read_deployment(deployment)
    if live is not None:
        # This run never saw the values that a recipe treated as secrets; the ledger shows where they are.
        remember(*(text for one in history for text in known_by(one.entry.after, live.record)))
    change = diff_restored(target, live, names[1:], state.since)
    await check_restorable(target, history, live, project, server)
    logger = get_run_logger()
    described = change_document(change)
    for line in (f"back to {target}: {title(described)}", *field_lines(described), *change.remarks):
        logger.info("%s", line)
    stays = await untouched_by_rollback(deployment, live, Owner(names, target.page.environment), server)
    remarks = [
        *change.remarks,
        *code_remarks(target, _newest(history), live.record if live is not None else None),
        *filter(None, [stays]),
        *server.unsound.values(),
    ]
    return Restoration(target, live, change, tuple(remarks))


@task(
    name="roll back",
    task_run_name="roll back {restoration}",
    **RETRY_TEMPORARY_ERRORS,
)
async def restore(restoration: Restoration, server: PrefectServer) -> str:
    """Write the differences; return the deployment's id."""
    progress().step(f"roll back {restoration}")
    logger = get_run_logger()
    change, live = restoration.change, restoration.live
    if isinstance(change, Create) or live is None:
        flow_name, _, name = restoration.wanted.entry.deployment.partition("/")
        written = await server.create_deployment(flow_name, name, after_of(change) or {})
        logger.info("created again: %s", restoration.wanted.entry.deployment)
        return written
    if isinstance(change, Update):
        if int(task_run.get_run_count() or 0) > 1:
            # An earlier attempt may have written a part.
            live = await server.read_deployment(live.full_name) or live
        await server.update_deployment(live, change.changed, change.renamed)
        logger.info("rolled back: %s", ", ".join(field.path for field in change.fields))
    return live.id


def _head(page: LedgerPage) -> PageHead:
    return PageHead(page.project, page.environment, page.recipe, str(flow_run.get_id()), page.commit)


def _entry(restoration: Restoration) -> LedgerEntry:
    was, live = restoration.wanted.entry, restoration.live
    return LedgerEntry(
        deployment=was.deployment,
        action="rolled back",
        version=was.version,
        before=live.record if live is not None else None,
        after=after_of(restoration.change) or was.after,
        ours=was.ours,
        own=was.own,
    )


def _report(restoration: Restoration, deployment_id: str | None, *, dry_run: bool) -> Report:
    target, change = restoration.wanted, restoration.change
    match change:
        case Create():
            detail = f"again, as it was at {target}"
        case Update(fields=fields):
            back = "back" if dry_run else "rolled back"
            detail = f"{back} to {target}: {', '.join(field.path for field in fields)}"
        case Unchanged(reason=reason):
            detail = reason
    _, run_url = present_run()
    return Report(
        environment=target.page.environment,
        dry_run=dry_run,
        outcomes=(
            Outcome(
                deployment=target.entry.deployment,
                recipe=target.page.recipe,
                action=planned_action(change) if dry_run else done_action(change),
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


async def _show(report: Report, target: HistoryEntry, server: PrefectServer) -> None:
    (outcome,) = report.outcomes
    project, deployment = target.page.project, outcome.deployment
    get_run_logger().info("%s %s: %s", outcome.action, deployment, outcome.detail)
    key, description = f"rollback-{project}-{deployment}", f"Rollback of {code(deployment)}: {report.count()}."
    await show_report(report, key, description, project, target.page.commit, server)
