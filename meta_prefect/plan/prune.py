"""Pruning: which deployments are no longer in the project, and whether so many may be deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from meta_prefect.errors import TargetError
from meta_prefect.plan.changes import DEPLOYMENT, Delete, Subject, Unchanged
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.holds import Hold, held
from meta_prefect.plan.outcomes import counted, listed

FEWEST_MAX_DELETES: Final = 3
"""How many deployments may always be deleted at once, unless the deploy gives another number."""


class PlannedDeletion:
    """An orphan: a live deployment of ours that the project does not ask for, and what is to happen."""

    # No dataclass: Prefect searches those, member by member, for futures when they are a task's parameter.

    def __init__(self, live: LiveDeployment, *, prune: bool, hold: Hold | None = None) -> None:
        self.live = live
        change = _deletion(live) if prune else _left_alone(live)
        self.change: Delete | Unchanged = change if hold is None else held(change, hold, live.record)

    def __str__(self) -> str:
        return self.live.full_name


def _subject(live: LiveDeployment) -> Subject:
    return Subject(DEPLOYMENT, live.full_name)


def _deletion(live: LiveDeployment) -> Delete:
    return Delete(_subject(live), live.record)


def _left_alone(live: LiveDeployment) -> Unchanged:
    return Unchanged(_subject(live), "no longer in the project; `deploy --prune` deletes it", live.record)


def orphans_of(
    owned: Sequence[LiveDeployment], wanted: Iterable[str], *, prune: bool, holds: Mapping[str, Hold] | None = None
) -> list[PlannedDeletion]:
    """Find the deployments that are owned and not wanted.

    Args:
        owned: Every live deployment of the project and environment.
        wanted: What the project asks for, and whose place it takes: names as ``flow/deployment``.
        prune: Whether they are to be deleted.
        holds: The holds that count: what is held is not deleted.
    """
    asked, kept = set(wanted), holds or {}
    return [
        PlannedDeletion(live, prune=prune, hold=kept.get(live.full_name))
        for live in owned
        if live.full_name not in asked
    ]


def check_deletions(orphans: Sequence[PlannedDeletion], owned: int, max_deletes: int | None) -> TargetError | None:
    """Refuse to delete suspiciously many deployments at once.

    Args:
        orphans: What is to be deleted.
        owned: How many deployments the project has in the environment.
        max_deletes: How many may be deleted; None means a fifth of them, and at least 3.
    """
    allowed = max(FEWEST_MAX_DELETES, owned // 5) if max_deletes is None else max_deletes
    if len(orphans) <= allowed:
        return None
    names = listed(map(str, orphans), 5)
    return TargetError(
        f"{len(orphans)} of {counted(owned, 'deployment')} would be deleted, and {allowed} is the most: {names}",
        where="prune",
        hint=f"If that is meant: --max-deletes {len(orphans)}.",
    )
