"""The environments of a project, wherever they are."""

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
    """Find out how the environments of a project stand: those that its file names, and those that are on its servers.

    What is wrong with one keeps nobody from looking at the next.

    Args:
        path: The project's folder, or a file in it.

    Raises:
        ValidationFailed: The project file is wrong.
        NoApiConfiguredError: The file names no environment, and there is no Prefect API.
    """
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.project import read_project
    from meta_prefect.server.asking import ask_api

    project = read_project(path, required=False)
    found: dict[str, EnvironmentStatus] = {}
    for asked in project.environments.models or (None,):
        try:
            with server_of(project, asked):
                there = ask_api(partial(_on, project, asked, found), "no environments to list")
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
    """The environments on one server: the one that is asked for, and what else the project has there."""
    from meta_prefect.engine.environment_status import environment_status
    from meta_prefect.engine.environments import known_environments
    from meta_prefect.state.previews import read_previews

    described = project.environments
    previews = {one.environment: one for one in await read_previews(project.names, server)}
    there = await known_environments(project.names, described, server)
    known = {one for one in (*there, *previews) if one != DEPLOYERS}
    own = {asked} if asked is not None and asked in described.names else set[str]()
    # What another name of the file is about may be on another server.
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
