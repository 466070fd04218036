"""Deployments on trial: written with their schedules inactive until a run of theirs, the smoke run, has shown that they work.

A deployment on trial carries a tag, which whoever looks at it sees. So nothing is lost where a deploy is killed in between: the
next one finds the tag, and in the ledger what was there before and what is to be.
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
"""Carried by deployments on trial, and so by their runs."""

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
    """What comes between writing a deployment and its being active.

    Attributes:
        smoke: The run that it is to stand; None where it needs none any more.
        original: What it was before it was on trial; None where it was not there.
    """

    smoke: Smoke | None
    original: Record | None


def is_on_trial(record: Record) -> bool:
    """Whether a live deployment has not stood its smoke run yet."""
    return SMOKE_TAG in (record.get("tags") or ())


def as_trial(record: Record) -> Record:
    """A record as it is written first: nothing runs by itself, and a run may start."""
    trial = {**record, "paused": False, "tags": sorted({*record["tags"], SMOKE_TAG})}
    if schedules := record.get("schedules"):
        trial["schedules"] = {key: {**one, "active": False} for key, one in schedules.items()}
    return trial


def as_settled(record: Record, after: Record | None) -> Record:
    """A record on trial as it is once that is over; what somebody has done to it meanwhile stays.

    Args:
        record: The live record.
        after: What it was to be; None where that is not known, and what is inactive stays so.
    """
    settled = {**record, "tags": [tag for tag in record["tags"] if tag != SMOKE_TAG]}
    if after is None:
        return settled
    wanted: Record = after.get("schedules") or {}
    schedules: dict[str, Record] = record.get("schedules") or {}
    active = {key: {**one, "active": wanted.get(key, one).get("active", True)} for key, one in schedules.items()}
    return {**settled, "paused": bool(after.get("paused")), "schedules": active}


def on_trial(change: Create | Update) -> Create | Update:
    """A change as it is written first."""
    trial = as_trial(change.after)
    if isinstance(change, Create):
        return replace(change, after=trial)
    return replace(change, after=trial, fields=tuple(field_changes(change.before, trial)))


def smoke_of(change: Change, asked: Smoke | None, *, resumed: bool) -> Smoke | None:
    """The smoke run that a change gets: where its runs would be others, or the last ones have not shown yet that they work.

    Args:
        change: The change.
        asked: The smoke run that is asked for.
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
    # A version that does not count deploys stands for the code.
    return not changed.isdisjoint(_RUNS_DEPEND_ON) or ("version" in changed and not change.counted)


def in_words(smoke: Smoke) -> str:
    """What a plan says of a deployment that gets a smoke run."""
    return f"gets a smoke run, {smoke}, before its schedules are active"


def original_of(live: LiveDeployment, recorded: HistoryEntry | None) -> Record | None:
    """What a deployment was before it was on trial; None where it was not there. Where nobody knows, it stays as it is.

    Args:
        live: The live one, on trial.
        recorded: What is recorded of it last.
    """
    if recorded is None:
        return live.record
    found = recorded.entry.after if recorded.page.finished else recorded.entry.before
    original: tuple[Any, list[str]] = restored(found, live.record)
    return original[0]


def resumed(change: Change, live: LiveDeployment) -> Change:
    """A change that was compared with what a deployment is once its trial is over, as one that begins with the trial."""
    match change:
        case Unchanged(live=settled):
            fields = tuple(field_changes(live.record, settled))
            return Update(change.subject, fields, live.record, settled, remarks=change.remarks, kept=change.kept)
        case Update():
            return replace(change, before=live.record, fields=tuple(field_changes(live.record, change.after)))
        case _:
            return change
