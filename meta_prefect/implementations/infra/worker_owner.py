"""Ownership of a cluster worker that deployments of several projects use.

The project that applied it first is recorded on the worker's Deployment, together with a digest of its specification. A
project with the same specification may use and repair the worker; one with another specification would undo it on each deploy
and is rejected.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meta_prefect.interfaces.json_diff import Record

MARKS: Final = ("meta-prefect/project", "meta-prefect/options")
"""Annotations on the worker's Deployment."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """The project that keeps a worker, and its specification.

    Attributes:
        project: The project; empty if the worker was applied by hand or by an earlier version.
        options: A digest of the specification.
    """

    project: str
    options: str

    def mark(self, deployment: Record) -> None:
        """Record it in a manifest of the worker's Deployment."""
        if self.project:
            deployment["metadata"]["annotations"] = dict(zip(MARKS, (self.project, self.options), strict=True))

    def wants_the_same_as(self, other: Keeper) -> bool:
        """Return whether both would apply the same manifests."""
        return self.options == other.options


def keeper_of(deployment: Record | None) -> Keeper:
    """Return a worker's keeper from its live Deployment."""
    annotations: Record = (deployment or {}).get("metadata", {}).get("annotations", {})
    return Keeper(*(annotations.get(mark, "") for mark in MARKS))


def keeper_by(project: str, manifests: Sequence[Record]) -> Keeper:
    """Return a project as the keeper of these manifests, independent of changes to the Secret."""
    serialized = json.dumps(manifests, sort_keys=True)
    return Keeper(project, hashlib.sha256(serialized.encode()).hexdigest()[:16])
