"""Runs a deployment on events, like the ``triggers`` of a deployment in a ``prefect.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal, Self, cast
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.components.component import ComponentKey
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_within
from meta_prefect.interfaces.short_forms import NUMBER, TEXT, one_or_many, reads
from meta_prefect.interfaces.tags import owner_tag
from meta_prefect.schedules.durations import read_duration

TRIGGER_TAG: Final = "meta-prefect-trigger"
"""Marks the automations written by a deploy that are triggers of a deployment."""


@reads(TEXT, NUMBER)
def _read_duration(value: object) -> object:
    return read_duration(value) if isinstance(value, str) else value


Labels = dict[str, Annotated[tuple[str, ...], BeforeValidator(one_or_many)]]
Texts = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]
Duration = Annotated[timedelta, BeforeValidator(_read_duration), Field(ge=timedelta(0))]


class Condition(BaseModel):
    """Events that are waited for, by what they are called and about."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    expect: Texts = Field(
        default=(),
        title="Events",
        description="Events that are expected, such as prefect.flow-run.Completed; none means any.",
    )
    match: Labels = Field(default={}, title="About", description="Labels of what the events are about, by name.")
    match_related: Annotated[tuple[Labels, ...], BeforeValidator(one_or_many)] = Field(
        default=(),
        title="Related to",
        description="Labels of what the events are related to: all of these sets are to match.",
    )
    after: Texts = Field(default=(), title="After", description="Events that must have been seen before.")
    for_each: Texts = Field(
        default=(), title="For each", description="Labels for whose values events are counted apart."
    )
    posture: Literal["Reactive", "Proactive"] = Field(
        default="Reactive",
        title="Posture",
        description="Whether it runs because events happen, or because they do not.",
    )
    threshold: int = Field(default=1, ge=0, title="How many", description="How many events it takes.")
    within: Duration = Field(
        default=timedelta(0), title="Within", description="The time in which they happen: seconds, or '5 minutes'."
    )

    @model_validator(mode="after")
    def _leaves_time(self) -> Self:
        if self.posture == "Proactive" and self.within < timedelta(seconds=10):
            raise ValueError("a Proactive trigger waits for what does not happen: give `within`, 10 seconds at least")
        return self

    def related(self, role: str) -> tuple[str, ...]:
        """Return the names of the resources that events must be related to in a role, such as ``deployment``."""
        sets = (one for one in self.match_related if role in one.get("prefect.resource.role", ()))
        return tuple(name for one in sets for name in one.get("prefect.resource.name", ()))

    def as_trigger(self) -> Record:
        """Return the condition as Prefect stores it, normalized."""
        return {
            "type": "event",
            "match": {name: list(values) for name, values in self.match.items()},
            "match_related": [{name: list(values) for name, values in one.items()} for one in self.match_related],
            **{key: sorted(set(getattr(self, key))) for key in ("after", "expect", "for_each")},
            "posture": self.posture,
            "threshold": self.threshold,
            "within": self.within.total_seconds(),
        }


_OWN_OF: Final = {
    "event": frozenset(Condition.model_fields),
    "compound": frozenset({"within"}),
    "sequence": frozenset({"within"}),
    "metric": frozenset({"match", "match_related"}),
}
"""The fields of a condition allowed for each kind of trigger."""

_NO_SHORTER: Final = timedelta(minutes=5)
LookBack = Annotated[timedelta, BeforeValidator(_read_duration), Field(ge=_NO_SHORTER)]


