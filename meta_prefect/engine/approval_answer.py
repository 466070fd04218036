"""Answers a run that is waiting for approval, like the form in the UI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import tenacity

from meta_prefect.errors import RefusedError, TargetError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.approval import KEY_PREFIX
from meta_prefect.server import PrefectServer


async def answer(run: str, given: Mapping[str, str], server: PrefectServer) -> str:
    """Answer a run; return its name.

    Args:
        run: Its id, or the URL of its page.
        given: The fields of the form.
        server: The Prefect API.

    Raises:
        TargetError: There is no such run, or it is not waiting for approval.
        RefusedError: Prefect does not accept the answer, or no longer accepts any.
    """
    found = await _read(run, server)
    state: Record = found.get("state") or {}
    details: Record = state.get("state_details") or {}
    if state.get("type") != "PAUSED" or not str(details.get("pause_key")).startswith(KEY_PREFIX):
        is_now = f"it is {state.get('name')}"
        raise TargetError(f"the run {found['name']!r} does not wait for approval: {is_now}", where="approve")
    result = await _resume(found["id"], given, server)
    if result.get("status") != "ACCEPT":
        why: Record = result.get("details") or {}
        raise RefusedError(f"the answer was not taken: {why.get('reason')}", where=f"run {found['name']}")
    return found["name"]


_NO_FORM_YET: Final = "Run input schema not found."
"""The error of Prefect's API for a run that has paused but not stored its form yet (``resume_flow_run``)."""


def _has_no_form_yet(result: Record) -> bool:
    details: Record = result.get("details") or {}
    return details.get("reason") == _NO_FORM_YET


@tenacity.retry(
    retry=tenacity.retry_if_result(_has_no_form_yet),
    wait=tenacity.wait_fixed(0.2),
    stop=tenacity.stop_after_delay(10),
    retry_error_callback=lambda attempts: attempts.outcome and attempts.outcome.result(),
)
async def _resume(run_id: str, given: Mapping[str, str], server: PrefectServer) -> Record:
    return await server.post(f"/flow_runs/{run_id}/resume", {"run_input": dict(given)})


async def _read(run: str, server: PrefectServer) -> Record:
    try:
        run_id = str(UUID(run.rstrip("/").rpartition("/")[2]))
    except ValueError:
        raise TargetError(f"{run!r} is no flow run's id", where="approve") from None
    found: Record | None = await server.get(f"/flow_runs/{run_id}")
    if found is None:
        raise TargetError(
            f"there is no run {run_id} on {server.url}", where="approve", hint="Is it on another server? --env."
        )
    return found
