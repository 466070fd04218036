"""Merges the variables of an entry for one environment: the environment's defaults, the entry, and its overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import AliasChoices, BaseModel

from meta_prefect.project import Entry, Environment, of_environment


@dataclass(frozen=True, slots=True)
class LayeredVariables:
    """Variables, and where each is defined.

    Attributes:
        entry: The entry they belong to.
        environment: The project's settings for the environment; None if there are none.
        values: The variables.
        origins: The path in the entry under which each variable is defined; None for a default of the environment.
    """

    entry: Entry
    environment: Environment | None
    values: dict[str, Any]
    origins: Mapping[str, tuple[str, ...] | None]

    def locate(self, *keys: str | int) -> str:
        """Format the position of a part of the entry or of its variables."""
        match keys:
            case ("variables", str(name), *rest) if name in self.origins:
                origin = self.origins[name]
                if origin is not None:
                    return self.entry.locate(*origin, name, *rest)
                if self.environment is not None:
                    return self.environment.locate("defaults", name, *rest)
            case _:
                pass
        return self.entry.locate(*keys)


def layered(entry: Entry, name: str, environment: Environment | None, model: type[BaseModel]) -> LayeredVariables:
    """Merge the layers of an entry's variables. The last layer that sets a variable replaces its whole value.

    Args:
        entry: The entry.
        name: The environment.
        environment: The project's settings for it.
        model: The recipe's variables; defaults for other variables are ignored.
    """
    values: dict[str, Any] = {}
    origins: dict[str, tuple[str, ...] | None] = {}
    spellings = _spellings(model)

    def lay(layer: Mapping[str, Any], origin: tuple[str, ...] | None) -> None:
        for key, value in layer.items():
            for other in spellings.get(key, ()):
                values.pop(other, None)
                origins.pop(other, None)
            values[key], origins[key] = value, origin

    if environment is not None:
        known = {key: value for key, value in environment.says.defaults.items() if key in spellings}
        lay(known, None)
    lay(entry.variables, ("variables",))
    for key in of_environment(entry.overrides, name):
        lay(entry.overrides[key], ("overrides", key))
    return LayeredVariables(entry, environment, values, origins)


def takes(model: type[BaseModel], variable: str) -> bool:
    """Return whether a recipe has a variable, under any of its aliases."""
    return variable in _spellings(model)


def _spellings(model: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """Map each name of a variable to all its names."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        names = tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (name,)
        found |= dict.fromkeys(names, names)
    return found