class Metric(BaseModel):
    """A figure about runs that Prefect Cloud looks at again and again."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: Literal["lateness", "duration", "successes"] = Field(
        title="Metric",
        description="Seconds that runs are late, seconds that they take, or the share of those that go well.",
    )
    operator: Literal["<", "<=", ">", ">="] = Field(title="Is", description="How it compares with the threshold.")
    threshold: float = Field(title="Threshold", description="The value with which it is compared.")
    range: LookBack = Field(default=_NO_SHORTER, title="Over", description="How far back runs count: '10 minutes'.")
    firing_for: LookBack = Field(
        default=_NO_SHORTER, title="For", description="How long that has to be so before the deployment runs."
    )


class Trigger(Condition):
    """Events at which the deployment runs, and how. With several conditions below it, ``within`` counts for all of them."""

    name: str | None = Field(
        default=None,
        min_length=1,
        title="Name",
        description="Its automation's name; empty makes one of the deployment's.",
    )
    description: str = Field(default="", title="Description", description="Text for the UI.")
    enabled: bool | None = Field(
        default=None,
        title="Enabled",
        description="Whether it counts; empty leaves that to the operator, and a new one counts.",
    )
    type: Literal["event", "compound", "sequence", "metric"] = Field(
        default="event",
        title="Kind",
        description="One condition; several together, or in their order; or a metric, which Prefect Cloud alone has.",
    )
    metric: Metric | None = Field(default=None, title="Metric", description="The figure of a metric trigger.")
    triggers: tuple[Condition, ...] = Field(
        default=(), title="Conditions", description="The conditions of a compound or a sequence."
    )
    require: Literal["any", "all"] | int = Field(
        default="all", title="Of which", description="How many conditions of a compound it takes: all, any or a number."
    )
    parameters: dict[str, Any] = Field(
        default={},
        title="Parameters",
        description="Parameters of the run; values may hold templates: {{ event.payload.x }}.",
    )
    job_variables: dict[str, Any] = Field(default={}, title="Job variables", description="Job variables of the run.")
    schedule_after: Duration = Field(default=timedelta(0), title="Later by", description="How long the run waits.")

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        several = self.type in ("compound", "sequence")
        if self.triggers and not several:
            raise ValueError("`triggers` belong to `type: compound` or `type: sequence`")
        if several and not self.triggers:
            raise ValueError(f"a {self.type} needs `triggers`, the conditions that it is made of")
        if (self.metric is not None) is not (self.type == "metric"):
            raise ValueError("`type: metric` and `metric: {name: …, operator: …, threshold: …}` go together")
        if own := sorted(self.model_fields_set & (Condition.model_fields.keys() - _OWN_OF[self.type])):
            place = "belongs to the conditions of a {}, not to it" if several else "is about events, not about a {}"
            raise ValueError(f"{', '.join(own)}: {place.format(self.type)}")
        if isinstance(self.require, int) and not 1 <= self.require <= max(len(self.triggers), 1):
            raise ValueError(f"require: {self.require} of {len(self.triggers)} conditions cannot be")
        return self

    def as_trigger(self) -> Record:
        """Return the trigger as Prefect stores it, normalized."""
        as_event = super().as_trigger()
        if self.type == "event":
            return as_event
        if self.metric is not None:
            spans = {name: getattr(self.metric, name).total_seconds() for name in ("range", "firing_for")}
            about = {name: as_event[name] for name in ("match", "match_related")}
            return {**about, "type": "metric", "posture": "Metric", "metric": {**self.metric.model_dump(), **spans}}
        conditions = [condition.as_trigger() for condition in self.triggers]
        whole: Record = {"type": self.type, "triggers": conditions, "within": self.within.total_seconds() or None}
        return {**whole, "require": self.require} if self.type == "compound" else whole

    def as_action(self) -> Record:
        """Return the action that runs the deployment, as Prefect stores it."""
        return {
            "parameters": self.parameters or None,
            "job_variables": self.job_variables or None,
            "schedule_after": self.schedule_after.total_seconds(),
        }


Triggers = Annotated[tuple[Trigger, ...], BeforeValidator(one_or_many)]
"""Triggers of a deployment; a single one may be written without a list."""


class run_triggers(Builder):  # noqa: N801 - used like a function
    """Runs the deployment when events happen. What another deploy of the same deployment has triggered, and this does not, goes.

    Attributes:
        triggers: What sets it off; none removes what is there.
    """

    step: ClassVar[str] = "run at events"

    triggers: Triggers

    @property
    def requires(self) -> Iterable[Component]:
        """The automations, which belong to the deployment and are deleted with it."""
        return (DeploymentTriggers(triggers=self.triggers),)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Return the deployment unchanged: the automations are separate objects.

        Raises:
            ConfigurationError: A trigger passes a parameter that the flow does not have, or two triggers have the same name.
        """
        names = [name for one in self.triggers if (name := one.name)]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(
                    f"two triggers have the name {name!r}", hint="Give one another name."
                ).is_about("triggers", "name", value=name)
        known: Mapping[str, Any] = deployment.form.get("properties") or {}
        for parameter, value in ((name, one.parameters[name]) for one in self.triggers for name in one.parameters):
            if parameter not in known:
                raise ConfigurationError(
                    f"a trigger gives the flow a parameter {parameter!r}, which it does not take",
                    hint=nearest(parameter, known),
                ).is_about("triggers", "parameters", parameter, value=value)
        return deployment


