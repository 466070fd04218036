"""Global concurrency limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar
from urllib.parse import quote

from pydantic import Field

from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.components.component import Component
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_within


class GlobalConcurrencyLimit(Component):
    """A global concurrency limit, for use with ``prefect.concurrency``.

    Attributes:
        limit: How many slots there are.
        active: Whether it limits anything; None leaves it to the operator.
        slot_decay_per_second: How many slots become free each second, for a rate limit; None leaves it to the operator.
    """

    kind: ClassVar[str] = "concurrency limit"

    limit: int = Field(default=1, ge=0)
    active: bool | None = None
    slot_decay_per_second: float | None = Field(default=None, ge=0)

    def __hash__(self) -> int:
        return super().__hash__()

    def _wanted(self) -> Record:
        fields = self.model_dump(include={"name", "limit", "active", "slot_decay_per_second"})
        return {key: value for key, value in fields.items() if value is not None}

    async def read(self, api: Api) -> Record | None:
        """Read the limit."""
        return await api.get(f"/v2/concurrency_limits/{quote(self.name)}")

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare the fields that are set."""
        return differences_within(ABSENT if live is None else live, self._wanted())

    async def write(self, api: Api, live: Record | None) -> None:
        """Create the limit, or send what is set."""
        if live is None:
            await api.post("/v2/concurrency_limits/", self._wanted())
        else:
            await api.patch(f"/v2/concurrency_limits/{quote(self.name)}", self._wanted())
