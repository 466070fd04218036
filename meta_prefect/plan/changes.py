"""A plan as a value: a closed set of changes that explaining and applying both read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar

from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.json_diff import FieldChange, Record

DEPLOYMENT = "deployment"

ALREADY: Final = "already as wanted"
"""Why nothing is done where nothing differs."""

ScheduledRuns = Literal["kept", "regenerated", "deleted"]
"""What becomes of the runs that a deployment's schedules have created already."""


def creates_runs(record: Record) -> bool:
    """Whether Prefect creates runs for a deployment: it has an active schedule, and is not paused."""
    schedules: dict[str, Record] = record.get("schedules") or {}
    return not record.get("paused") and any(schedule.get("active", True) for schedule in schedules.values())


@dataclass(frozen=True, slots=True)
class Subject:
    """What a change is about.

    Attributes:
        kind: ``deployment``, or a component's kind.
        name: Its name; of a deployment ``flow/deployment``.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Create:
    """It is not there yet.

    Attributes:
        fields: What it will have.
        after: The record to be written.
        remarks: What else users should know.
        at: The moment of the deploy, from which schedules are looked at.
    """

    subject: Subject
    fields: tuple[FieldChange, ...]
    after: Record
    remarks: tuple[str, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """It is there and differs.

    Attributes:
        fields: Exactly what differs; only that is sent.
        before: The live record as it was read.
        after: The live record with what differs replaced.
        counted: Whether a counted version goes up with this deploy.
        kept: What operators have set and keep, by the place of its field.
        at: The moment of the deploy, from which schedules are looked at.
        renamed: The keys in ``before`` of the schedules that get another slug, by that.
        takes_over: Why nobody manages it so far, so that only a deploy that adopts writes it; None where it is the project's.
    """

    subject: Subject
    fields: tuple[FieldChange, ...]
    before: Record
    after: Record
    counted: bool = False
    remarks: tuple[str, ...] = ()
    kept: Record = field(default_factory=dict[str, Any])
    at: datetime | None = None
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    takes_over: str | None = None

    @property
    def changed(self) -> Record:
        """The whole values of the fields that differ, as they are sent."""
        return {key: self.after[key] for key in dict.fromkeys(field.path.partition(".")[0] for field in self.fields)}

    @property
    def scheduled_runs(self) -> ScheduledRuns | None:
        """What becomes of scheduled runs: Prefect deletes them at every change. None for what is no deployment."""
        if self.subject.kind != DEPLOYMENT:
            return None
        if not creates_runs(self.before):
            return "kept"
        return "regenerated" if creates_runs(self.after) else "deleted"

    @property
    def only_counts(self) -> bool:
        """Whether nothing differs but the version that goes up at each deploy."""
        return self.counted and all(change.path == "version" for change in self.fields)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """It is not touched, as it is there as wanted.

    Attributes:
        reason: Why nothing is done.
        live: The record as it was read.
        kept: What operators have set and keep, by the place of its field.
        keeps_version: Whether a version that counts deploys would have gone up, and stays for the sake of scheduled runs.
    """

    subject: Subject
    reason: str
    live: Record
    remarks: tuple[str, ...] = ()
    kept: Record = field(default_factory=dict[str, Any])
    keeps_version: bool = False


@dataclass(frozen=True, slots=True)
class Offline(Unchanged):
    """It is not touched, as it is there as wanted; but runs that need it would not start, for the reason that is given."""


@dataclass(frozen=True, slots=True)
class Held(Unchanged):
    """It is not touched, as somebody has asked for that; its live record is empty where it is not there.

    Attributes:
        otherwise: What would be done if it were not held.
    """

    otherwise: Change | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """It is there, belongs to this project and environment, and is no longer wanted.

    Attributes:
        reason: Why that is so, where it does not go without saying.
    """

    subject: Subject
    before: Record
    remarks: tuple[str, ...] = ()
    reason: str = ""


Change = Create | Update | Unchanged | Delete

W = TypeVar("W")
L = TypeVar("L")
C = TypeVar("C", bound=Change)


@dataclass(eq=False)
class Planned(Generic[W, L, C]):
    """Something with what there is of it and what is to happen.

    Attributes:
        wanted: What it is to be; None where it is not wanted any more.
        live: What there is; None where there is nothing yet.
        change: What is to happen.
    """

    wanted: W
    live: L
    change: C

    def __str__(self) -> str:
        if isinstance(self.wanted, Component):
            return str(self.wanted)
        subject = self.change.subject
        return subject.name if subject.kind == DEPLOYMENT else str(subject)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deploy will do: components first, then deployments, then what is no longer wanted.

    Attributes:
        components: Changes to what deployments need.
        deployments: Changes to deployments.
        orphans: Deployments of this project and environment that are no longer in the project: deleted, or left alone where
            the deploy does not prune.
        leaving: What deploys have made for deployments that no longer want it.
    """

    components: tuple[Change, ...] = field(default=())
    deployments: tuple[Change, ...] = field(default=())
    orphans: tuple[Delete | Unchanged, ...] = field(default=())
    leaving: tuple[Delete, ...] = field(default=())

    def __iter__(self) -> Iterator[Change]:
        yield from self.components
        yield from self.deployments
        yield from self.orphans
        yield from self.leaving

    @property
    def writes(self) -> tuple[Change, ...]:
        """The changes for which something is written."""
        return tuple(change for change in self if not isinstance(change, Unchanged))

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes that somebody who asks "does the server differ from the project?" means.

        A version that only counts deploys is none of them.
        """
        return tuple(change for change in self.writes if not is_next_version(change))


def before_of(change: Change) -> Record | None:
    """The record that a change starts from; None where there is nothing yet."""
    match change:
        case Update(before=record) | Delete(before=record) | Unchanged(live=record):
            return record
        case Create():
            return None


def after_of(change: Change) -> Record | None:
    """The record that a change writes; None where it writes none."""
    return change.after if isinstance(change, Create | Update) else None


def fields_of(change: Change | None) -> tuple[FieldChange, ...]:
    """The fields that a change writes."""
    return change.fields if isinstance(change, Create | Update) else ()


def kept_of(change: Change) -> Record:
    """What operators have set and keep, by the place of its field."""
    return change.kept if isinstance(change, Update | Unchanged) else {}


def records_of(change: Change) -> Iterator[Record]:
    """The records of an object that a change knows: as it is, and as it is to be."""
    return (record for record in (before_of(change), after_of(change)) if record is not None)


def is_next_version(change: Change) -> bool:
    """Whether nothing is to be written but a version that counts deploys."""
    return isinstance(change, Update) and change.only_counts


def is_taken_over(change: Change) -> bool:
    """Whether to write it means to take it over from nobody."""
    return isinstance(change, Update) and change.takes_over is not None
