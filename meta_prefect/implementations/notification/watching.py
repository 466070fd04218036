"""Runs a deployment when someone changes or deletes deployments of certain flows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Final

from pydantic import Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.components import Component, OwnedAutomation, RunDeployment
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record

PAUSE_SECONDS: Final = 30
"""Seconds of quiet after which changes are checked together, so that a deploy of a hundred causes a single check."""


def watch_name(flow: str, deployment: str, environments: Iterable[str]) -> str:
    """Return the name of the automation that runs a deployment for certain environments."""
    return f"{flow}-{deployment}: when deployments in {', '.join(environments)} change"


class DeploymentWatch(OwnedAutomation):
    """An automation that runs a deployment after deployments of certain flows were changed or deleted.

    Attributes:
        flows: The flows whose deployments are watched.
        environments: Passed to the run: a single one as the parameter ``environment``, several as ``environments``.
        pause_seconds: How long to collect changes before a run starts.
    """

    flows: tuple[str, ...]
    environments: Annotated[tuple[str, ...], Field(min_length=1)]
    pause_seconds: float = Field(default=PAUSE_SECONDS, ge=0)

    def title(self) -> str:
        """Describe what is run, and when."""
        return watch_name(self.flow, self.deployment, self.environments)

    def about(self) -> str:
        """Describe its trigger and its action."""
        return (
            f"When somebody changes or deletes a deployment of {', '.join(self.flows)}, {self.flow}/{self.deployment} runs "
            f"for {', '.join(self.environments)}, {self.pause_seconds:g} seconds later and once for all changes until then."
        )

    def does(self) -> RunDeployment:
        """Run the deployment for the environments, once no more changes arrive."""
        one, *more = self.environments
        return RunDeployment(
            deployment=f"{self.flow}/{self.deployment}",
            parameters={"environments": [one, *more]} if more else {"environment": one},
            after_seconds=self.pause_seconds,
        )

    def event(self) -> Record:
        """Match when a deployment of one of the flows is changed or deleted."""
        return {
            "match": {"prefect.resource.id": ["prefect.deployment.*"]},
            "match_related": [{"prefect.resource.role": ["flow"], "prefect.resource.name": sorted(self.flows)}],
            "expect": ["prefect.deployment.deleted", "prefect.deployment.updated"],
            "within": self.pause_seconds,
        }


class watch_deployments(Builder):  # noqa: N801 - used like a function
    """Runs the deployment after somebody has changed or deleted deployments of some flows.

    Attributes:
        flows: The flows whose deployments are watched. Prefect's events of deployments do not tell their tags.
        environments: The environments, for each of which there is a run with the parameter ``environment``.
        at_once: Whether there is one run for all of them instead, with the parameter ``environments``. As events do not tell
            an environment either, each change is looked at in all of them.
        pause_seconds: How long changes are gathered before a run starts.
    """

    step: ClassVar[str] = "watch deployments"

    flows: tuple[str, ...]
    environments: tuple[str, ...]
    at_once: bool = False
    pause_seconds: float = Field(default=PAUSE_SECONDS, ge=0)

    @property
    def requires(self) -> Iterable[Component]:
        """One automation per environment, or one for all."""
        together = [self.environments] if self.at_once else [(one,) for one in self.environments]
        return [
            DeploymentWatch(flows=self.flows, environments=environments, pause_seconds=self.pause_seconds)
            for environments in together
        ]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Return the deployment unchanged: the automation is a separate object."""
        return deployment
