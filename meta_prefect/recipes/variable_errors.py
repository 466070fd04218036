"""Translates validation errors of a recipe's variables into the user's terms, with their position in the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from meta_prefect.errors import ConfigurationError, RecipeError, input_of, message_of, nearest
from meta_prefect.interfaces.json_diff import Record, is_mapping
from meta_prefect.sealing import HIDDEN

Place = tuple[str | int, ...]


def format_errors(
    model: type[BaseModel],
    values: Mapping[str, Any],
    error: ValidationError,
    recipe: str,
    locate: Callable[..., str],
) -> list[RecipeError]:
    """Translate pydantic's errors, one per position.

    For a union type, pydantic reports an error for each member; the deepest one is most likely what the user meant.

    Args:
        model: The recipe's variables.
        values: The values as written.
        error: Pydantic's error.
        recipe: The recipe's name.
        locate: Returns the position of a variable in the project file.
    """
    found: dict[Place, list[Any]] = {}
    for one in error.errors():
        found.setdefault(_written_place(one["loc"], values, missing=one["type"] == "missing"), []).append(one)
    return [
        _told(model, place, errors, recipe, locate)
        for place, errors in found.items()
        if not any(other[: len(place)] == place != other for other in found)
    ]


def _written_place(loc: Sequence[str | int], values: Any, *, missing: bool) -> Place:
    """Map pydantic's location to the written values: it contains names of types, and indexes of single items put in a list."""
    place: list[str | int] = []
    here: Any = values
    for index, part in enumerate(loc):
        if _holds(here, part):
            here = here[part]
        elif not (missing and index == len(loc) - 1):
            continue
        place.append(part)
    return tuple(place)


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(cast("list[Any]", value))
    return is_mapping(value) and part in value


def _told(
    model: type[BaseModel], place: Place, errors: Sequence[Any], recipe: str, locate: Callable[..., str]
) -> RecipeError:
    variable = ".".join(str(part) for part in place)
    match errors[0]["type"]:
        case "missing" if len(place) == 1:
            return RecipeError(
                f"the recipe {recipe!r} needs the variable {variable!r}",
                where=locate("variables"),
                hint=f"Add `{variable}:` under `variables:`.",
            )
        case "missing":
            return RecipeError(f"{place[-1]!r} is missing (recipe {recipe!r})", where=locate("variables", *place[:-1]))
        case "extra_forbidden" if place[0] in getattr(model, "fixed_by_recipe", ()):
            return RecipeError(
                f"{place[0]!r} is fixed by the recipe {recipe!r}",
                where=locate("variables", *place),
                hint="Leave it out; or name the recipe that this one is a preset of.",
            )
        case "extra_forbidden":
            known = _names_at(model.model_json_schema(), place[:-1])
            what = f"the recipe {recipe!r} has no variable" if len(place) == 1 else "there is no key"
            return RecipeError(
                f"{what} {place[-1]!r}", where=locate("variables", *place), hint=nearest(str(place[-1]), known)
            )
        case _:
            messages = dict.fromkeys(map(message_of, errors))
            is_secret = any(node.get("writeOnly") for node in _nodes_at(model.model_json_schema(), place))
            value = errors[0]["input"]
            hint = f"Recipe: {recipe}."
            if (
                any(one["type"] == "string_type" for one in errors)
                and isinstance(value, bool | int | float)
                and not is_secret
            ):
                # YAML parses `version: 1.0` as a number
                hint = f"Put it in quotes: {json.dumps(json.dumps(value))}. {hint}"
            return RecipeError(
                f"{'; or: '.join(messages)} {f'(got {HIDDEN})' if is_secret else input_of(errors[0])}",
                where=locate("variables", *place),
                hint=hint,
            )


def _names_at(schema: Record, place: Place) -> set[str]:
    """Return the allowed keys of an object at a path of a JSON schema."""
    return {name for node in _nodes_at(schema, place) for name in node.get("properties", {})}


def _nodes_at(schema: Record, place: Place) -> list[Record]:
    """Return the nodes of a JSON schema that apply to a path."""
    nodes = list(_branches(schema, schema))
    for part in place:
        below = [inner for node in nodes for inner in _below(node, part)]
        nodes = [branch for inner in below for branch in _branches(inner, schema)]
    return nodes


def _branches(node: Record, schema: Record) -> Iterator[Record]:
    """Yield a node and everything it stands for: references, alternatives, and the items of a list."""
    yield node
    if reference := node.get("$ref"):
        yield from _branches(schema["$defs"][reference.rpartition("/")[2]], schema)
    for alternative in node.get("anyOf", ()):
        yield from _branches(alternative, schema)
    if is_mapping(items := node.get("items")):
        # A single item may be written without a list.
        yield from _branches(dict(items), schema)


def _below(node: Record, part: str | int) -> Iterator[Record]:
    if isinstance(part, int):
        yield from (items for items in [node.get("items")] if items)
    elif part in node.get("properties", {}):
        yield node["properties"][part]
    elif is_mapping(node.get("additionalProperties")):
        yield node["additionalProperties"]


def written_at(variables: Mapping[str, Any], error: ConfigurationError) -> Place | None:
    """Find the path of the value that an error is about, among the variables as written.

    A builder does not know which variable its argument came from. A rejected value is found by equality, preferably under the
    same key; a value that was converted, such as an interval, by its key; and otherwise by what the message quotes.


    Returns:
        The path; None if it cannot be determined with certainty.
    """
    written = list(_written(variables, ()))
    place = _of_value(written, error) or _of_key([place for place, _ in written], error.keys)
    quoted = [
        inner
        for inner, value in written
        if isinstance(value, str)
        and value
        and repr(value) in error.message
        and inner[: len(place or ())] == (place or ())
    ]
    return quoted[0] if len(quoted) == 1 else place


def _of_value(written: Sequence[tuple[Place, Any]], error: ConfigurationError) -> Place | None:
    """Return the path of the same value; if it occurs more than once, any of them is equally wrong."""
    if error.value is None:
        return None
    same = [place for place, value in written if type(value) is type(error.value) and value == error.value]
    return next((place for place in same if place[-1] in error.keys[-1:]), same[0] if same else None)


def _of_key(written: Sequence[Place], keys: Sequence[str]) -> Place | None:
    """Return the path of the innermost key that occurs exactly once."""
    for key in reversed(keys):
        alike = [place for place in written if place[-1] in (key, f"{key}s")]
        if len(alike) == 1:
            return alike[0]
    return None


def _written(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Yield all values with their paths."""
    if place:
        yield place, value
    if is_mapping(value):
        for key, inner in value.items():
            yield from _written(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from _written(inner, (*place, index))
