"""Automations: what Prefect does when something happens to the runs of a deployment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components.component import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.records import ABSENT, FieldChange, Record, differences_within
from meta_prefect.interfaces.tags import owner_tag

RunState = Literal["Completed", "Failed", "Crashed", "Cancelled", "TimedOut", "Late", "Running", "Scheduled"]


class Notify(BaseModel):
    """Send a message through a notification block.

    Attributes:
        block: The block as ``type/name``, for example ``slack-webhook/on-call``; its secrets stay on the server.
        subject: The subject, with Prefect's templates such as ``{{ flow_run.name }}``.
        body: The text, likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["notify"] = "notify"
    block: str = Field(pattern=r"^[^/]+/[^/]+$")
    subject: str = "{{ flow.name }}: {{ flow_run.state.name }}"
    body: str = (
        "Run {{ flow_run.name }} of {{ deployment.name }} entered {{ flow_run.state.name }}: {{ flow_run|ui_url }}"
    )

    async def as_action(self, api: Api) -> Record:
        """The action as Prefect stores it.

        Raises:
            ConfigurationError: There is no such block.
        """
        slug, _, name = self.block.partition("/")
        found = await api.get(f"/block_types/slug/{quote(slug)}/block_documents/name/{quote(name)}")
        if found is None:
            raise ConfigurationError(
                f"there is no block {self.block!r}",
                where="automation",
                hint="Create it in the UI under Blocks, or with `prefect block create`.",
            )
        return {
            "type": "send-notification",
            "block_document_id": found["id"],
            "subject": self.subject,
            "body": self.body,
        }


class RunDeployment(BaseModel):
    """Run a deployment.

    Attributes:
        deployment: The deployment as ``flow/deployment``; it may be one of the same deploy.
        parameters: Parameters of its run; values may hold Prefect's templates, such as ``{{ flow_run.name }}``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["run"] = "run"
    deployment: str = Field(pattern=r"^[^/]+/[^/]+$")
    parameters: dict[str, Any] = {}

    async def as_action(self, api: Api) -> Record:
        """The action as Prefect stores it.

        Raises:
            ConfigurationError: There is no such deployment.
        """
        flow, _, name = self.deployment.partition("/")
        found = await api.get(f"/deployments/name/{quote(flow)}/{quote(name)}")
        if found is None:
            raise ConfigurationError(f"there is no deployment {self.deployment!r} to run", where="automation")
        return {
            "type": "run-deployment",
            "source": "selected",
            "deployment_id": found["id"],
            "parameters": self.parameters,
        }


class Automation(Component):
    """Does something when runs of a deployment enter a state.

    It is found by its name among the automations that carry the mark of a deploy, written only where it differs, and written
    after the deployments.

    Attributes:
        name: Its name; left empty, made from the deployment and what it does.
        flow: The flow whose runs are watched; left empty, the deployment's.
        deployment: The deployment whose runs are watched; left empty, the deployment itself.
        states: The states that set it off.
        action: What it does.
    """

    kind: ClassVar[str] = "automation"
    after_deployments: ClassVar[bool] = True

    flow: str = ""
    deployment: str = ""
    project: str = ""
    states: tuple[RunState, ...] = ("Failed", "Crashed", "TimedOut")
    action: Annotated[Notify | RunDeployment, Field(discriminator="kind")]

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Watch the deployment that needs it."""
        del host
        flow, name = self.flow or deployment.flow.name, self.deployment or deployment.name
        what = self.action.block if isinstance(self.action, Notify) else self.action.deployment
        verb = "notify" if isinstance(self.action, Notify) else "run"
        title = self.name or f"{flow}-{name}: {verb} {what.replace('/', '-')}"
        return self.model_copy(
            update={"name": title, "flow": flow, "deployment": name, "project": deployment.context.project}
        )

    def _wanted(self) -> Record:
        return {
            "name": self.name,
            "tags": [owner_tag(self.project)],
            "trigger": {
                "type": "event",
                "match": {"prefect.resource.id": ["prefect.flow-run.*"]},
                "match_related": [
                    {"prefect.resource.role": ["flow"], "prefect.resource.name": [self.flow]},
                    {"prefect.resource.role": ["deployment"], "prefect.resource.name": [self.deployment]},
                ],
                "expect": sorted(f"prefect.flow-run.{state}" for state in self.states),
                "for_each": ["prefect.resource.id"],
                "posture": "Reactive",
                "threshold": 1,
                "within": 0.0,
            },
        }

    async def read(self, api: Api) -> Record | None:
        """Find it among the automations of this project; a reference that leads nowhere is an error."""
        condition = {"name": {"any_": [self.name]}}
        found: list[Record] = await api.post("/automations/filter", {"automations": condition})
        own = [one for one in found if owner_tag(self.project) in one.get("tags", ())]
        if isinstance(self.action, Notify):
            wanted = await self.action.as_action(api)
        else:
            # What it runs may be created by the same deploy; it is looked up when this is written.
            flow, _, name = self.action.deployment.partition("/")
            target = await api.get(f"/deployments/name/{quote(flow)}/{quote(name)}")
            wanted = None if target is None else await self.action.as_action(api)
        return {**normal_automation(own[0]), "wanted_action": wanted} if own else None

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare trigger and action."""
        if live is None:
            return differences_within(ABSENT, {**self._wanted(), "action": self.action.model_dump()})
        changes = list(differences_within(live, self._wanted()))
        actions: list[Record] = live["actions"]
        wanted: Record | None = live["wanted_action"]
        if wanted is None or len(actions) != 1 or tuple(differences_within(actions[0], wanted)):
            changes.append(FieldChange("action", actions, self.action.model_dump()))
        return changes

    async def write(self, api: Api, live: Record | None) -> None:
        """Create it, or replace what is there; whether it is enabled stays the operator's."""
        body = {**self._wanted(), "actions": [await self.action.as_action(api)]}
        if live is None:
            await api.post("/automations/", body)
        else:
            await api.put(f"/automations/{live['id']}", {"enabled": live["enabled"], **body})


def normal_automation(automation: Mapping[str, Any]) -> Record:
    """Bring what the server rewrites into one form: sets without order, scalars where lists were sent."""
    trigger: Record = dict(automation["trigger"])
    match: Record = trigger.get("match") or {}
    trigger["match"] = {name: _listed(value) for name, value in match.items()}
    related: list[Record] = _listed(trigger.get("match_related") or [])
    trigger["match_related"] = [{name: _listed(value) for name, value in one.items()} for one in related]
    trigger["expect"] = sorted(trigger.get("expect") or [])
    return {**automation, "trigger": trigger}


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
