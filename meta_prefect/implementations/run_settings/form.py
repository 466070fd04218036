"""The form shown to users who start a run."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from meta_prefect.errors import BuilderError, nearest
from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record


class run_form(Builder):  # noqa: N801 - used like a function
    """Narrows the form of a deployment's runs. The server refuses what the form does not offer.

    An optional text, number or the like becomes a plain field, which may stay empty, in place of one with a choice between its
    type and `None`.

    Attributes:
        choices: The values among which a text parameter is chosen; the first one is filled in.
        suggestions: Values that a parameter which is a list of texts offers to choose from; others can still be typed.
        help: The text that stands below a parameter, in place of its own.
        hidden: Parameters that are left out: they keep their defaults.
    """

    step: ClassVar[str] = "shape the run form"

    choices: dict[str, tuple[str, ...]] = Field(default={})
    suggestions: dict[str, tuple[str, ...]] = Field(default={})
    help: dict[str, str] = Field(default={})
    hidden: tuple[str, ...] = ()

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the form's schema and the defaults it fills in.

        Raises:
            BuilderError: The flow has no such parameter.
        """
        properties: dict[str, Record] = dict(deployment.form.get("properties") or {})
        for name in (*self.choices, *self.suggestions, *self.help, *self.hidden):
            if name not in properties:
                raise BuilderError(
                    f"the flow has no parameter {name!r}", where="builder run_form", hint=nearest(name, properties)
                )
        for name, values in self.choices.items():
            properties[name] = _choice(properties[name], values)
            deployment.parameters = {name: values[0], **deployment.parameters}
        for name, values in self.suggestions.items():
            properties[name] = _suggesting(properties[name], values)
        for name, text in self.help.items():
            properties[name] = {**properties[name], "description": text}
        shown = {name: _plain(described) for name, described in properties.items() if name not in self.hidden}
        needed: list[str] = deployment.form.get("required") or []
        required = [name for name in needed if name not in (*self.hidden, *self.choices)]
        deployment.parameter_schema = _without_unused({**deployment.form, "properties": shown, "required": required})
        return deployment


def _choice(described: Record, values: tuple[str, ...]) -> Record:
    kept = {key: described[key] for key in ("title", "description", "position") if key in described}
    return {**kept, "type": "string", "enum": list(values), "default": values[0]}


def _suggesting(described: Record, values: tuple[str, ...]) -> Record:
    """Return a list of texts as a choice between two lists, because both UIs render other combinations badly."""
    kept = {key: described[key] for key in ("title", "description", "position") if key in described}
    suggested = {"title": "Choose", "type": "array", "items": {"type": "string", "enum": list(values)}}
    return {**kept, "anyOf": [suggested, {"title": "Type", "type": "array", "items": {"type": "string"}}]}


def _plain(described: Record) -> Record:
    """Return an optional value of a simple type as that type."""
    kinds: list[Record] = described.get("anyOf") or []
    simple = [one for one in kinds if one.get("type") in ("string", "integer", "number")]
    if len(kinds) != 2 or len(simple) != 1 or {"type": "null"} not in kinds or described.get("default") is not None:
        return described
    rest = {key: value for key, value in described.items() if key not in ("anyOf", "default")}
    return {**rest, **simple[0]}


def _without_unused(schema: Record) -> Record:
    """Drop definitions that are no longer referenced."""
    definitions: Record = schema.get("definitions") or {}
    used: set[str] = set()
    pending: list[Any] = [schema.get("properties")]
    while pending:
        match pending.pop():
            case dict() as found:  # pyright: ignore[reportUnknownVariableType] - any JSON
                name = str(found.get("$ref", "")).rpartition("/")[2]  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
                if name in definitions and name not in used:
                    used.add(name)
                    pending.append(definitions[name])
                pending.extend(found.values())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            case list() as found:  # pyright: ignore[reportUnknownVariableType]
                pending.extend(found)  # pyright: ignore[reportUnknownArgumentType]
            case _:
                pass
    return {**schema, "definitions": {name: definitions[name] for name in definitions if name in used}}
