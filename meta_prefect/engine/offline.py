"""Planning without a server: everything is checked that can be, and everything is to be created."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from meta_prefect.engine.plan_input import read_plan_input
from meta_prefect.engine.project_plan import ProjectPlan, plan_project
from meta_prefect.errors import ValidationFailed
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.project import read_project
from meta_prefect.report import Report
from meta_prefect.report.plan_json import document
from meta_prefect.server import NoServer, Reader
from meta_prefect.settings import read_settings


async def plan_offline(
    path: Path, environment: str | None, asked: DeployOptions, *, keep_going: bool = False
) -> Report:
    """Plan a project as if its server were empty; no run is recorded, as there is nowhere to record it.

    Args:
        path: The project's folder, or a file in it.
        environment: The environment that was asked for.
        asked: What else was asked for.
        keep_going: Whether to plan what is sound even where something else is not.

    Raises:
        ValidationFailed: Something is wrong with the project.
    """
    plan = await _planned(path, environment, asked, from_source=False)
    if plan.errors and not keep_going:
        raise ValidationFailed(plan.errors)
    return Report(
        environment=plan.context.environment,
        dry_run=True,
        outcomes=(*plan.outcomes(dry_run=True), *plan.refused()),
        remarks=plan.remarks(dry_run=True),
        plan=document(plan.batch.plan),
    )


async def sound_plan_offline(
    path: Path, environment: str | None, names: Sequence[str], *, now: datetime | None = None
) -> ProjectPlan:
    """What the deployments of a project will be, as far as that can be said without a server.

    Args:
        path: The project's folder, or a file in it.
        environment: The environment; None takes META_PREFECT__ENV, else ``dev``.
        names: Flows or ``flow/deployment``; everything where there are none.
        now: The moment of the deploy; the present one where it is None.

    Raises:
        ValidationFailed: Something is wrong with the project.
    """
    plan = await _planned(path, environment, DeployOptions(names=tuple(names)), from_source=True, now=now)
    if plan.errors:
        raise ValidationFailed(plan.errors)
    return plan


async def _planned(
    path: Path, environment: str | None, asked: DeployOptions, *, from_source: bool, now: datetime | None = None
) -> ProjectPlan:
    server = NoServer(LocalHost(start_worker=read_settings().start_worker))
    return await planned_without_run(path, environment, asked, server, from_source=from_source, now=now)


async def planned_without_run(
    path: Path,
    environment: str | None,
    asked: DeployOptions,
    server: Reader,
    *,
    from_source: bool = True,
    now: datetime | None = None,
) -> ProjectPlan:
    """Plan a project, without a run that shows it.

    Args:
        path: The project's folder, or a file in it.
        environment: The environment; None takes META_PREFECT__ENV, else ``dev``.
        asked: What else was asked for.
        server: What there is.
        from_source: Whether flows are read from their source where that makes certain what they are; else all are imported.
        now: The moment of the deploy; the present one where it is None.

    Raises:
        ValidationFailed: What was asked for does not go together. What is wrong with the project is in the plan.
    """
    project = read_project(path, required=False)
    flows = ProjectFlows(project.root, from_source=from_source)
    inputs = read_plan_input(project, path, environment, asked, flows=flows)
    if now is not None:
        inputs = inputs.at(now)
    return await plan_project(inputs, server.host, server)
