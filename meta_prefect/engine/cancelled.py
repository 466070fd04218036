"""Cleans up after a cancelled deploy: corrects its ledger page, writes a report and releases its lock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import Flow, State
from prefect.client.schemas.objects import FlowRun

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.markdown import escaped
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.deployment_record import LiveDeployment, field_changes
from meta_prefect.plan.ledger import LedgerEntry, LedgerPage
from meta_prefect.plan.outcomes import Action
from meta_prefect.plan.saved_plan import SavedPlan
from meta_prefect.plan.smoke import is_on_trial
from meta_prefect.report import Outcome, Report
from meta_prefect.report.report_page import ReportHead, report_artifact
from meta_prefect.server import PrefectServer, connect, ui_url
from meta_prefect.state.ledger import OpenPage, who_runs
from meta_prefect.state.lock import release_lock_of
from meta_prefect.state.saved_plans import plan_of_run

_MAX_PAGES = 50
_NOT_PASSED = "written with its schedules inactive; its smoke run had not passed, and the next deploy finishes that"
_TOO_LATE = "the deploy was cancelled before it was written"


async def tidy_up_after_cancelling(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Find out how far a cancelled deploy got, and report it. Runs on the worker after the deploy's process has ended.

    No deployment is written: each is in its old or its new state.
    """
    del flow, state
    async with connect(LocalHost(start_worker=False)) as server:
        plan = await plan_of_run(str(flow_run.id), server)
        if plan is None:
            return
        await release_lock_of(server, plan.project, plan.environment, str(flow_run.id))
        outcomes = [
            outcome for page_id, page in await _pages(plan, server) for outcome in await _settle(page_id, page, server)
        ]
        known = {outcome.deployment for outcome in outcomes}
        for name in plan.states:
            kind, _, deployment = name.partition(" ")
            if kind == "deployment" and deployment not in known and plan.states[name].before != plan.states[name].after:
                outcomes.append(Outcome(deployment=deployment, recipe="", action="not written", detail=_TOO_LATE))
        report = Report(environment=plan.environment, outcomes=tuple(outcomes))
        where = f"Project {escaped(plan.project)} in {escaped(plan.environment)}"
        description = f"{where}, cancelled: {report.count()}. A retry finishes what is left."
        key = f"report-{plan.project}-{plan.environment}"
        run_id = str(flow_run.id)
        head = ReportHead(plan.project, plan.commit, await who_runs(run_id, server), flow_run.total_run_time, run_id)
        await server.create_artifact({**report_artifact(report, key, description, head), "flow_run_id": run_id})


async def _pages(plan: SavedPlan, server: PrefectServer) -> list[tuple[str, LedgerPage]]:
    """Return the ledger pages that a deploy began, finished or not, with their ids: one per recipe run."""
    found: list[tuple[str, LedgerPage]] = []
    seen = 0
    async for stored in server.read_ledger_pages((plan.project,), plan.environment):
        if stored.page.deploy_id == plan.deploy_id and stored.doubt is None:
            found.append((stored.artifact_id, stored.page))
        seen += 1
        if seen >= _MAX_PAGES:
            break
    return found


async def _settle(page_id: str, page: LedgerPage, server: PrefectServer) -> list[Outcome]:
    """Return what a page says was written; if it is unfinished, compare what was to be written with the live state."""
    names = [(name.partition("/")[0], name.partition("/")[2]) for name in _names(page.entries)]
    live = await server.read_deployments(names)
    if page.finished:
        written = list(page.entries)
    elif any(is_on_trial(one.record) for one in live.values()):
        # The page stays as it is: the next deploy needs it to know the original and the desired state.
        return [_on_trial(entry, page.recipe, live.get(entry.deployment)) for entry in page.entries]
    else:
        written = [entry for entry in page.entries if _is_written(entry, live.get(entry.deployment))]
        await OpenPage(page_id, page, server).close([entry.deployment for entry in written])
    return [_outcome(entry, entry in written, page.recipe, live.get(entry.deployment)) for entry in page.entries]


def _on_trial(entry: LedgerEntry, recipe: str, live: LiveDeployment | None) -> Outcome:
    is_tried = live is not None and is_on_trial(live.record)
    outcome = _outcome(entry, not is_tried and _is_written(entry, live), recipe, live)
    return outcome.model_copy(update={"detail": _NOT_PASSED}) if is_tried else outcome


def _names(entries: Sequence[LedgerEntry]) -> list[str]:
    return [entry.deployment for entry in entries]


def _is_written(entry: LedgerEntry, live: LiveDeployment | None) -> bool:
    if entry.after is None or live is None:
        return entry.after is None and live is None
    ours: Record = {key: entry.after[key] for key in entry.ours if key in entry.after}
    return not tuple(field_changes(live.record, ours))


def _outcome(entry: LedgerEntry, written: bool, recipe: str, live: LiveDeployment | None) -> Outcome:
    done: dict[str, Action] = {"created": "created", "deleted": "deleted"}
    return Outcome(
        deployment=entry.deployment,
        recipe=recipe,
        action=done.get(entry.action, "updated") if written else "not written",
        version=entry.version if written else live.record["version"] if live else None,
        detail="before the deploy was cancelled" if written else _TOO_LATE,
        id=live.id if live else None,
        url=ui_url("deployment", live.id) if live else None,
    )
