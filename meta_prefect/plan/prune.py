"""Determines which deployments are no longer in the project, and whether too many would be deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from meta_prefect.errors import TargetError
from meta_prefect.plan.changes import DEPLOYMENT, Delete, Planned, Subject, Unchanged
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.holds import Hold, held
from meta_prefect.plan.outcomes import counted, listed

MIN_MAX_DELETES: Final = 3
"""How many deployments may always be deleted at once, unless the deploy sets another limit."""


PlannedDeletion = Planned[None, LiveDeployment, Delete | Unchanged]
"""An orphan, which is a live deployment of ours that the project does not request, and what happens to it."""


def orphans_of(
    owned: Sequence[LiveDeployment], wanted: Iterable[str], *, prune: bool, holds: Mapping[str, Hold] | None = None
) -> list[PlannedDeletion]:
    """Find the owned deployments that are no longer wanted.

    Args:
        owned: All live deployments of the project and environment.
        wanted: The requested deployments and those they replace, as ``flow/deployment``.
        prune: Whether to delete orphans.
        holds: The unexpired holds: what is on hold is not deleted.
    """
    asked, kept = set(wanted), holds or {}
    return [
        PlannedDeletion(None, live, _change(live, kept.get(live.full_name), prune=prune))
        for live in owned
        if live.full_name not in asked
    ]


def _change(live: LiveDeployment, hold: Hold | None, *, prune: bool) -> Delete | Unchanged:
    subject = Subject(DEPLOYMENT, live.full_name)
    left_alone = Unchanged(subject, "no longer in the project; `deploy --prune` deletes it", live.record)
    change = Delete(subject, live.record) if prune else left_alone
    return change if hold is None else held(change, hold, live.record)


def check_deletions(orphans: Sequence[PlannedDeletion], owned: int, max_deletes: int | None) -> TargetError | None:
    """Reject deleting suspiciously many deployments at once.

    Args:
        orphans: The orphans.
        owned: How many deployments the project has in the environment.
        max_deletes: The maximum number of deletions; None for a fifth of them, and at least 3.
    """
    allowed = max(MIN_MAX_DELETES, owned // 5) if max_deletes is None else max_deletes
    if len(orphans) <= allowed:
        return None
    names = listed(map(str, orphans), 5)
    return TargetError(
        f"{len(orphans)} of {counted(owned, 'deployment')} would be deleted, and {allowed} is the most: {names}",
        where="prune",
        hint=f"If that is meant: --max-deletes {len(orphans)}.",
    )
