"""The description of a deployment."""

from __future__ import annotations

from typing import ClassVar

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment


class describer(Builder):  # noqa: N801 - used like a function
    """Describes a deployment by a text of its own, or by its flow's docstring.

    Attributes:
        text: Markdown; None takes the flow's description.
    """

    step: ClassVar[str] = "describe"

    text: str | None = None

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the description."""
        deployment.description = self.text if self.text is not None else deployment.flow.description
        return deployment
