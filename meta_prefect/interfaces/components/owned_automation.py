"""What automations that a deploy writes have in common: how they are found, compared and written."""

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
    """An automation about a deployment, marked as its project's.

    It is found by its name among the automations that carry that mark, written only where it differs, and written after the
    deployments. A subclass says what sets it off and what it does.

    Attributes:
        name: Its name; left empty, made from the deployment and what it does.
        flow: The deployment's flow; left empty, that of the deployment that needs this.
        deployment: The deployment; left empty, the one that needs this.
        project: The project that owns it, which is that of the deployment that needs this.
        environment: The environment of the deploy that makes it, which is that of the deployment.
        begins_disabled: Whether it is created disabled; whether it is enabled after that is the operators'.
        former_projects: The names that this project had before: an automation that is marked with one gets the present mark.
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
        """What it is called unless it was named; flow and deployment are known by then."""

    @abstractmethod
    def does(self) -> Notify | RunDeployment:
        """What it does."""

    def runs_of_it(self) -> Record:
        """The part of a trigger that says it is about the runs of the deployment."""
        return {
            "match": {"prefect.resource.id": ["prefect.flow-run.*"]},
            "match_related": [
                {"prefect.resource.role": ["flow"], "prefect.resource.name": [self.flow]},
                {"prefect.resource.role": ["deployment"], "prefect.resource.name": [self.deployment]},
            ],
        }

    @abstractmethod
    def event(self) -> Record:
        """What sets it off: the part of the trigger that tells which events count, how many, and within how many seconds."""

    @property
    def runs(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """The deployment that it runs, where it runs one."""
        match self.does():
            case RunDeployment(deployment=deployment, parameters=parameters):
                return ((deployment, parameters),)
            case _:
                return ()

    def about(self) -> str:
        """What its description in Prefect says; never a reason to write it again."""
        return ""

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Take what was left open from the deployment that needs it."""
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
        """Find it among the automations of this project; a block that it names and that is not there is an error.

        A deployment that it runs may be created by the same deploy: it is looked up again when this is written.
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
        """Create it, or replace what is there; whether it is enabled stays the operator's.

        Raises:
            ConfigurationError: It cannot do what it is to do.
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
        """The automations of a project in an environment, whatever they do; one of which nobody knows what for is left out."""
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
    """Bring what the server rewrites into one form: sets without order, scalars where lists were sent."""
    trigger: Record = dict(automation["trigger"])
    match: Record = trigger.get("match") or {}
    trigger["match"] = {name: _listed(value) for name, value in match.items()}
    related: list[Record] = _listed(trigger.get("match_related") or [])
    trigger["match_related"] = [{name: _listed(value) for name, value in one.items()} for one in related]
    for events in ("expect", "after"):
        trigger[events] = sorted(trigger.get(events) or [])
    return {**automation, "trigger": trigger, "tags": sorted(automation["tags"])}


def _users(automation: Record) -> frozenset[str]:
    """The deployments that an automation is there for: those that it names, else watches, else runs."""
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
