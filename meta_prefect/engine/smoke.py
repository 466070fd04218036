"""Performs the smoke runs of deployments on trial: those that pass are activated, the others are restored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import anyio
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.deployments import arun_deployment

from meta_prefect.engine.apply import remove_predecessor
from meta_prefect.engine.compare import PlannedDeployment
from meta_prefect.engine.observed import RETRY_TEMPORARY_ERRORS
from meta_prefect.engine.progress import progress
from meta_prefect.engine.undo import put_all_back
from meta_prefect.errors import MovedError
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.times import length_in_words
from meta_prefect.plan.changes import after_of
from meta_prefect.plan.deployment_record import field_changes
from meta_prefect.plan.smoke import SMOKE_TAG, as_settled
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.report import Outcome
from meta_prefect.server import PrefectServer, ui_url
from meta_prefect.texts import presentable

MAX_AT_ONCE: Final = 10
"""The maximum number of concurrent smoke runs."""

_FINAL: Final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_POLL_SECONDS: Final = 1
_LOGS_TIMEOUT: Final = 4
_CANCEL_TIMEOUT: Final = 60
_LINES: Final = 3


class Verdict(NamedTuple):
    """The result of a smoke run.

    Attributes:
        run_id: The run; None if none could be started.
        failure: Why it failed; None if it passed.
    """

    run_id: str | None
    failure: str | None = None


async def prove(
    written: Sequence[tuple[PlannedDeployment, Outcome]],
    context: DeployContext,
    server: PrefectServer,
    cannot_run: Callable[[PlannedDeployment], str | None],
) -> list[Outcome]:
    """Run each deployment on trial once, many at a time, and end its trial either way.

    Args:
        written: Deployments that were written, with their outcomes; those without a smoke run are left as they are.
        context: The deploy.
        server: The Prefect API.
        cannot_run: Returns why a deployment's runs would not start; None if they would.

    Returns:
        The outcome of each.
    """
    limit = asyncio.Semaphore(MAX_AT_ONCE)

    async def verdict(planned: PlannedDeployment, outcome: Outcome) -> Verdict:
        if outcome.action == "failed" or outcome.id is None:
            return Verdict(None, outcome.detail)
        if (why := cannot_run(planned)) is not None:
            return Verdict(None, why)
        async with limit:
            found = await smoke_run(whole(planned), outcome.id, server)
        if found.failure is None:
            try:
                await activate(whole(planned), server)
            except Exception as error:  # noqa: BLE001 - put back like any other; the task's run holds the traceback
                return Verdict(found.run_id, presentable(f"it could not be activated: {error}"))
        return found

    tried = {str(planned): (planned, outcome) for planned, outcome in written if planned.smoke and outcome.tried}
    verdicts = await asyncio.gather(*(verdict(*one) for one in tried.values()))
    found = dict(zip(tried, verdicts, strict=True))
    failed = [planned for planned, _ in tried.values() if found[str(planned)].failure is not None]
    put_back = await put_all_back(failed, context, server) if failed else {}
    return [_judged(outcome, found.get(str(planned)), put_back) for planned, outcome in written]


def _judged(outcome: Outcome, verdict: Verdict | None, put_back: Mapping[str, Exception | None]) -> Outcome:
    if verdict is None:
        return outcome
    run = {"smoke_run": verdict.run_id}
    if verdict.failure is None:
        detail = "; ".join(filter(None, (outcome.detail, "its smoke run has passed")))
        return outcome.model_copy(update={**run, "detail": detail})
    error = put_back.get(outcome.deployment)
    # It no longer matches the plan: it must be neither recorded in the ledger nor restored again.
    back = {"id": None, "tried": False} if error is None else {}
    ends = "put back as it was" if error is None else f"could not be put back ({type(error).__name__}: {error})"
    detail = presentable(f"{verdict.failure} ({ends})", longest=None)
    return outcome.model_copy(update={**run, **back, "action": "failed", "detail": detail})


@task(name="smoke run", task_run_name="smoke run of {planned}", cache_policy=NO_CACHE)
async def smoke_run(planned: PlannedDeployment, deployment_id: str, server: PrefectServer) -> Verdict:
    """Run a deployment once on its own infrastructure and wait for the end; a run that times out is cancelled."""
    smoke = planned.smoke
    assert smoke is not None, "asked of those that get one"  # noqa: S101 - for the type checker
    logger = get_run_logger()
    progress().wait(f"smoke run of {planned}")
    await _end_those_before(deployment_id, server)
    try:
        run = await arun_deployment(
            UUID(deployment_id),
            parameters=smoke.parameters,
            timeout=0,
            tags=[SMOKE_TAG],
            flow_run_name=f"smoke {planned}",
        )
    except Exception as error:  # noqa: BLE001 - whatever Prefect says to it
        return Verdict(None, presentable(f"its smoke run could not be started: {type(error).__name__}: {error}"))
    run_id = str(run.id)
    where = ui_url("flow-run", run_id) or f"run {run_id}"
    logger.info("smoke run of %s: %s", planned, where)
    state = await _final_state(run_id, smoke.timeout.total_seconds(), server)
    if state is None:
        state = (await server.get(f"/flow_runs/{run_id}"))["state"]
        await _cancel(run_id, server)
        why = f"its smoke run was not through after {length_in_words(smoke.timeout)}, and is cancelled: it was {state['name']}"
        if state["type"] in ("SCHEDULED", "PENDING"):
            why += f"; does a worker of work pool {planned.wanted.deployment.work_pool_name!r} take runs?"
    elif state["type"] == "COMPLETED":
        logger.info("the smoke run of %s has passed", planned)
        return Verdict(run_id)
    else:
        said = state.get("message") or ""
        why = f"its smoke run ended as {state['name']}{f': {said}' if said else ''}"
    lines = [line for line in await _last_errors(run_id, server) if line not in why]
    failure = "\n  ".join((f"{why}; {where}", *lines))
    logger.error("%s: %s", planned, failure)
    return Verdict(run_id, failure)


async def _end_those_before(deployment_id: str, server: PrefectServer) -> None:
    """Cancel leftover smoke runs of killed deploys."""
    condition: Record = {
        "deployments": {"id": {"any_": [deployment_id]}},
        "flow_runs": {"tags": {"all_": [SMOKE_TAG]}, "state": {"type": {"not_any_": [*_FINAL, "CANCELLING"]}}},
    }
    for run in await server.post("/flow_runs/filter", condition):
        await server.post(f"/flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}})


async def _final_state(run_id: str, seconds: float, server: PrefectServer) -> Record | None:
    """Return the final state of a run; None if it times out."""
    with anyio.move_on_after(seconds):
        while True:
            state: Record = (await server.get(f"/flow_runs/{run_id}"))["state"]
            if state["type"] in _FINAL:
                return state
            await asyncio.sleep(_POLL_SECONDS)
    return None


async def _cancel(run_id: str, server: PrefectServer) -> None:
    """Cancel a run and wait for it to end, because its deployment may be deleted afterwards."""
    await server.post(f"/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})
    if await _final_state(run_id, _CANCEL_TIMEOUT, server) is None:
        body = {"state": {"type": "CANCELLED", "message": "its smoke run did not end in time"}, "force": True}
        await server.post(f"/flow_runs/{run_id}/set_state", body)


async def _last_errors(run_id: str, server: PrefectServer) -> list[str]:
    """Return the last lines of the last errors logged by a run; Prefect sends logs every two seconds."""
    condition: Record = {"logs": {"flow_run_id": {"any_": [run_id]}, "level": {"ge_": 40}}}
    for _ in range(_LOGS_TIMEOUT):
        if found := await server.post("/logs/filter", {**condition, "sort": "TIMESTAMP_DESC", "limit": _LINES}):
            lines = [str(one["message"]).strip().rpartition("\n")[2] for one in reversed(found)]
            return list(dict.fromkeys(filter(None, lines)))
        await asyncio.sleep(_POLL_SECONDS)
    return []


@task(name="activate", task_run_name="activate {planned}", **RETRY_TEMPORARY_ERRORS)
async def activate(planned: PlannedDeployment, server: PrefectServer) -> None:
    """End the trial of a deployment that works: set its schedules and its pause as planned.

    Raises:
        MovedError: It was deleted in the meantime.
    """
    progress().step(f"activate {planned}")
    name = str(planned)
    live = await server.read_deployment(name)
    if live is None:
        raise MovedError("has been deleted while its smoke run was under way", where=name)
    settled = as_settled(live.record, after_of(planned.change))
    paths = {change.path.partition(".")[0] for change in field_changes(live.record, settled)}
    if paths:
        await server.update_deployment(live, {key: settled[key] for key in paths})
    if planned.predecessor is not None:
        await remove_predecessor(planned.predecessor, server)
    get_run_logger().info("%s is active as it is wanted", name)
