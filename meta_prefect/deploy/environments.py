"""Lists the environments of a project across all its servers."""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from meta_prefect.errors import MetaPrefectError
from meta_prefect.interfaces.tags import DEPLOYERS

if TYPE_CHECKING:
    from meta_prefect.plan.environment_status import EnvironmentStatus
    from meta_prefect.project import Environments, Project
    from meta_prefect.server import PrefectServer


def list_environments(path: Path) -> list[EnvironmentStatus]:
    """Determine the status of a project's environments: those in its file, and those found on its servers.

    An error in one does not prevent checking the others.


    Args:
        path: The project's folder, or a file in it.

    Raises:
        ValidationFailed: The project file is invalid.
        NoApiConfiguredError: The file describes no environments, and no Prefect API is configured.
    """
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.project import read_project
    from meta_prefect.server.access import query_api

    project = read_project(path, required=False)
    found: dict[str, EnvironmentStatus] = {}
    for asked in project.environments.models or (None,):
        try:
            with server_of(project, asked):
                there = query_api(partial(_on, project, asked, found), "no environments to list")
        except MetaPrefectError as error:
            if asked is None:
                raise
            there = [_unknown(project, asked, error)]
        found |= {one.environment: one for one in there}
    order = {name: index for index, name in enumerate(project.environments.models)}
    return sorted(found.values(), key=lambda one: (order.get(one.environment, len(order)), one.environment))


async def _on(
    project: Project, asked: str | None, found: Container[str], server: PrefectServer
) -> list[EnvironmentStatus]:
    """Return the environments on one server: the given one, and others that the project has there."""
    from meta_prefect.engine.environment_status import environment_status
    from meta_prefect.engine.environments import known_environments
    from meta_prefect.state.previews import read_previews

    described = project.environments
    previews = {one.environment: one for one in await read_previews(project.names, server)}
    there = await known_environments(project.names, described, server)
    known = {one for one in (*there, *previews) if one != DEPLOYERS}
    own = {asked} if asked is not None and asked in described.names else set[str]()
    # Other environments described in the file may be on another server.
    others = {one for one in known if one not in described.names and _belongs(one, asked, described)}
    return [
        await environment_status(project, name, server, previews.get(name))
        for name in sorted(own | others)
        if name not in found
    ]


def _belongs(name: str, asked: str | None, described: Environments) -> bool:
    key = described.find(name)
    return key is None or key.key == asked


def _unknown(project: Project, asked: str, error: MetaPrefectError) -> EnvironmentStatus:
    from meta_prefect.plan.environment_status import EnvironmentStatus

    says = project.environments.models[asked]
    return EnvironmentStatus(
        environment=asked, server=says.api_url, profile=says.profile, state="unknown", problem=str(error)
    )
