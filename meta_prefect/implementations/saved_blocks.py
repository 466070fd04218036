"""Blocks saved in Prefect by users: required by a deploy, and never written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import quote

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.json_diff import FieldChange, Record
from meta_prefect.redaction import remember_within


def document_path(block_type: str, name: str) -> str:
    """Return a block's path in the API."""
    return f"/block_types/slug/{quote(block_type)}/block_documents/name/{quote(name)}"


class SavedCredentials(Component):
    """A saved block with credentials. Its presence is checked, but it is never written: secrets do not pass through a deploy.

    Attributes:
        name: ``<block type>/<name>``, with ``-`` instead of the slash, which names cannot contain.
        block_type: The block's type.
        block_name: The block's name.
    """

    kind: ClassVar[str] = "credentials block"

    block_type: str
    block_name: str

    @classmethod
    def of(cls, reference: str) -> SavedCredentials:
        """Return the component for a validated reference ``<block type>/<name>``."""
        block_type, _, name = reference.partition("/")
        return cls(name=f"{block_type}-{name}", block_type=block_type, block_name=name)

    async def read(self, api: Api) -> Record | None:
        """Check whether it exists; its contents are not read."""
        found = await api.get(f"{document_path(self.block_type, self.block_name)}?include_secrets=false")
        return None if found is None else {"id": found["id"]}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Require the block.

        Raises:
            ConflictError: It does not exist.
        """
        if live is None:
            raise ConflictError(
                f"there is no block {self.block_name!r} of type {self.block_type}",
                where=str(self),
                hint="Save it first, in the Prefect UI under Blocks or with its `save`; a deploy never writes credentials.",
            )
        return ()

    async def write(self, api: Api, live: Record | None) -> None:
        """Do nothing: :meth:`compare` never yields a change."""
        del api, live


async def load_block(reference: str) -> Any:
    """Load a saved block, including its secrets.

    Args:
        reference: ``<block type>/<name>``.

    Raises:
        ValueError: It does not exist.
    """
    import prefect_aws  # noqa: F401 - registers the types of its blocks with Prefect  # pyright: ignore
    from prefect.blocks.core import Block

    block: Any = await Block.aload(reference)
    remember_within(block)
    return block
