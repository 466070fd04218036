"""Going back: to what a deployment was at a version, and to the server's default where a recipe no longer sets a field."""

from __future__ import annotations

from typing import Any, Final

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.records import ABSENT, Record, differences_within
from meta_prefect.interfaces.tags import owner
from meta_prefect.plan.changes import DEPLOYMENT, Create, Subject, Unchanged, Update
from meta_prefect.plan.diff import field_changes
from meta_prefect.plan.ledger import LedgerEntry, Recorded
from meta_prefect.plan.records import LiveDeployment

_GIVEN_UP: Final[Record] = {
    "paused": False,
    "concurrency_limit": None,
    "collision_strategy": None,
    "schedules": {},
    "work_queue_name": "default",
}
"""What becomes of fields that a recipe may leave to the operators, once it does."""


def diff_restored(target: Recorded, live: LiveDeployment | None) -> Create | Update | Unchanged:
    """Compare a deployment with what it was: all of it, what operators set included.

    Args:
        target: What it was.
        live: What it is; None where it is gone, and is to be created again.

    Raises:
        ConflictError: The live one belongs to another project, or to nobody.
    """
    subject = Subject(DEPLOYMENT, target.entry.deployment)
    wanted = target.entry.after
    assert wanted is not None, "a deleted state is never chosen"  # noqa: S101 - for the type checker
    if live is None:
        return Create(subject, tuple(differences_within(ABSENT, wanted)), wanted)
    if (other := owner(live.record["tags"])) != target.page.project:
        raise ConflictError(
            f"the live deployment belongs to {f'the project {other!r}' if other else 'nobody'}, "
            f"not to {target.page.project!r}",
            where=str(subject),
            hint="Roll it back from the project that it belongs to."
            if other
            else "Take it over with `meta-prefect deploy --adopt` first.",
        )
    fields = tuple(field_changes(live.record, wanted))
    if not fields:
        return Unchanged(subject, f"is as it was at {target} already", live.record)
    return Update(subject, fields, live.record, {**live.record, **wanted})


def with_given_up(wanted: Record, last: LedgerEntry | None) -> Record:
    """Add to what a recipe sets the defaults of the fields that it set at its last deploy and no longer sets.

    What it never set stays the operators'. So does everything where the last deploy is not known.

    Args:
        wanted: What the recipe sets; not changed.
        last: What the last deploy wrote.
    """
    ours = frozenset(last.ours if last is not None else ())
    given_up = {key: default for key, default in _GIVEN_UP.items() if key in ours and key not in wanted}
    if not wanted.get("schedules"):
        return {**wanted, **given_up}

    def activated(key: str, schedule: dict[str, Any]) -> Record:
        was_ours = f"schedules.{key}.active" in ours
        return {"active": True, **schedule} if was_ours else schedule

    schedules = {key: activated(key, schedule) for key, schedule in wanted["schedules"].items()}
    return {**wanted, **given_up, "schedules": schedules}
