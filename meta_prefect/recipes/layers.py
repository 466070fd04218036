"""The variables of an entry in one environment: its defaults, then what the entry says, then what it overrides there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import AliasChoices, BaseModel

from meta_prefect.project import Entry, Environment, of_environment


@dataclass(frozen=True, slots=True)
class LayeredVariables:
    """Variables, and where each was written.

    Attributes:
        entry: The entry that they are of.
        environment: What the project says of the environment; None where it says nothing.
        values: The variables.
        origins: The keys below which a variable stands in the entry; None for one that is a default of the environment.
    """

    entry: Entry
    environment: Environment | None
    values: dict[str, Any]
    origins: Mapping[str, tuple[str, ...] | None]

    def locate(self, *keys: str | int) -> str:
        """Say where a part of the entry, or of its variables, stands."""
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
    """Lay the variables of an entry over each other. A variable that stands in several layers is the last one's as a whole.

    Args:
        entry: The entry.
        name: The environment.
        environment: What the project says of it.
        model: The recipe's variables: defaults that it does not have are for other recipes.
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
    """Whether a recipe has a variable, by any of its spellings."""
    return variable in _spellings(model)


def _spellings(model: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """The names by which each variable may be given, by each of these."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        names = tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (name,)
        found |= dict.fromkeys(names, names)
    return found
