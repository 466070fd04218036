"""The values that policies receive and return."""

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
"""What a violation causes: the deploy is denied, a warning is shown, or the deployment is changed."""


_AS_VARIABLE: Final = {"schedules": "schedule", "work_pool_name": "work_pool", "work_queue_name": "work_queue"}
"""Recipes' names for fields of a deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedDeployment:
    """A deployment after all builders have run, as policies see it.

    Attributes:
        deployment: The complete deployment.
        recipe: The name of its recipe.
        variables: The recipe's variables as JSON: from the entry, including its environment's overrides and defaults.
        components: The components it requires, such as its work pool.
        live: Its current state on the server, in Prefect's field names; None if it does not exist or the server was not read.
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
        """The environment it is for."""
        return self.deployment.environment

    @property
    def flow(self) -> FlowFacts:
        """The facts about its flow."""
        return self.deployment.flow

    @property
    def schedules(self) -> list[Schedule]:
        """The schedules set by the recipe, including inactive ones, which anyone may activate in the UI."""
        return self.deployment.schedules or []


@dataclass(frozen=True, slots=True)
class Violation:
    """A violation of a policy. Policies set the first three attributes; the others are filled in.

    Attributes:
        message: What is wrong, as part of a sentence: "its image has no version".
        field: The path of the field, keys joined by dots: ``job_variables.image``.
        hint: How to fix it.
        policy: The policy's name.
        level: Whether it denies the deploy or only warns.
    """

    message: str
    field: str = ""
    hint: str | None = None
    policy: str = ""
    level: Level = "deny"

    def __str__(self) -> str:
        return f"policy {self.policy}: {self.message}"

    def as_error(self, deployment: Deployment) -> PolicyError:
        """Return the error for a deployment that is denied because of it, naming the offending value."""
        keys = tuple(filter(None, self.field.split(".")))
        error = PolicyError(str(self), hint=self.hint)
        if not keys:
            return error
        return error.is_about(_AS_VARIABLE.get(keys[0], keys[0]), *keys[1:], value=_value_at(deployment, keys))


def _value_at(deployment: Deployment, keys: tuple[str, ...]) -> object:
    """Return the value at a path in a deployment; None if there is none."""
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
