"""A work queue for one deployment, or shared by several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.components import Component, WorkQueue
from meta_prefect.interfaces.deployment import Deployment


class work_queue(Builder):  # noqa: N801 - used like a function
    """Puts the runs of a deployment into a queue of its work pool, and so limits them together with others there.

    Attributes:
        name: The queue's name; the deployments that name it share it.
        limit: How many runs at a time; None leaves it to the operator.
        priority: 1 is served first; None leaves it to the operator.
    """

    step: ClassVar[str] = "choose a work queue"

    name: str
    limit: int | None = Field(default=None, ge=0)
    priority: int | None = Field(default=None, ge=1)

    @property
    def requires(self) -> Iterable[Component]:
        """The queue."""
        return (WorkQueue(name=self.name, concurrency_limit=self.limit, priority=self.priority),)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the queue."""
        deployment.work_queue_name = self.name
        return deployment
