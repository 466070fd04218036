"""A kind of component of our own: a Prefect Variable that notes something."""

from collections.abc import Iterable
from typing import ClassVar

from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_within


class Note(Component):
    """A Prefect Variable with a text."""

    kind: ClassVar[str] = "note"

    value: str

    async def read(self, api: Api) -> Record | None:
        return await api.get(f"/variables/name/{self.name}")

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        return differences_within(ABSENT if live is None else live, {"value": self.value})

    async def write(self, api: Api, live: Record | None) -> None:
        if live is None:
            await api.post("/variables/", {"name": self.name, "value": self.value})
        else:
            await api.patch(f"/variables/{live['id']}", {"value": self.value})
