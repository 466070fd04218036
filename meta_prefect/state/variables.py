"""Prefect Variables that are there once for each name."""

from __future__ import annotations

from meta_prefect.errors import RefusedError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.server import PrefectServer


async def find_or_create(body: Record, server: PrefectServer) -> Record | None:
    """Create a variable; returns the one that is there instead, if one is.

    Args:
        body: What is created: ``name``, ``value`` and ``tags``.
        server: The Prefect API.
    """
    path = f"/variables/name/{body['name']}"
    found: Record | None = await server.get(path)
    if found is None:
        try:
            await server.post("/variables/", body)
        except RefusedError:
            # Somebody else has just made one, or an earlier attempt did and only its answer was lost.
            found = await server.get(path)
            if found is None:
                raise
    return found
