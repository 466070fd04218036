"""Blocks that somebody has saved in Prefect: looked for by a deploy, and never written by one."""

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
    """Where the API keeps a block."""
    return f"/block_types/slug/{quote(block_type)}/block_documents/name/{quote(name)}"


class SavedCredentials(Component):
    """A saved block with credentials. It is looked for and never written: secrets do not pass through a deploy.

    Attributes:
        name: ``<block type>/<name>``, with ``-`` for the slash, as names hold none.
        block_type: The type of the block.
        block_name: Its name.
    """

    kind: ClassVar[str] = "credentials block"

    block_type: str
    block_name: str

    @classmethod
    def of(cls, reference: str) -> SavedCredentials:
        """The component of a checked reference ``<block type>/<name>``."""
        block_type, _, name = reference.partition("/")
        return cls(name=f"{block_type}-{name}", block_type=block_type, block_name=name)

    async def read(self, api: Api) -> Record | None:
        """Find out whether it is there; what it holds is not read."""
        found = await api.get(f"{document_path(self.block_type, self.block_name)}?include_secrets=false")
        return None if found is None else {"id": found["id"]}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Need it.

        Raises:
            ConflictError: It is not there.
        """
        if live is None:
            raise ConflictError(
                f"there is no block {self.block_name!r} of type {self.block_type}",
                where=str(self),
                hint="Save it first, in the Prefect UI under Blocks or with its `save`; a deploy never writes credentials.",
            )
        return ()

    async def write(self, api: Api, live: Record | None) -> None:
        """Write nothing: :meth:`compare` asks for no change."""
        del api, live


async def load_block(reference: str) -> Any:
    """Load a saved block, with the secrets in it.

    Args:
        reference: ``<block type>/<name>``.

    Raises:
        ValueError: There is none.
    """
    import prefect_aws  # noqa: F401 - registers the types of its blocks with Prefect  # pyright: ignore
    from prefect.blocks.core import Block

    block: Any = await Block.aload(reference)
    remember_within(block)
    return block
