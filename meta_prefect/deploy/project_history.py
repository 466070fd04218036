"""Lists the deploys of a project across all its environments and servers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from meta_prefect.errors import MetaPrefectError

if TYPE_CHECKING:
    from meta_prefect.interfaces.tags import Names
    from meta_prefect.plan.project_history import ProjectDeploy
    from meta_prefect.server import PrefectServer

MAX_PAGES = 200
"""The maximum number of ledger pages to read per server."""


def list_deploys(path: Path) -> tuple[list[ProjectDeploy], list[str]]:
    """List the deploys of a project, newest first, with remarks.

    An error in one environment does not prevent reading the others.


    Args:
        path: The project's folder, or a file in it.

    Raises:
        ValidationFailed: The project file is invalid.
        NoApiConfiguredError: The file describes no environments, and no Prefect API is configured.
    """
    from meta_prefect.local.environment_server import present_address, server_of
    from meta_prefect.project import read_project
    from meta_prefect.server.access import query_api

    project = read_project(path, required=False)
    servers: dict[str, list[ProjectDeploy]] = {}
    notes: list[str] = []
    for asked in project.environments.models or (None,):
        try:
            with server_of(project, asked):
                if present_address() not in servers:
                    found, unsound = query_api(partial(_on, project.names), "no history")
                    servers[present_address()] = found
                    notes += unsound
        except MetaPrefectError as error:
            if asked is None:
                raise
            notes.append(f"{asked}: {error}")
    deploys = [one for found in servers.values() for one in found]
    return sorted(deploys, key=lambda one: one.at, reverse=True), list(dict.fromkeys(notes))


async def _on(names: Names, server: PrefectServer) -> tuple[list[ProjectDeploy], list[str]]:
    from meta_prefect.engine.project_history import recent_deploys

    found, is_all = await recent_deploys(names, server, MAX_PAGES)
    more = [] if is_all else [f"on {server.url} there is more: these are the last {MAX_PAGES} pages of the ledger"]
    return found, [*more, *server.unsound.values()]
