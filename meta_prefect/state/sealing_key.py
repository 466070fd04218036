"""The key with which secrets are sealed in records: where it is kept, and who makes it.

It is a Secret block of the server, one for all projects, since all that deploy to a server compare with what others have
recorded. There it is encrypted, shown to nobody, and read by those who may read the secrets that deployments name. A file of this
host would not do, as CI and laptops compare the same records; nor would a Prefect Variable, which everybody may read who may read
a plan.

It is made when the first record with a secret in it is left on the server. Whoever may not read or make it deploys all the same:
secrets are left out of the comparison then. Whoever deletes it lets the next deploy make another one; what was sealed with the
old one counts as unchanged until it is deployed again.
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
"""The name of the block."""

_TYPE: Final = "/block_types/slug/secret"


async def learn_key(server: Api) -> None:
    """Read the key, where there is one that may be read, and seal with it from now on."""
    found: Record = {}
    with suppress(RefusedError):
        found = await server.get(f"{_TYPE}/block_documents/name/{BLOCK}?include_secrets=true") or {}
    use_key(found.get("data", {}).get("value"))


async def share_key(values: Iterable[Any], server: Api) -> None:
    """Make sure that there is a key, where there is a secret in what is about to be recorded.

    Args:
        values: What is about to be recorded.
        server: The Prefect API.
    """
    if has_key() or all(hidden(value) == value for value in values):
        return
    await learn_key(server)
    if not has_key():
        with suppress(RefusedError):  # it may not be made, or somebody else has just made it
            await _make(server)
        await learn_key(server)


async def _make(server: Api) -> None:
    kind: Record = await server.get(_TYPE) or {}
    if not kind:
        # A server that was told to register no blocks when it starts.
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
