"""A limit on the runs of one deployment."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment


class run_limit(Builder):  # noqa: N801 - used like a function
    """Limits how many runs of a deployment happen at the same time.

    Attributes:
        limit: How many; 0 removes a limit that is there.
        collision: What happens to a run above the limit: it waits (``ENQUEUE``) or is cancelled (``CANCEL_NEW``).
    """

    step: ClassVar[str] = "limit runs"

    limit: int = Field(default=1, ge=0)
    collision: Literal["ENQUEUE", "CANCEL_NEW"] = "ENQUEUE"

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the limit."""
        deployment.concurrency_limit = self.limit
        deployment.collision_strategy = self.collision if self.limit else None
        return deployment
