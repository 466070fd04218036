"""Work queues."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self
from urllib.parse import quote

from pydantic import Field

from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components.component import Component, ComponentKey
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_within


class WorkQueue(Component):
    """A queue of a work pool.

    Attributes:
        pool: The pool it belongs to; left empty, the deployment's.
        concurrency_limit: How many runs at a time; None leaves it to the operator.
        priority: 1 is served first; None leaves it to the operator.
        description: Text for the UI; None leaves it to the operator.
    """

    kind: ClassVar[str] = "work queue"
    __hash__ = Component.__hash__

    pool: str = ""
    concurrency_limit: int | None = Field(default=None, ge=0)
    priority: int | None = Field(default=None, ge=1)
    description: str | None = None

    @property
    def key(self) -> ComponentKey:
        """Queues of different pools may have the same name."""
        return (self.kind, f"{self.pool}/{self.name}")

    def __str__(self) -> str:
        return f"{self.kind} {self.pool}/{self.name}"

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Take pool and name from the deployment where they are left empty."""
        pool = self.pool or deployment.work_pool_name or host.pool_name()
        return self.model_copy(update={"pool": pool, "name": self.name or deployment.work_queue_name or "default"})

    def _wanted(self) -> Record:
        fields = self.model_dump(include={"concurrency_limit", "priority", "description"})
        return {"name": self.name} | {key: value for key, value in fields.items() if value is not None}

    async def read(self, api: Api) -> Record | None:
        """Read the queue."""
        return await api.get(f"/work_pools/{quote(self.pool)}/queues/{quote(self.name)}")

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare the fields that are set."""
        return differences_within(ABSENT if live is None else live, self._wanted())

    async def write(self, api: Api, live: Record | None) -> None:
        """Create the queue, or send what is set."""
        queues = f"/work_pools/{quote(self.pool)}/queues/"
        if live is None:
            await api.post(queues, self._wanted())
        else:
            await api.patch(f"{queues}{quote(self.name)}", self._wanted())
