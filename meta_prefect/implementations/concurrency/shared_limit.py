"""A global concurrency limit used by a deployment's flow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.components import Component, GlobalConcurrencyLimit
from meta_prefect.interfaces.deployment import Deployment


class shared_limit(Builder):  # noqa: N801 - used like a function
    """Makes a global concurrency limit, which flows and tasks take slots of: ``with concurrency("warehouse"): …``.

    Attributes:
        name: Its name; all who name it share it. The project that made it says how many slots it has.
        slots: How many slots there are.
        decay: How many slots become free each second, which makes it a limit of a rate; None leaves it to the operator.
    """

    step: ClassVar[str] = "need a shared limit"

    name: str
    slots: int = Field(default=1, ge=0)
    decay: float | None = Field(default=None, ge=0)

    @property
    def requires(self) -> Iterable[Component]:
        """The limit."""
        return (GlobalConcurrencyLimit(name=self.name, limit=self.slots, slot_decay_per_second=self.decay),)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Return the deployment unchanged: the limit is a separate object."""
        return deployment
