"""Generates a recipe module: the shared settings of deployments, as Python code for the team to adapt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from meta_prefect.init.entries import POOL_RECIPE
from meta_prefect.interfaces.json_diff import is_mapping

_WIDTH: Final = 110

_OF_TYPING: Final = "from typing import Any"
_TYPES: Final = {
    "name": ("str", None),
    "work_pool": ("str", None),
    "concurrency_limit": (
        "ConcurrencyLimit | None = None",
        "from meta_prefect.implementations.common import ConcurrencyLimit",
    ),
    "tags": ("tuple[str, ...] = ()", None),
    "schedules": ("ScheduleVariable = None", "from meta_prefect.implementations.schedule import ScheduleVariable"),
    "triggers": ("Triggers | None = None", "from meta_prefect.implementations.notification.triggers import Triggers"),
    "pull": ("Steps | None = None", "from meta_prefect.implementations.code.pull_steps import Steps"),
    "s3": ("S3Place | None = None", "from meta_prefect.implementations.code import S3Place"),
    "version_strategy": (
        'Strategy = "increment"',
        "from meta_prefect.implementations.metadata.version import Strategy",
    ),
    "build": ("ImageBuild | None = None", "from meta_prefect.implementations.code import ImageBuild"),
    "parameters": ("dict[str, Any] | None = None", _OF_TYPING),
    "job_variables": ("dict[str, Any] | None = None", _OF_TYPING),
    "paused": ("bool | None = None", None),
    "enforce_parameter_schema": ("bool | None = None", None),
    "name_pattern": ('str = "{name}-{env}"', None),
    "holidays": ('HolidaysSpec = "US"', "from meta_prefect.implementations.schedule import HolidaysSpec"),
    "allow": ("tuple[str, ...] = ()", None),
    "active_in": ('tuple[str, ...] | None = ("prod",)', None),
}
"""The type, default and required import of each variable; all others are texts."""


@dataclass(frozen=True, slots=True)
class NewRecipe:
    """A recipe to be written.

    Attributes:
        name: Its name.
        shared: The variables its deployments share.
        own: The variables that differ per deployment.
        count: How many deployments use it.
    """

    name: str
    shared: Mapping[str, Any]
    own: tuple[str, ...]
    count: int


def recipe_text(recipes: Sequence[NewRecipe], project: str) -> str:
    """Generate a module of recipes."""
    used = [name for one in recipes for name in one.own]
    imports = {
        "from deployer_flows import work_pool_deployer",
        "from meta_prefect import recipe",
        "from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface",
        *(text for name in used if (text := _TYPES.get(name, ("", None))[1])),
    }
    standard = [_OF_TYPING, ""] if _OF_TYPING in imports else []
    lines = [
        f'"""What deployments of {project} have in common. Made by `meta-prefect init`: rename it, change it, add to it."""',
        "",
        *standard,
        *sorted(imports - {_OF_TYPING}),
    ]
    for one in recipes:
        lines += ["", "", *_recipe_lines(one)]
    return "\n".join(lines) + "\n"


def _recipe_lines(one: NewRecipe) -> Iterator[str]:
    # Python requires parameters without a default to come first.
    own = sorted(one.own, key=lambda name: "=" in _annotation(name))
    yield "@recipe"
    yield f"def {one.name}("
    yield from (f"    {name}: {_annotation(name)}," for name in own)
    yield ") -> FlowBuilderInterface:"
    yield f'    """Deploy flows with what {one.count} deployments have in common, in an existing work pool."""'
    yield f"    return {POOL_RECIPE}.with_variables("
    yield from (f"        {name}={name}," for name in own)
    for name, value in one.shared.items():
        text = python_text(value, _WIDTH - len(name) - 10)
        first, *rest = text.splitlines()
        yield f"        {name}={first}" + ("" if rest else ",")
        yield from (f"        {line}" for line in rest[:-1])
        if rest:
            yield f"        {rest[-1]},"
    yield "    )"


def _annotation(name: str) -> str:
    return _TYPES.get(name, ("str | None = None", None))[0]


def python_text(value: Any, width: int) -> str:
    """Format a JSON value as Python, on several lines if it does not fit on one."""
    line = _one_line(value)
    if len(line) <= width:
        return line
    if is_mapping(value):
        items: Iterable[str] = (
            f"{_one_line(key)}: {python_text(inner, width - 8 - len(key))}" for key, inner in value.items()
        )
        opening, closing = "{", "}"
    elif isinstance(value, list):
        items = (python_text(inner, width - 4) for inner in cast("list[Any]", value))
        opening, closing = "[", "]"
    else:
        return line
    indented = (item.replace("\n", "\n    ") for item in items)
    return "\n".join([opening, *(f"    {item}," for item in indented), closing])


def _one_line(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if is_mapping(value):
        return "{" + ", ".join(f"{_one_line(key)}: {_one_line(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_one_line, cast("list[Any]", value))) + "]"
    return repr(value)
