"""Converts found deployments into entries of a project file: their names and environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from meta_prefect.errors import FlowNotFoundError, ScheduleError
from meta_prefect.flows import FoundFlows, choose_flow
from meta_prefect.init.found import FoundDeployment, Remark
from meta_prefect.interfaces.tags import environment_of, without_environment
from meta_prefect.schedules.resolve import resolve

POOL_RECIPE: Final = "work_pool_deployer"
"""The recipe for deployments made by someone else: it supports everything they may contain."""

_ENVIRONMENTS: Final = ("dev", "development", "test", "qa", "uat", "staging", "stage", "prod", "production")
"""Words that denote an environment at the end of a deployment's name."""

AS_IT_IS: Final[dict[str, str | bool | None]] = {"name_pattern": "{name}", "holidays": False, "active_in": None}
"""Variables that keep names and schedules as they are: on every day, and as operators switched them on or off."""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to be written.

    Attributes:
        flow: The flow's name.
        recipe: The recipe.
        variables: Its variables.
        entrypoint: The entrypoint, if the flow's name alone is ambiguous.
        environments: The environments it applies to; empty means all.
        remarks: What could not be carried over.
        refused: Why it cannot be deployed as it is and is written as a comment.
    """

    flow: str
    recipe: str
    variables: Mapping[str, Any]
    entrypoint: str | None = None
    environments: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    refused: str | None = None


def entries_of(found: Sequence[FoundDeployment], environment: str) -> tuple[list[NewEntry], tuple[str, ...]]:
    """Create entries for existing deployments, keeping their names.

    A name that ends in an environment, such as ``nightly-prod``, becomes ``nightly`` in ``prod``; entries that are the same
    in two environments are merged. Any other name stays as it is and can exist in one environment only.


    Args:
        found: The deployments.
        environment: The environment of deployments that name none.

    Returns:
        The entries, and the environments of the entries.
    """
    has_schedules = any(one.variables.get("schedules") for one in found)
    joined: list[NewEntry] = []
    for entry in (_entry(one, environment, has_schedules=has_schedules) for one in found):
        twin = next((index for index, other in enumerate(joined) if _is_twin(entry, other)), None)
        if twin is None:
            joined.append(entry)
        else:
            other = joined[twin]
            environments = (*other.environments, *entry.environments)
            joined[twin] = replace(other, environments=environments, remarks=(*other.remarks, *entry.remarks))
    everywhere = tuple(dict.fromkeys(name for one in joined for name in one.environments)) or (environment,)
    return [
        replace(one, environments=()) if set(one.environments) == set(everywhere) else one for one in joined
    ], everywhere


def needed_entrypoint(entrypoint: str | None, flow: str, flows: FoundFlows) -> str | None:
    """Return a flow's entrypoint if its name alone is ambiguous."""
    try:
        return None if choose_flow(flows, flow).entrypoint == entrypoint else entrypoint
    except FlowNotFoundError:
        return entrypoint


def _entry(found: FoundDeployment, environment: str, *, has_schedules: bool) -> NewEntry:
    variables = dict(found.variables)
    tags: list[str] = variables.pop("tags", [])
    name, ending = _parted(variables.pop("name"))
    own = environment_of(tags)
    as_it_is = {key: value for key, value in AS_IT_IS.items() if key == "name_pattern" or has_schedules}
    if ending is not None and own in (None, ending):
        place = ending
        del as_it_is["name_pattern"]
    else:
        place, name = own or environment, found.variables["name"]
    made: dict[str, Any] = {"name": name, **variables, **as_it_is}
    if kept := without_environment(tags):
        made["tags"] = kept
    if schedules := made.get("schedules"):
        made["schedules"] = [_as_prefect_takes_it(one) for one in schedules]
    return NewEntry(found.flow_name, POOL_RECIPE, _in_order(made), found.entrypoint, (place,), found.remarks)


def _as_prefect_takes_it(schedule: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schedule with the setting that allows it, if Prefect accepts it and we reject it by default."""
    try:
        resolve(schedule, default_calendar=None, now=datetime.now(UTC))
    except ScheduleError as error:
        return schedule if error.allowance is None else {**schedule, "allow": [error.allowance]}
    return schedule


def _parted(name: str) -> tuple[str, str | None]:
    """Split a name into the part before its environment, and the environment."""
    head, dash, tail = name.rpartition("-")
    return (head, tail) if dash and head and tail in _ENVIRONMENTS else (name, None)


_ORDER: Final = (
    "name",
    "name_pattern",
    "description",
    "version",
    "version_strategy",
    "work_pool",
    "work_queue",
    "image",
    "build",
    "s3",
    "job_variables",
    "entrypoint",
    "pull",
    "parameters",
    "tags",
    "allow",
    "schedules",
    "holidays",
    "active_in",
)


def _in_order(variables: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: variables[key] for key in _ORDER if key in variables}
    return known | {key: value for key, value in variables.items() if key not in known}


def _is_twin(one: NewEntry, other: NewEntry) -> bool:
    """Return whether two entries are the same deployment in two environments."""
    same = (one.flow, one.entrypoint, one.variables) == (other.flow, other.entrypoint, other.variables)
    return same and "name_pattern" not in one.variables and not set(one.environments) & set(other.environments)
