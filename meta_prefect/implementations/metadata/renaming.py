"""Renames a deployment without losing its operators' settings."""

from __future__ import annotations

from typing import ClassVar

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment


class renamed_from(Builder):  # noqa: N801 - used like a function
    """Lets a deployment take the place of one with another name.

    Prefect cannot rename a deployment. The new one is created with what operators set on the old one (paused, active
    schedules, limits), and the old one is deleted once that has succeeded. Later deploys find nothing more to do.

    Attributes:
        name: The old purpose, ``nightly``, or ``flow/nightly`` where the flow had another name too.
        per_environment: Whether the environment was appended to it, as :class:`namer` does.
    """

    step: ClassVar[str] = "find the old name"

    name: str
    per_environment: bool = True

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Record the old name."""
        flow, _, name = self.name.rpartition("/")
        old = f"{name}-{deployment.environment_word}" if self.per_environment else name
        deployment.renamed_from = f"{flow or deployment.flow.name}/{old}"
        return deployment
