"""Stores and removes holds, and ends those of deployments that were deployed."""

from __future__ import annotations

from prefect import get_run_logger, task

from meta_prefect.engine.compare import PlannedBatch
from meta_prefect.engine.observed import RETRY_TEMPORARY_ERRORS
from meta_prefect.engine.progress import progress
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.holds import HOLD_TAG, Hold, StoredHold
from meta_prefect.report import Report
from meta_prefect.server import PrefectServer
from meta_prefect.state.variables import find_or_create

_ENDED_BY = ("created", "updated", "unchanged")


@task(name="hold", task_run_name="hold {name}", **RETRY_TEMPORARY_ERRORS)
async def store_hold(name: str, hold: Hold, server: PrefectServer) -> None:
    """Store a hold, replacing an existing one."""
    progress().step(f"hold {name}")
    body: Record = {"name": hold.variable, "value": hold.model_dump(mode="json"), "tags": [HOLD_TAG]}
    found = await find_or_create(body, server)
    if found is not None:
        await server.patch(f"/variables/{found['id']}", {"value": body["value"], "tags": body["tags"]})
    get_run_logger().info("%s is %s", name, hold)


@task(name="release", task_run_name="release {name}", **RETRY_TEMPORARY_ERRORS)
async def remove_hold(name: str, stored: StoredHold, server: PrefectServer) -> None:
    """Remove a hold."""
    progress().step(f"release {name}")
    await server.delete(f"/variables/{stored.variable_id}")
    get_run_logger().info("released: %s was %s", name, stored.hold)


async def end_holds(batch: PlannedBatch, report: Report, server: PrefectServer) -> Report:
    """Remove the holds of what was deployed; those of deployments that could not be written are kept.

    Args:
        batch: What was planned, including the holds.
        report: The outcomes.
        server: The Prefect API.
    """
    done = {outcome.deployment: outcome.action for outcome in report.outcomes}
    stayed: list[str] = []
    for name, stored in batch.ending:
        if done.get(name) in _ENDED_BY:
            await server.delete(f"/variables/{stored.variable_id}")
            get_run_logger().info("%s is no longer %s", name, stored.hold)
        else:
            stayed.append(f"the hold of {name} stays, as it was not deployed")
    return report.model_copy(update={"remarks": (*report.remarks, *stayed)}) if stayed else report
