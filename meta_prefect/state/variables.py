"""Prefect Variables that exist once per name."""

from __future__ import annotations

from meta_prefect.errors import RefusedError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.server import PrefectServer


async def find_or_create(body: Record, server: PrefectServer) -> Record | None:
    """Create a variable, or return the existing one of that name.

    Args:
        body: The variable to create: ``name``, ``value`` and ``tags``.
        server: The Prefect API.
    """
    path = f"/variables/name/{body['name']}"
    found: Record | None = await server.get(path)
    if found is None:
        try:
            await server.post("/variables/", body)
        except RefusedError:
            # Someone else just created one, or an earlier attempt did and its response was lost.
            found = await server.get(path)
            if found is None:
                raise
    return found
