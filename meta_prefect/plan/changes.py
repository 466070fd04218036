"""The plan as a value: a closed set of change types, used both to explain and to apply it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar

from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.json_diff import FieldChange, Record

DEPLOYMENT = "deployment"

ALREADY: Final = "already as wanted"
"""The reason given when nothing differs."""

ScheduledRuns = Literal["kept", "regenerated", "deleted"]
"""What happens to the runs already created by a deployment's schedules."""


def creates_runs(record: Record) -> bool:
    """Return whether Prefect creates runs for a deployment: it has an active schedule and is not paused."""
    schedules: dict[str, Record] = record.get("schedules") or {}
    return not record.get("paused") and any(schedule.get("active", True) for schedule in schedules.values())


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that a change is about.

    Attributes:
        kind: ``deployment``, or a component's kind.
        name: Its name; for a deployment ``flow/deployment``.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Create:
    """The object does not exist yet.

    Attributes:
        fields: Its fields.
        after: The record to write.
        remarks: Further notes for the user.
        at: The time of the deploy, for previewing schedules.
    """

    subject: Subject
    fields: tuple[FieldChange, ...]
    after: Record
    remarks: tuple[str, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """The object exists and differs.

    Attributes:
        fields: The exact differences; only these are sent.
        before: The live record as read.
        after: The live record with the differences applied.
        counted: Whether this deploy increments a counted version.
        kept: Operators' settings that are kept, by field path.
        at: The time of the deploy, for previewing schedules.
        renamed: The keys in ``before`` of schedules that get a new slug, by that slug.
        takes_over: Why it is not managed by anyone, so that only an adopting deploy writes it; None if it belongs to the
            project.
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
        """The complete values of the differing fields, as sent."""
        return {key: self.after[key] for key in dict.fromkeys(field.path.partition(".")[0] for field in self.fields)}

    @property
    def scheduled_runs(self) -> ScheduledRuns | None:
        """What happens to scheduled runs, which Prefect deletes on every change; None unless it is a deployment."""
        if self.subject.kind != DEPLOYMENT:
            return None
        if not creates_runs(self.before):
            return "kept"
        return "regenerated" if creates_runs(self.after) else "deleted"

    @property
    def only_counts(self) -> bool:
        """Whether nothing differs but a version that is incremented on each deploy."""
        return self.counted and all(change.path == "version" for change in self.fields)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The object is up to date and not touched.

    Attributes:
        reason: Why nothing is done.
        live: The record as read.
        kept: Operators' settings that are kept, by field path.
        keeps_version: Whether a counted version is not incremented, to preserve scheduled runs.
    """

    subject: Subject
    reason: str
    live: Record
    remarks: tuple[str, ...] = ()
    kept: Record = field(default_factory=dict[str, Any])
    keeps_version: bool = False


@dataclass(frozen=True, slots=True)
class Offline(Unchanged):
    """The object is up to date, but runs that need it would not start, for the given reason."""


@dataclass(frozen=True, slots=True)
class Held(Unchanged):
    """The object is on hold and not touched; its live record is empty if it does not exist.

    Attributes:
        otherwise: What would be done without the hold.
    """

    otherwise: Change | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """The object exists, belongs to this project and environment, and is no longer wanted.

    Attributes:
        reason: The reason, unless it is obvious.
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
    """An object with its desired state, its live state and the change between them.

    Attributes:
        wanted: The desired state; None if it is no longer wanted.
        live: The live state; None if it does not exist.
        change: The planned change.
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
    """What a deploy will do: components first, then deployments, then objects that are no longer needed.

    Attributes:
        components: Changes to components.
        deployments: Changes to deployments.
        orphans: Deployments of this project and environment that are no longer in the project: deleted, or kept if the deploy
            does not prune.
        leaving: Objects that deploys created for deployments and that are no longer needed.
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
        """The changes that write something."""
        return tuple(change for change in self if not isinstance(change, Unchanged))

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes in the sense of "does the server differ from the project?".

        Excludes versions that only count deploys.
        """
        return tuple(change for change in self.writes if not is_next_version(change))


def before_of(change: Change) -> Record | None:
    """Return the record before a change; None if the object does not exist."""
    match change:
        case Update(before=record) | Delete(before=record) | Unchanged(live=record):
            return record
        case Create():
            return None


def after_of(change: Change) -> Record | None:
    """Return the record that a change writes; None if it writes none."""
    return change.after if isinstance(change, Create | Update) else None


def fields_of(change: Change | None) -> tuple[FieldChange, ...]:
    """Return the fields that a change writes."""
    return change.fields if isinstance(change, Create | Update) else ()


def kept_of(change: Change) -> Record:
    """Return the operators' settings that are kept, by field path."""
    return change.kept if isinstance(change, Update | Unchanged) else {}


def records_of(change: Change) -> Iterator[Record]:
    """Yield the known records of an object: the live and the desired one."""
    return (record for record in (before_of(change), after_of(change)) if record is not None)


def is_next_version(change: Change) -> bool:
    """Return whether a change writes nothing but the next counted version."""
    return isinstance(change, Update) and change.only_counts


def is_taken_over(change: Change) -> bool:
    """Return whether a change takes over an unmanaged deployment."""
    return isinstance(change, Update) and change.takes_over is not None
