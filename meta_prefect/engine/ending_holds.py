"""The holds that a deploy ends: it was asked for explicitly, or they have run out."""

from __future__ import annotations

from prefect import get_run_logger

from meta_prefect.engine.compare import PlannedBatch
from meta_prefect.report import Report
from meta_prefect.server import PrefectServer

_ENDED_BY = ("created", "updated", "unchanged")


async def end_holds(batch: PlannedBatch, report: Report, server: PrefectServer) -> Report:
    """Remove the holds of what has been deployed; that of a deployment that could not be written stays.

    Args:
        batch: What was planned, with the holds that there were.
        report: What happened.
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
