"""Plans without a server: everything that can be checked is, and everything is to be created."""

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
    """Plan a project as if its server were empty; no run is recorded, since there is nowhere to record it.

    Args:
        path: The project's folder, or a file in it.
        environment: The requested environment.
        asked: The other options.
        keep_going: Whether to plan valid deployments even if others are invalid.

    Raises:
        ValidationFailed: The project is invalid.
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
    """Determine a project's future deployments, as far as possible without a server.

    Args:
        path: The project's folder, or a file in it.
        environment: The environment; None for META_PREFECT__ENV, or ``dev``.
        names: Flows or ``flow/deployment``; empty for everything.
        now: The time of the deploy; None for the current time.

    Raises:
        ValidationFailed: The project is invalid.
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
    """Plan a project without a flow run.

    Args:
        path: The project's folder, or a file in it.
        environment: The environment; None for META_PREFECT__ENV, or ``dev``.
        asked: The other options.
        server: The server to read from.
        from_source: Whether to read flows from source where that is certain; if not, all are imported.
        now: The time of the deploy; None for the current time.

    Raises:
        ValidationFailed: The options contradict each other. The project's own errors are in the plan.
    """
    project = read_project(path, required=False)
    flows = ProjectFlows(project.root, from_source=from_source)
    inputs = read_plan_input(project, path, environment, asked, flows=flows)
    if now is not None:
        inputs = inputs.at(now)
    return await plan_project(inputs, server.host, server)
