"""A concurrency limit for a single deployment."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment


class run_limit(Builder):  # noqa: N801 - used like a function
    """Limits how many runs of a deployment happen at the same time.

    Attributes:
        limit: How many; 0 removes a limit that is there.
        collision: What happens to a run above the limit: it waits (``ENQUEUE``) or is cancelled (``CANCEL_NEW``); None leaves it
            to the operator, and it waits where nobody says.
        grace_period: Seconds within which a run's infrastructure must have started before its slot goes to another run, 60 to
            86400; None leaves it to the operator, and the server's own setting counts where nobody says.
    """

    step: ClassVar[str] = "limit runs"

    limit: int = Field(default=1, ge=0)
    collision: Literal["ENQUEUE", "CANCEL_NEW"] | None = "ENQUEUE"
    grace_period: int | None = Field(default=None, ge=60, le=86400)

    @model_validator(mode="after")
    def _needs_a_limit(self) -> Self:
        if self.grace_period is not None and not self.limit:
            raise ValueError("`grace_period` belongs to a limit, and `limit: 0` removes it")
        return self

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the limit."""
        deployment.concurrency_limit = self.limit
        deployment.collision_strategy = self.collision if self.limit else None
        deployment.grace_period_seconds = self.grace_period
        return deployment
