"""Planning without a server: everything is checked that can be, and everything is to be created."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from meta_prefect.errors import ValidationFailed
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.document import document
from meta_prefect.plan.resolving import Draft
from meta_prefect.project import read_project
from meta_prefect.recipes.planning import ProjectPlan, plan_requests, read_requests
from meta_prefect.recipes.selection import select_in
from meta_prefect.report import Report
from meta_prefect.server import NoServer
from meta_prefect.steps.source import new_context


async def plan_offline(
    path: Path, environment: str | None, names: Sequence[str], select: Sequence[str], *, keep_going: bool
) -> Report:
    """Plan a project as if its server were empty; no run is recorded, as there is nowhere to record it.

    Raises:
        ValidationFailed: Something is wrong with the project.
    """
    context, plan = await _planned(path, environment, names, select)
    if plan.errors and not keep_going:
        raise ValidationFailed(plan.errors)
    return Report(
        environment=context.environment,
        dry_run=True,
        outcomes=(*plan.outcomes(), *plan.refused()),
        remarks=plan.remarks,
        plan=document(plan.batch.plan),
    )


async def drafts_offline(
    path: Path, environment: str | None, names: Sequence[str], *, now: datetime | None = None
) -> list[Draft]:
    """What the deployments of a project will be, as far as that can be said without a server.

    Args:
        path: The project's folder, or a file in it.
        environment: The environment; None takes META_PREFECT__ENV, else ``dev``.
        names: Flows or ``flow/deployment``; everything where there are none.
        now: The moment of the deploy; the present one where it is None.

    Raises:
        ValidationFailed: Something is wrong with the project.
    """
    _, plan = await _planned(path, environment, names, (), now=now)
    if plan.errors:
        raise ValidationFailed(plan.errors)
    return [planned.draft for planned in plan.batch.deployments]


async def _planned(
    path: Path, environment: str | None, names: Sequence[str], select: Sequence[str], *, now: datetime | None = None
) -> tuple[DeployContext, ProjectPlan]:
    project = read_project(path, required=False)
    selection = select_in(project, path, names, select)
    context = new_context(project.root, project.name, environment=environment)
    if now is not None:
        context = context.at(now)
    host = LocalHost(start_worker=context.start_worker)
    requested = read_requests(project, context, selection, environment_asked=environment is not None)
    return context, await plan_requests(requested, context, selection, host, NoServer(host))
