"""Global concurrency limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar
from urllib.parse import quote

from pydantic import Field

from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.components.project_owned import OWNED_BY, ProjectOwned
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_within


class GlobalConcurrencyLimit(ProjectOwned):
    """A global concurrency limit, for use with ``prefect.concurrency``.

    Anyone may share it as it is. It belongs to the project that created it, and only that project changes it.

    Attributes:
        limit: The number of slots.
        active: Whether it is enforced; None leaves that to the operator.
        slot_decay_per_second: How many slots are released per second, for a rate limit; None leaves that to the operator.
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
        found: Record | None = await api.get(f"/v2/concurrency_limits/{quote(self.name)}")
        if found is None or not self.projects:
            return found
        return {**found, OWNED_BY: await self.marked_owner(found["id"], api)}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare the fields that are set.

        Raises:
            ConflictError: It needs a change, but belongs to another project or to none.
        """
        if live is None:
            return differences_within(ABSENT, self._wanted())
        whose = live.get(OWNED_BY)
        if whose not in self.projects and not tuple(differences_within(live, self._wanted())):
            return ()
        self.check_owner(whose)
        return differences_within(live, {**self._wanted(), **self.as_owned()})

    async def write(self, api: Api, live: Record | None) -> None:
        """Create the limit, or send the fields that are set."""
        if live is not None:
            await api.patch(f"/v2/concurrency_limits/{quote(self.name)}", self._wanted())
        there: Record = live or await api.post("/v2/concurrency_limits/", self._wanted())
        await self.mark_as_ours(there["id"], api)
