"""How a project stands: reads the project and the server, and writes nothing."""

from __future__ import annotations

from pathlib import Path

from meta_prefect.discovery.sharing import sharing_modules
from meta_prefect.errors import ValidationFailed
from meta_prefect.plan.recorded import Asked
from meta_prefect.plan.records import desired_record
from meta_prefect.plan.status import ProjectStatus, orphan_status, status_of
from meta_prefect.project import read_project
from meta_prefect.recipes.planning import plan_order, read_order
from meta_prefect.server import PrefectServer


async def project_status(path: Path, environment: str | None, asked: Asked, server: PrefectServer) -> ProjectStatus:
    """Compare what was applied, what is live and what the project wants.

    Args:
        path: The project's folder, or a file in it.
        environment: The environment; None means META_PREFECT__ENV, else ``dev``.
        asked: Which deployments are meant.
        server: The Prefect API.

    Raises:
        ValidationFailed: Something is wrong with the project.
    """
    with sharing_modules():
        order = read_order(read_project(path, required=False), path, environment, asked)
        planned = await plan_order(order, server.host, server)
    if planned.errors:
        raise ValidationFailed(planned.errors)
    batch = planned.batch
    last = await server.read_last_entries(
        order.project.name, [str(one) for one in (*batch.deployments, *batch.orphans)]
    )
    deployments = [
        *(
            status_of(one.change, desired_record(one.draft.deployment, one.live), last.get(str(one)))
            for one in batch.deployments
        ),
        *(orphan_status(one.change, last.get(str(one))) for one in batch.orphans),
    ]
    return ProjectStatus(
        version=1,
        project=order.project.name,
        environment=order.context.environment,
        in_sync=all(one.is_in_sync for one in deployments),
        deployments=tuple(deployments),
    )
