"""Finds what several deployments have in common, so that it is written once."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meta_prefect.init.yaml_text import yaml_lines

_OWN: Final = "name"
"""The variable that always stays with each deployment, even if two flows have deployments of the same name."""


@dataclass(frozen=True, slots=True)
class Family:
    """Deployments with shared variables.

    Attributes:
        shared: The shared variables.
        members: The indexes of the deployments.
    """

    shared: Mapping[str, Any]
    members: tuple[int, ...]

    def lines(self, but: Collection[str] = ()) -> int:
        """Return how many lines the shared variables take, excluding some."""
        counted = {key: value for key, value in self.shared.items() if key not in but}
        return len(yaml_lines(counted)) if counted else 0


def families(
    variables: Sequence[Mapping[str, Any]], *, least: int, lines: int, but: Collection[str] = ()
) -> list[Family]:
    """Group deployments to minimize repetition; a deployment that resembles no other is in no group.

    Args:
        variables: The variables of each deployment.
        least: The minimum group size.
        lines: The minimum number of shared lines.
        but: Variables not counted for that.
    """
    left = set(range(len(variables)))
    found: list[Family] = []
    while candidates := [one for one in _candidates(variables, left, least) if one.lines(but) >= lines]:
        best = max(candidates, key=lambda one: one.lines() * (len(one.members) - 1))
        found.append(best)
        left -= set(best.members)
    return found


def _candidates(variables: Sequence[Mapping[str, Any]], left: set[int], least: int) -> list[Family]:
    """Return a group for each value shared by several, with everything else they share."""
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
