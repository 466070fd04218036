"""Runs a deployment once before it counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.smoke import Smoke
from meta_prefect.interfaces.times import Length


class smoke_run(Builder):  # noqa: N801 - used like a function
    """Lets a deployment run once before its schedules are active, whenever its runs would change; in place of its environment's.

    Where that run fails, the deployment is put back as it was.

    Attributes:
        parameters: Parameters of that run, over the deployment's own.
        timeout: Within what time it is to be through: ``10m``, ``2h``.
        wanted: Whether there is such a run; false does without one also where the environment asks for it.
    """

    step: ClassVar[str] = "ask for a smoke run"

    parameters: dict[str, Any] = Field(default={})
    timeout: Length = timedelta(minutes=10)
    wanted: bool = True

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the smoke run."""
        deployment.smoke = Smoke(parameters=self.parameters, timeout=self.timeout) if self.wanted else None
        return deployment
