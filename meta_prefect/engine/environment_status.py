"""The status of an environment on its server; only reads."""

from __future__ import annotations

from meta_prefect.engine.plan_input import read_plan_input
from meta_prefect.engine.status import project_status
from meta_prefect.errors import MetaPrefectError
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.environment_status import EnvironmentStatus, last_deploy, state_of
from meta_prefect.plan.previews import Preview
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.project import Project
from meta_prefect.server import PrefectServer


async def environment_status(
    project: Project, name: str, server: PrefectServer, preview: Preview | None = None
) -> EnvironmentStatus:
    """Determine the status of an environment.

    Args:
        project: The project.
        name: The environment.
        server: The environment's Prefect API.
        preview: Its preview record, if it is a preview.
    """
    described = project.environments.find(name)
    owned = await server.read_owned(project.names, project.environments.word_for(name))
    last = None
    async for stored in server.read_ledger_pages(project.names, name):
        if stored.doubt is None:
            last = stored.page
            break
    about: Record = {"environment": name, "server": server.url, "deployments": len(owned), **last_deploy(last)}
    if described is not None:
        about |= {"profile": described.says.profile, "protected": described.is_protected}
    if preview is not None:
        about |= {"since": preview.since, "expires": preview.expires}
    found = None
    try:
        if described is not None or not project.environments:
            # Its own flows, because one environment's modules must not affect another's.
            flows = ProjectFlows(project.root, from_source=True)
            inputs = read_plan_input(project, project.root, name, DeployOptions(), flows=flows)
            found = await project_status(inputs, server)
    except MetaPrefectError as error:
        return EnvironmentStatus(**about, state="unknown", problem=str(error))
    state, drifted = state_of(found, len(owned))
    return EnvironmentStatus(**about, state=state, drifted=drifted)
