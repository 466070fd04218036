"""The base class of automations written by a deploy: how they are found, compared and written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from pydantic import Field

from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.api import Api, Host, read_all
from meta_prefect.interfaces.components.automation_actions import Notify, RunDeployment
from meta_prefect.interfaces.components.component import Component, Owned, Owner
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_within
from meta_prefect.interfaces.tags import (
    deployment_of,
    deployment_tag,
    environment_of,
    environment_tag,
    owner_tag,
    owner_tags,
)


class OwnedAutomation(Component):
    """An automation about a deployment, marked as owned by the project.

    It is looked up by name among the automations with that mark, written only if it differs, and written after the
    deployments. Subclasses define its trigger and its action.


    Attributes:
        name: Its name; if empty, derived from the deployment and the action.
        flow: The deployment's flow; if empty, that of the requiring deployment.
        deployment: The deployment; if empty, the requiring one.
        project: The project that owns it, from the requiring deployment.
        environment: The environment, from the requiring deployment.
        begins_disabled: Whether it is created disabled; afterwards operators decide whether it is enabled.
        former_projects: Former names of this project: an automation marked with one is re-marked with the current name.
    """

    kind: ClassVar[str] = "automation"
    after_deployments: ClassVar[bool] = True

    flow: str = ""
    deployment: str = ""
    project: str = ""
    environment: str = ""
    former_projects: tuple[str, ...] = Field(default=(), exclude=True)
    begins_disabled: bool = Field(default=False, exclude=True)

    @abstractmethod
    def title(self) -> str:
        """Return its default name; flow and deployment are known at this point."""

    @abstractmethod
    def does(self) -> Notify | RunDeployment:
        """Return its action."""

    def runs_of_it(self) -> Record:
        """Return the part of a trigger that matches runs of the deployment."""
        return {
            "match": {"prefect.resource.id": ["prefect.flow-run.*"]},
            "match_related": [
                {"prefect.resource.role": ["flow"], "prefect.resource.name": [self.flow]},
                {"prefect.resource.role": ["deployment"], "prefect.resource.name": [self.deployment]},
            ],
        }

    @abstractmethod
    def event(self) -> Record:
        """Return the part of the trigger that defines which events count, how many, and within how many seconds."""

    @property
    def runs(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """The deployment it runs, if any."""
        match self.does():
            case RunDeployment(deployment=deployment, parameters=parameters):
                return ((deployment, parameters),)
            case _:
                return ()

    def about(self) -> str:
        """Return its description in Prefect; a difference in the description alone never causes a write."""
        return ""

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Fill in missing values from the requiring deployment."""
        del host
        flow, name = self.flow or deployment.flow.name, self.deployment or deployment.name
        known = self.model_copy(
            update={
                "flow": flow,
                "deployment": name,
                "project": deployment.context.project,
                "environment": deployment.context.environment,
                "former_projects": deployment.context.renamed_from,
                "begins_disabled": deployment.context.preview,
            },
        )
        return known.model_copy(update={"name": self.name or known.title()})

    def _wanted(self) -> Record:
        return {
            "name": self.name,
            "tags": sorted(
                [
                    owner_tag(self.project),
                    environment_tag(self.environment),
                    deployment_tag(f"{self.flow}/{self.deployment}"),
                ]
            ),
            "trigger": {"type": "event", "posture": "Reactive", "threshold": 1, **self.event()},
        }

    async def read(self, api: Api) -> Record | None:
        """Find it among the project's automations; a missing block that it refers to is an error.

        A deployment that it runs may be created by the same deploy, so it is looked up again on write.
        """
        found: list[Record] = await api.post("/automations/filter", {"automations": {"name": {"any_": [self.name]}}})
        names = (self.project, *self.former_projects)
        own = [one for tag in owner_tags(names) for one in found if tag in one.get("tags", ())]
        wanted = await self.does().as_action(api)
        return {**normal_automation(own[0]), "wanted_action": wanted} if own else None

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare trigger and action."""
        if live is None:
            return differences_within(ABSENT, {**self._wanted(), "action": self.does().model_dump()})
        changes = list(differences_within(live, self._wanted()))
        actions: list[Record] = live["actions"]
        wanted: Record | None = live["wanted_action"]
        if wanted is None or len(actions) != 1 or tuple(differences_within(actions[0], wanted)):
            changes.append(FieldChange("action", actions, self.does().model_dump()))
        return changes

    async def write(self, api: Api, live: Record | None) -> None:
        """Create or replace it; whether it is enabled is left to the operator.

        Raises:
            ConfigurationError: Its action cannot be performed.
        """
        action = await self.does().as_action(api)
        if action is None:
            raise ConfigurationError(f"it cannot {self.does()}: there is no such deployment", where=str(self))
        body = {**self._wanted(), "description": self.about(), "actions": [action]}
        if live is None:
            await api.post("/automations/", {**body, **({"enabled": False} if self.begins_disabled else {})})
        else:
            await api.put(f"/automations/{live['id']}", {"enabled": live["enabled"], **body})

    @classmethod
    async def owned(cls, owner: Owner, api: Api) -> Iterable[Owned]:
        """Find a project's automations in an environment, whatever they do, except those whose deployment is unknown."""
        ours: Record = {"automations": {"tags": {"any_": owner_tags(owner.names)}}}
        return [
            Owned(OwnedAutomation, (cls.kind, one["name"]), one["id"], users, one)
            for one in await read_all(api, "/automations/filter", ours)
            if environment_of(one["tags"]) in (None, owner.environment) and (users := _users(one))
        ]

    @classmethod
    async def remove(cls, owned: Owned, api: Api) -> bool:
        """Delete it."""
        await api.delete(f"/automations/{owned.id}")
        return True


def normal_automation(automation: Mapping[str, Any]) -> Record:
    """Normalize what the server rewrites: sets without order, and scalars where lists were sent."""
    trigger: Record = dict(automation["trigger"])
    match: Record = trigger.get("match") or {}
    trigger["match"] = {name: _listed(value) for name, value in match.items()}
    related: list[Record] = _listed(trigger.get("match_related") or [])
    trigger["match_related"] = [{name: _listed(value) for name, value in one.items()} for one in related]
    for events in ("expect", "after"):
        trigger[events] = sorted(trigger.get(events) or [])
    return {**automation, "trigger": trigger, "tags": sorted(automation["tags"])}


def _users(automation: Record) -> frozenset[str]:
    """Return the deployments an automation is for: those it names, else those it watches, else those it runs."""
    if (named := deployment_of(automation["tags"])) is not None:
        return frozenset([named])
    watched: dict[str, list[str]] = {}
    for one in normal_automation(automation)["trigger"]["match_related"]:
        for role in one.get("prefect.resource.role", ()):
            watched.setdefault(role, []).extend(one.get("prefect.resource.name", ()))
    match watched:
        case {"flow": [flow], "deployment": [deployment]}:
            return frozenset([f"{flow}/{deployment}"])
        case _:
            actions: list[Record] = automation["actions"]
            return frozenset(one["deployment_id"] for one in actions if one.get("deployment_id"))


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
