"""Runs a deployment when somebody changes or deletes deployments of some flows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final, Self
from urllib.parse import quote

from pydantic import Field

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.components.automation import normal_automation
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.records import ABSENT, FieldChange, Record, differences_within
from meta_prefect.interfaces.tags import owner_tag

PAUSE_SECONDS: Final = 30
"""Changes within so many seconds are looked at together, once they are over: a deploy of a hundred is one look."""


def watch_name(flow: str, deployment: str, environment: str) -> str:
    """What the automation is called that runs a deployment for an environment."""
    return f"{flow}-{deployment}: when deployments in {environment} change"


class DeploymentWatch(Component):
    """An automation that runs a deployment for one environment after deployments of some flows were changed or deleted.

    Attributes:
        flow: The flow of the deployment that is run; left empty, the deployment's that needs this.
        deployment: That deployment.
        flows: The flows whose deployments are watched.
        environment: The run's parameter of that name.
        pause_seconds: How long changes are gathered.
    """

    kind: ClassVar[str] = "automation"
    after_deployments: ClassVar[bool] = True

    flow: str = ""
    deployment: str = ""
    project: str = ""
    flows: tuple[str, ...]
    environment: str
    pause_seconds: float = Field(default=PAUSE_SECONDS, ge=0)

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Run the deployment that needs it."""
        del host
        flow, name = deployment.flow.name, deployment.name
        title = self.name or watch_name(flow, name, self.environment)
        return self.model_copy(
            update={"name": title, "flow": flow, "deployment": name, "project": deployment.context.project}
        )

    def _wanted(self) -> Record:
        return {
            "name": self.name,
            "tags": [owner_tag(self.project)],
            "trigger": {
                "type": "event",
                "match": {"prefect.resource.id": ["prefect.deployment.*"]},
                "match_related": [{"prefect.resource.role": ["flow"], "prefect.resource.name": sorted(self.flows)}],
                "expect": ["prefect.deployment.deleted", "prefect.deployment.updated"],
                "posture": "Reactive",
                "threshold": 1,
                "within": self.pause_seconds,
            },
        }

    async def _action(self, api: Api) -> Record:
        found = await api.get(f"/deployments/name/{quote(self.flow)}/{quote(self.deployment)}")
        if found is None:
            raise ConfigurationError(f"there is no deployment {self.flow}/{self.deployment} to run", where=str(self))
        return {
            "type": "run-deployment",
            "source": "selected",
            "deployment_id": found["id"],
            "parameters": {"environment": self.environment},
            "schedule_after": self.pause_seconds,
        }

    async def read(self, api: Api) -> Record | None:
        """Find it among the automations of this project."""
        found: list[Record] = await api.post("/automations/filter", {"automations": {"name": {"any_": [self.name]}}})
        own = [one for one in found if owner_tag(self.project) in one.get("tags", ())]
        if not own:
            return None
        target = await api.get(f"/deployments/name/{quote(self.flow)}/{quote(self.deployment)}")
        return {**normal_automation(own[0]), "wanted_action": await self._action(api) if target else None}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare trigger and action."""
        if live is None:
            return differences_within(ABSENT, self._wanted())
        changes = list(differences_within(live, self._wanted()))
        actions: list[Record] = live["actions"]
        wanted: Record | None = live["wanted_action"]
        if wanted is None or len(actions) != 1 or tuple(differences_within(actions[0], wanted)):
            changes.append(FieldChange("actions", actions, wanted))
        return changes

    async def write(self, api: Api, live: Record | None) -> None:
        """Create it, or replace what is there; whether it is enabled stays the operator's."""
        body = {**self._wanted(), "actions": [await self._action(api)]}
        if live is None:
            await api.post("/automations/", body)
        else:
            await api.put(f"/automations/{live['id']}", {"enabled": live["enabled"], **body})


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
