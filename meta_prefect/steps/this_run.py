"""What the present flow run knows about itself. Prefect's own runtime asks the API for it, with a new client each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect.context import FlowRunContext
from prefect.runtime import deployment, flow_run

from meta_prefect.server import ui_url


def present_run() -> tuple[str | None, str | None]:
    """The id of the present run and the address of its page in the UI; None each outside of a run."""
    run_id = flow_run.get_id()
    return (str(run_id), ui_url("flow-run", str(run_id))) if run_id else (None, None)


def running_for() -> timedelta | None:
    """How long the present run has been running; None where there is no run."""
    context = FlowRunContext.get()
    return None if context is None else datetime.now(UTC) - context.start_time


def deployment_id() -> str | None:
    """The id of the deployment whose run this is; None for a run that no deployment started, or where there is no run."""
    context = FlowRunContext.get()
    found = context.flow_run.deployment_id if context is not None and context.flow_run is not None else None
    return None if found is None else str(found)


def deployment_name() -> str | None:
    """The name of the deployment whose run this is; None for a run that no deployment started, or where there is no run."""
    return None if deployment_id() is None else deployment.get_name()


def is_automatic() -> bool:
    """Whether nobody started this run: a schedule did, or an automation."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None:
        return False
    made_by = run.created_by.type if run.created_by is not None else None
    return bool(run.auto_scheduled) or (made_by or "").upper() in ("SCHEDULE", "AUTOMATION")
