"""Reads the recent deploys of a project on one server, and publishes them as an artifact page."""

from __future__ import annotations

from typing import Final

from meta_prefect.interfaces.tags import Names
from meta_prefect.plan.ledger import StoredPage
from meta_prefect.plan.project_history import ProjectDeploy, deploys_of
from meta_prefect.report.history_page import project_history_artifact
from meta_prefect.server import PrefectServer

_SHOWN: Final = 20
"""How many ledger pages to read for the page written by each deploy: one request."""


async def recent_deploys(names: Names, server: PrefectServer, most: int) -> tuple[list[ProjectDeploy], bool]:
    """Return the last deploys of a project, newest first, and whether these are all.

    Args:
        names: The project's names.
        server: The Prefect API.
        most: The maximum number of ledger pages to read.
    """
    pages: list[StoredPage] = []
    async for stored in server.read_ledger_pages(names):
        if len(pages) == most:
            return deploys_of(pages, server.url), False
        pages.append(stored)
    return deploys_of(pages, server.url), True


async def show_project_history(names: Names, server: PrefectServer) -> None:
    """Publish a page of the last deploys to all environments on this server."""
    found, _ = await recent_deploys(names, server, _SHOWN)
    await server.create_artifact(project_history_artifact(names[0], found))
