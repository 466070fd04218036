"""What several deployments have in common, so that it is said once."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meta_prefect.init.yaml_text import yaml_lines

_OWN: Final = "name"
"""The variable that is each deployment's own, even where two flows have deployments of one name."""


@dataclass(frozen=True, slots=True)
class Family:
    """Deployments that have variables in common.

    Attributes:
        shared: What they have in common.
        members: Their positions among all.
    """

    shared: Mapping[str, Any]
    members: tuple[int, ...]

    def lines(self, but: Collection[str] = ()) -> int:
        """How many lines it takes to say what they have in common, some variables apart."""
        counted = {key: value for key, value in self.shared.items() if key not in but}
        return len(yaml_lines(counted)) if counted else 0


def families(
    variables: Sequence[Mapping[str, Any]], *, least: int, lines: int, but: Collection[str] = ()
) -> list[Family]:
    """Group deployments so that as little as possible is said twice; one that is like no other is in no group.

    Args:
        variables: The variables of each deployment.
        least: The smallest group.
        lines: How many lines a group has at least in common.
        but: Variables that do not count for that.
    """
    left = set(range(len(variables)))
    found: list[Family] = []
    while candidates := [one for one in _candidates(variables, left, least) if one.lines(but) >= lines]:
        best = max(candidates, key=lambda one: one.lines() * (len(one.members) - 1))
        found.append(best)
        left -= set(best.members)
    return found


def _candidates(variables: Sequence[Mapping[str, Any]], left: set[int], least: int) -> list[Family]:
    """A group for each variable that several have alike, with all that these have in common."""
    alike: dict[tuple[str, str], list[int]] = {}
    for index in sorted(left):
        for key, value in variables[index].items():
            if key != _OWN:
                alike.setdefault((key, json.dumps(value, sort_keys=True)), []).append(index)
    groups = dict.fromkeys(tuple(members) for members in alike.values() if len(members) >= least)
    return [Family(_common([variables[index] for index in members]), members) for members in groups]


def _common(variables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first, *others = variables
    return {
        key: value
        for key, value in first.items()
        if key != _OWN and all(key in one and _same(one[key], value) for one in others)
    }


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