class DeploymentTriggers(Component):
    """The automations that run one deployment on events. Prefect treats them as part of it: deleting it deletes them.

    Attributes:
        name: If empty, that of the requiring deployment.
        triggers: The triggers.
        flow: The deployment's flow; from the deployment.
        deployment: Its name; from the deployment.
        project: The project that owns it; from the deployment.
    """

    kind: ClassVar[str] = "triggers"
    verbs: ClassVar[tuple[str, str]] = ("written", "written")
    after_deployments: ClassVar[bool] = True

    triggers: tuple[Trigger, ...] = ()
    flow: str = ""
    deployment: str = ""
    project: str = ""

    def __hash__(self) -> int:
        return super().__hash__()

    @property
    def key(self) -> ComponentKey:
        """Deployments of different flows may have the same name."""
        return (self.kind, f"{self.flow}/{self.deployment}")

    def __str__(self) -> str:
        return f"{self.kind} of {self.flow}/{self.deployment}"

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Fill in flow, name and project from the deployment."""
        del host
        return self.model_copy(
            update={
                "name": deployment.name,
                "flow": deployment.flow.name,
                "deployment": deployment.name,
                "project": deployment.context.project,
            }
        )

    @property
    def job_variables(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """The job variables of the runs that each trigger starts."""
        return [(f"job_variables of the trigger {name!r}", one.job_variables) for name, one in self._by_name().items()]

    @property
    def follows(self) -> Iterable[tuple[str | None, str]]:
        """The deployments whose successful runs trigger this one: flow (None for any) and deployment."""
        for condition in (each for one in self.triggers for each in one.triggers or (one,)):
            ended_well = not condition.expect or {*condition.expect} & {
                "prefect.flow-run.Completed",
                "prefect.flow-run.*",
            }
            if condition.posture == "Reactive" and ended_well:
                flows = condition.related("flow") or (None,)
                yield from ((flow, name) for name in condition.related("deployment") for flow in flows)

    def _by_name(self) -> dict[str, Trigger]:
        """The triggers by the name of their automation, by default the one Prefect itself would use."""
        return {
            one.name or f"{self.deployment}__automation_{number}": one
            for number, one in enumerate(self.triggers, start=1)
        }

    def _wanted(self) -> dict[str, Record]:
        """Return the compared fields of each trigger, by name."""
        tags = sorted([owner_tag(self.project), TRIGGER_TAG])
        return {
            name: {
                "description": one.description,
                "tags": tags,
                "trigger": one.as_trigger(),
                "action": one.as_action(),
                **({} if one.enabled is None else {"enabled": one.enabled}),
            }
            for name, one in self._by_name().items()
        }

    async def read(self, api: Api) -> Record | None:
        """Find the automations that run the deployment and are triggers written by a deploy or by Prefect's own command.

        Raises:
            ConfigurationError: The server does not support a kind of trigger.
        """
        # Prefect Cloud has no such endpoint; a self-hosted server returns its version.
        if any(one.metric is not None for one in self.triggers) and await api.get("/admin/version") is not None:
            hint = "Use an event, such as `{posture: Proactive, expect: prefect.flow-run.Completed, within: 1h}`."
            raise ConfigurationError(
                "metric triggers are Prefect Cloud's, this server has none", where=str(self), hint=hint
            )
        found: Record | None = await api.get(f"/deployments/name/{quote(self.flow)}/{quote(self.deployment)}")
        if found is None:
            return None
        related: list[Record] = await api.get(f"/automations/related-to/prefect.deployment.{found['id']}")
        wanted = self._wanted()
        by_prefect = re.compile(rf"{re.escape(self.deployment)}__automation_\d+")
        automations: dict[str, Record] = {}
        for one in related:
            name: str = one["name"]
            if TRIGGER_TAG in one["tags"] or name in wanted or by_prefect.fullmatch(name):
                # Names are not unique: a second automation with the same name is surplus.
                automations[name if name not in automations else f"{name} {one['id']}"] = _normal(one, found["id"])
        return {"deployment_id": found["id"], "automations": automations}

    def claims(self, live: Record | None) -> Iterable[str]:
        """Yield all automations found, since surplus ones are removed by this component itself."""
        automations: dict[str, Record] = live["automations"] if live else {}
        return [one["id"] for one in automations.values()]

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare triggers and actions; surplus automations are to be deleted."""
        there: dict[str, Record] = live["automations"] if live else {}
        wanted = self._wanted()
        for name, record in wanted.items():
            yield from differences_within(there.get(name, ABSENT), record, name)
        for name in there.keys() - wanted.keys():
            yield FieldChange(name, {key: there[name][key] for key in ("trigger", "action")}, ABSENT)

    async def write(self, api: Api, live: Record | None) -> None:
        """Create, replace and delete them; unless specified, the operator decides whether each is enabled.

        Raises:
            ConfigurationError: The deployment does not exist.
        """
        live = live or await self.read(api)
        if live is None:
            raise ConfigurationError("there is no such deployment", where=str(self))
        there: dict[str, Record] = live["automations"]
        wanted = self._wanted()
        run: Record = {"type": "run-deployment", "source": "selected", "deployment_id": live["deployment_id"]}
        for name, record in wanted.items():
            if name in there and not tuple(differences_within(there[name], record)):
                continue
            body = {key: value for key, value in record.items() if key != "action"}
            body |= {"name": name, "actions": [{**run, **record["action"]}]}
            if name in there:
                await api.put(f"/automations/{there[name]['id']}", {"enabled": there[name]["enabled"], **body})
            else:
                await api.post(
                    "/automations/", {**body, "owner_resource": f"prefect.deployment.{live['deployment_id']}"}
                )
        for name in there.keys() - wanted.keys():
            await api.delete(f"/automations/{there[name]['id']}")


