"""Planning without a server: everything is checked that can be, and everything is to be created."""

from __future__ import annotations

from pathlib import Path

from meta_prefect.errors import ValidationFailed
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.document import document
from meta_prefect.plan.recorded import Asked
from meta_prefect.project import read_project
from meta_prefect.recipes.planning import plan_order, read_order
from meta_prefect.report import Report
from meta_prefect.server import NoServer


async def plan_offline(path: Path, environment: str | None, asked: Asked, *, keep_going: bool = False) -> Report:
    """Plan a project as if its server were empty; no run is recorded, as there is nowhere to record it.

    Args:
        path: The project's folder, or a file in it.
        environment: The environment that was asked for.
        asked: What else was asked for.
        keep_going: Whether to plan what is sound even where something else is not.

    Raises:
        ValidationFailed: Something is wrong with the project.
    """
    order = read_order(read_project(path, required=False), path, environment, asked)
    host = LocalHost(start_worker=order.context.start_worker)
    plan = await plan_order(order, host, NoServer(host))
    if plan.errors and not keep_going:
        raise ValidationFailed(plan.errors)
    return Report(
        environment=plan.context.environment,
        dry_run=True,
        outcomes=(*plan.outcomes(dry_run=True), *plan.refused()),
        remarks=plan.remarks,
        plan=document(plan.batch.plan),
    )
