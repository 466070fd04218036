"""Whose a worker in a cluster is that deployments of several projects use.

The project that applied it first has its name on the worker's Deployment, beside a digest of how it wants the worker. Another
project that wants it the same may use and mend it; one that wants it otherwise would undo it at each deploy, and is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meta_prefect.interfaces.json_diff import Record

MARKS: Final = ("meta-prefect/project", "meta-prefect/options")
"""Annotations of the worker's Deployment."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who keeps a worker, and how they want it.

    Attributes:
        project: The project; empty where a worker was applied by hand, or by an earlier version.
        options: A digest of how it is to be.
    """

    project: str
    options: str

    def mark(self, deployment: Record) -> None:
        """Write it on a manifest of the worker's Deployment."""
        if self.project:
            deployment["metadata"]["annotations"] = dict(zip(MARKS, (self.project, self.options), strict=True))

    def wants_the_same_as(self, other: Keeper) -> bool:
        """Whether both would apply the same."""
        return self.options == other.options


def keeper_of(deployment: Record | None) -> Keeper:
    """Who keeps a worker, by its live Deployment."""
    annotations: Record = (deployment or {}).get("metadata", {}).get("annotations", {})
    return Keeper(*(annotations.get(mark, "") for mark in MARKS))


def keeper_by(project: str, manifests: Sequence[Record]) -> Keeper:
    """A project as the keeper of what these manifests make, however often the Secret beside them has changed."""
    told = json.dumps(manifests, sort_keys=True)
    return Keeper(project, hashlib.sha256(told.encode()).hexdigest()[:16])