def _normal(automation: Record, deployment_id: str) -> Record:
    """Return the compared fields of an automation, in the form of the desired ones."""
    actions: list[Record] = automation["actions"]
    runs = [one for one in actions if one.get("type") == "run-deployment" and one.get("deployment_id") == deployment_id]
    only = runs[0] if len(runs) == len(actions) == 1 else None
    return {
        "id": automation["id"],
        "enabled": automation["enabled"],
        "description": automation.get("description") or "",
        "tags": sorted(automation["tags"]),
        "trigger": _normal_trigger(automation["trigger"]),
        "action": only
        and {
            "parameters": only.get("parameters") or None,
            "job_variables": only.get("job_variables") or None,
            "schedule_after": float(only.get("schedule_after") or 0),
        },
    }


def _normal_trigger(trigger: Record) -> Record:
    if trigger["type"] in ("compound", "sequence"):
        conditions: list[Record] = trigger.get("triggers") or []
        return {**trigger, "triggers": [_normal_trigger(one) for one in conditions]}
    related: Any = trigger.get("match_related") or []
    about: Record = {
        "match": _listed_labels(trigger.get("match") or {}),
        "match_related": [_listed_labels(one) for one in (related if isinstance(related, list) else [related])],  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    }
    if trigger["type"] != "event":
        return {**trigger, **about}
    return {
        "type": "event",
        **about,
        **{key: sorted(trigger.get(key) or []) for key in ("after", "expect", "for_each")},
        "posture": trigger.get("posture"),
        "threshold": trigger.get("threshold"),
        "within": float(trigger.get("within") or 0),
    }


def _listed_labels(labels: Record) -> Record:
    return {name: cast("list[Any]", value) if isinstance(value, list) else [value] for name, value in labels.items()}
