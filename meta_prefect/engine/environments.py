"""Finds the environments of a project on the server."""

from __future__ import annotations

from typing import Any, Final

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.tags import Names, environment_of, owner_tags
from meta_prefect.project.environments import Environments
from meta_prefect.server import Reader

_PAGE: Final = 200


async def known_environments(names: Names, described: Environments, server: Reader) -> set[str]:
    """Return the environments in which a project has deployments, and those that its deployer offers.

    Args:
        names: The project's names.
        described: The project's environment settings, including their words in names of deployments.
        server: The server to read from.
    """
    found: set[str] = set()
    offset = 0
    while True:
        of_owner = {"deployments": {"tags": {"any_": owner_tags(names)}}, "limit": _PAGE, "offset": offset}
        page: list[Record] = await server.post("/deployments/filter", of_owner)
        found |= {
            described.environment_for(word) for item in page if (word := environment_of(item["tags"])) is not None
        }
        if len(page) < _PAGE:
            break
        offset += _PAGE
    for project in names:
        deployer: Record = await server.get(f"/deployments/name/deploy-project/{project}") or {}
        form: Any = deployer.get("parameter_openapi_schema") or {}
        found.update(form.get("properties", {}).get("environment", {}).get("enum") or ())
    return found
