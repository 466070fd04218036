"""Trials: deployments are written with inactive schedules until a smoke run has shown that they work.

A deployment on trial has a tag, which is visible to everyone. So nothing is lost if a deploy is killed in between: the next
one finds the tag, and in the ledger both the original and the desired state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from meta_prefect.hidden_values import restored
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.smoke import Smoke
from meta_prefect.plan.changes import Change, Create, Held, Unchanged, Update
from meta_prefect.plan.deployment_record import LiveDeployment, field_changes
from meta_prefect.plan.ledger import HistoryEntry

SMOKE_TAG: Final = "meta-prefect-smoke"
"""The tag of deployments on trial, inherited by their runs."""

_RUNS_DEPEND_ON: Final = frozenset(
    {
        "entrypoint",
        "path",
        "pull_steps",
        "parameters",
        "parameter_openapi_schema",
        "job_variables",
        "work_pool_name",
        "work_queue_name",
    }
)


@dataclass(frozen=True, slots=True)
class Trial:
    """The trial between writing and activating a deployment.

    Attributes:
        smoke: The smoke run to pass; None if none is required any more.
        original: The state before the trial; None if it did not exist.
    """

    smoke: Smoke | None
    original: Record | None


def is_on_trial(record: Record) -> bool:
    """Return whether a live deployment has not passed its smoke run yet."""
    return SMOKE_TAG in (record.get("tags") or ())


def as_trial(record: Record) -> Record:
    """Return a record as first written: schedules are inactive, but runs can start."""
    trial = {**record, "paused": False, "tags": sorted({*record["tags"], SMOKE_TAG})}
    if schedules := record.get("schedules"):
        trial["schedules"] = {key: {**one, "active": False} for key, one in schedules.items()}
    return trial


def as_settled(record: Record, after: Record | None) -> Record:
    """Return a record after its trial; changes that someone made in the meantime are kept.

    Args:
        record: The live record.
        after: The desired record; None if unknown, and what is inactive stays inactive.
    """
    settled = {**record, "tags": [tag for tag in record["tags"] if tag != SMOKE_TAG]}
    if after is None:
        return settled
    wanted: Record = after.get("schedules") or {}
    schedules: dict[str, Record] = record.get("schedules") or {}
    active = {key: {**one, "active": wanted.get(key, one).get("active", True)} for key, one in schedules.items()}
    return {**settled, "paused": bool(after.get("paused")), "schedules": active}


def on_trial(change: Create | Update) -> Create | Update:
    """Return a change as first written."""
    trial = as_trial(change.after)
    if isinstance(change, Create):
        return replace(change, after=trial)
    return replace(change, after=trial, fields=tuple(field_changes(change.before, trial)))


def smoke_of(change: Change, asked: Smoke | None, *, resumed: bool) -> Smoke | None:
    """Return the smoke run for a change: if its runs would change, or have not been shown to work yet.

    Args:
        change: The change.
        asked: The smoke run that is configured.
        resumed: Whether the live deployment is on trial.
    """
    match change:
        case Held():
            return None
        case Create():
            return asked
        case Update():
            return asked if resumed or _changes_runs(change) else None
        case _:
            return None


def _changes_runs(change: Update) -> bool:
    changed = {one.path.partition(".")[0] for one in change.fields}
    # A version that does not count deploys identifies the code.
    return not changed.isdisjoint(_RUNS_DEPEND_ON) or ("version" in changed and not change.counted)


def in_words(smoke: Smoke) -> str:
    """Describe the smoke run of a deployment in a plan."""
    return f"gets a smoke run, {smoke}, before its schedules are active"


def original_of(live: LiveDeployment, recorded: HistoryEntry | None) -> Record | None:
    """Return a deployment's state before its trial; None if it did not exist. If unknown, it stays as it is.

    Args:
        live: The live deployment, on trial.
        recorded: Its last entry.
    """
    if recorded is None:
        return live.record
    found = recorded.entry.after if recorded.page.finished else recorded.entry.before
    original: tuple[Any, list[str]] = restored(found, live.record)
    return original[0]


def resumed(change: Change, live: LiveDeployment) -> Change:
    """Turn a change computed from the state after the trial into one that starts from the trial."""
    match change:
        case Unchanged(live=settled):
            fields = tuple(field_changes(live.record, settled))
            return Update(change.subject, fields, live.record, settled, remarks=change.remarks, kept=change.kept)
        case Update():
            return replace(change, before=live.record, fields=tuple(field_changes(live.record, change.after)))
        case _:
            return change
