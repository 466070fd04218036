"""Runs a deployment when somebody changes or deletes deployments of some flows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from pydantic import Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.components import Component, OwnedAutomation, RunDeployment
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.records import Record

PAUSE_SECONDS: Final = 30
"""Changes within so many seconds are looked at together, once they are over: a deploy of a hundred is one look."""


def watch_name(flow: str, deployment: str, environment: str) -> str:
    """What the automation is called that runs a deployment for an environment."""
    return f"{flow}-{deployment}: when deployments in {environment} change"


class DeploymentWatch(OwnedAutomation):
    """An automation that runs a deployment for one environment after deployments of some flows were changed or deleted.

    Attributes:
        flows: The flows whose deployments are watched.
        environment: The run's parameter of that name.
        pause_seconds: How long changes are gathered.
    """

    flows: tuple[str, ...]
    environment: str
    pause_seconds: float = Field(default=PAUSE_SECONDS, ge=0)

    def title(self) -> str:
        """What is run, and when."""
        return watch_name(self.flow, self.deployment, self.environment)

    def does(self) -> RunDeployment:
        """Run the deployment for the environment, once the changes are over."""
        return RunDeployment(
            deployment=f"{self.flow}/{self.deployment}",
            parameters={"environment": self.environment},
            after_seconds=self.pause_seconds,
        )

    def event(self) -> Record:
        """A deployment of one of the flows is changed or deleted."""
        return {
            "match": {"prefect.resource.id": ["prefect.deployment.*"]},
            "match_related": [{"prefect.resource.role": ["flow"], "prefect.resource.name": sorted(self.flows)}],
            "expect": ["prefect.deployment.deleted", "prefect.deployment.updated"],
            "within": self.pause_seconds,
        }


class watch_deployments(Builder):  # noqa: N801 - used like a function
    """Runs the deployment after somebody has changed or deleted deployments of some flows, for each of some environments.

    Attributes:
        flows: The flows whose deployments are watched. Prefect's events of deployments do not tell their tags.
        environments: The environments, given to the runs as the parameter ``environment``.
        pause_seconds: How long changes are gathered before the run starts.
    """

    step: ClassVar[str] = "watch deployments"

    flows: tuple[str, ...]
    environments: tuple[str, ...]
    pause_seconds: float = Field(default=PAUSE_SECONDS, ge=0)

    @property
    def requires(self) -> Iterable[Component]:
        """One automation for each environment."""
        return [
            DeploymentWatch(flows=self.flows, environment=environment, pause_seconds=self.pause_seconds)
            for environment in self.environments
        ]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Leave the deployment as it is: the automations stand beside it."""
        return deployment
