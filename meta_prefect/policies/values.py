"""What a policy looks at, and what it says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from meta_prefect.errors import PolicyError
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment, FlowFacts
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.schedules import Schedule

Level = Literal["deny", "warn", "fix"]
"""What a policy does: refuse the plan, say something, or change the deployment."""


_AS_VARIABLE: Final = {"schedules": "schedule", "work_pool_name": "work_pool", "work_queue_name": "work_queue"}
"""What recipes call a field of a deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedDeployment:
    """A deployment as all builders have made it: what a policy looks at.

    Attributes:
        deployment: All that it will have.
        recipe: The name of the recipe that made it.
        variables: What that recipe was told, as JSON: what the entry says, with the defaults of its environment.
        components: What the deployment needs, such as its work pool.
        live: What the server has of it, by the names of Prefect's fields; None where it is not there, or nobody could look.
    """

    deployment: Deployment
    recipe: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    components: tuple[Component, ...] = ()
    live: Record | None = None

    @property
    def name(self) -> str:
        """``flow/deployment``."""
        return self.deployment.full_name

    @property
    def environment(self) -> str:
        """The environment that it is for."""
        return self.deployment.environment

    @property
    def flow(self) -> FlowFacts:
        """What is known about its flow."""
        return self.deployment.flow

    @property
    def schedules(self) -> list[Schedule]:
        """The schedules that the recipe sets, the inactive ones among them: anybody may activate these in the UI."""
        return self.deployment.schedules or []


@dataclass(frozen=True, slots=True)
class Violation:
    """What a deployment does against a policy. A policy gives the first three; the others are filled in.

    Attributes:
        message: What is wrong, as half a sentence: "its image has no version".
        field: The place in the deployment, keys joined by dots: ``job_variables.image``.
        hint: The way out.
        policy: The policy's name.
        level: Whether it is denied, or only said.
    """

    message: str
    field: str = ""
    hint: str | None = None
    policy: str = ""
    level: Level = "deny"

    def __str__(self) -> str:
        return f"policy {self.policy}: {self.message}"

    def as_error(self, deployment: Deployment) -> PolicyError:
        """The error of a deployment that is denied for it, about the value that is wrong."""
        keys = tuple(filter(None, self.field.split(".")))
        error = PolicyError(str(self), hint=self.hint)
        if not keys:
            return error
        return error.is_about(_AS_VARIABLE.get(keys[0], keys[0]), *keys[1:], value=_value_at(deployment, keys))


def _value_at(deployment: Deployment, keys: tuple[str, ...]) -> object:
    """The value at a place of a deployment; None where there is none."""
    value: Any = deployment
    for key in keys:
        match value:
            case Mapping():
                value = cast("Mapping[str, Any]", value).get(key)
            case list():
                named = (one for one in cast("list[Any]", value) if getattr(one, "slug", None) == key)
                value = next(named, None)
            case _:
                value = getattr(value, key, None)
    return value
