"""The key with which secrets are sealed (keyed hashes) in records: where it is stored and when it is created.

It is a Secret block on the server, shared by all projects, because everyone who deploys to a server compares with what others
recorded. There it is encrypted, never displayed, and readable by those who may read the secrets that deployments reference. A
local file would not do, because CI and laptops compare the same records; nor would a Prefect Variable, which is readable by
everyone who may read a plan.

It is created when the first record containing a secret is stored. Without permission to read or create it, deploys still
work, but secrets are left out of the comparison. If it is deleted, the next deploy creates another one; secrets sealed with
the old key count as unchanged until they are deployed again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from meta_prefect.errors import RefusedError
from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.redaction import hidden
from meta_prefect.sealing import has_key, use_key

BLOCK: Final = "meta-prefect-sealing-key"
"""The block's name."""

_TYPE: Final = "/block_types/slug/secret"


async def learn_key(server: Api) -> None:
    """Read the key, if it exists and may be read, and use it for sealing from now on."""
    found: Record = {}
    with suppress(RefusedError):
        found = await server.get(f"{_TYPE}/block_documents/name/{BLOCK}?include_secrets=true") or {}
    use_key(found.get("data", {}).get("value"))


async def share_key(values: Iterable[Any], server: Api) -> None:
    """Make sure that a key exists if there is a secret in what is about to be recorded.

    Args:
        values: What is about to be recorded.
        server: The Prefect API.
    """
    if has_key() or all(hidden(value) == value for value in values):
        return
    await learn_key(server)
    if not has_key():
        with suppress(RefusedError):  # creating it is not permitted, or someone else just created it
            await _make(server)
        await learn_key(server)


async def _make(server: Api) -> None:
    kind: Record = await server.get(_TYPE) or {}
    if not kind:
        # A server configured not to register block types on startup.
        await server.post("/block_types/install_system_block_types")
        kind = await server.get(_TYPE)
    schemas: list[Record] = await server.post(
        "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}, "limit": 1}
    )
    await server.post(
        "/block_documents/",
        {
            "name": BLOCK,
            "data": {"value": secrets.token_hex(32)},
            "block_type_id": kind["id"],
            "block_schema_id": schemas[0]["id"],
        },
    )
