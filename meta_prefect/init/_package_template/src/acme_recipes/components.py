"""What must exist beside Acme's deployments."""

from collections.abc import Iterable
from typing import ClassVar

from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_within


class Budget(Component):
    """What a cost center may spend on one run, as a Prefect variable that flows read.

    Attributes:
        euros: The amount.
    """

    kind: ClassVar[str] = "budget"

    euros: int

    async def read(self, api: Api) -> Record | None:
        """Read the variable."""
        return await api.get(f"/variables/name/{self.name}")

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare the amount."""
        return differences_within(ABSENT if live is None else live, {"value": self.euros})

    async def write(self, api: Api, live: Record | None) -> None:
        """Create the variable, or change its value."""
        if live is None:
            await api.post("/variables/", {"name": self.name, "value": self.euros})
        else:
            await api.patch(f"/variables/{live['id']}", {"value": self.euros})
