"""The name of a deployment."""

from __future__ import annotations

from typing import ClassVar

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment


class namer(Builder):  # noqa: N801 - builders are used like functions, as in `@namer(name="nightly")`
    """Names a deployment after its purpose and its environment: ``<name>-<environment>``.

    Attributes:
        name: The purpose, for example ``nightly``.
        per_environment: Whether the environment is appended. Without it two environments meet in one deployment.
    """

    step: ClassVar[str] = "name"

    name: str
    per_environment: bool = True

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the name."""
        deployment.name = f"{self.name}-{deployment.environment}" if self.per_environment else self.name
        return deployment
