"""Planning without a server: everything is checked that can be, and everything is to be created."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from meta_prefect.errors import ValidationFailed
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.document import document
from meta_prefect.project import read_project
from meta_prefect.recipes.planning import plan_requests, read_requests
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
    project = read_project(path, required=False)
    selection = select_in(project, path, names, select)
    context = new_context(project.root, project.name, environment=environment)
    host = LocalHost(start_worker=context.start_worker)
    requested = read_requests(project, context, selection, environment_asked=environment is not None)
    plan = await plan_requests(requested, context, selection, host, NoServer(host))
    if plan.errors and not keep_going:
        raise ValidationFailed(plan.errors)
    return Report(
        environment=context.environment,
        dry_run=True,
        outcomes=(*plan.outcomes(), *plan.refused()),
        remarks=plan.remarks,
        plan=document(plan.batch.plan),
    )
