"""The ledger: what each run of a deploy wrote, before and after. History, drift and rollback read it.

There is no state file: a run stores its page as an artifact, and the server remains the source of truth. Records contain
references to secrets, never their values, and so does the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from meta_prefect.errors import TargetError, nearest
from meta_prefect.interfaces.approval import Approval
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.json_diff import FieldChange, Record
from meta_prefect.interfaces.tags import Names, owner
from meta_prefect.interfaces.times import Moment
from meta_prefect.plan.changes import Change, Create, Delete, Unchanged, Update
from meta_prefect.plan.deployment_record import field_changes
from meta_prefect.plan.ownership import DEFAULTS, SHARED, Shared
from meta_prefect.plan.provenance import Doubt
from meta_prefect.plan.schedule_identity import alike, renamed, renamings
from meta_prefect.plan.soundness import sound_record
from meta_prefect.project.naming import slug

ARTIFACT_TYPE: Final = "ledger"
"""The artifact type; the Prefect UI shows data of unknown types as JSON."""

PUT_BACK: Final = "put back"
"""Used instead of a recipe's name for the restore after a failed deploy."""

Action = Literal["created", "updated", "deleted", "rolled back", "found", "disowned"]
StoredRecord = Annotated[Record, AfterValidator(sound_record)]


class LedgerEntry(BaseModel):
    """What was written to one deployment.

    Attributes:
        deployment: ``flow/deployment``.
        action: What was done; ``found`` records its state before the project took it over.
        id: Its id on the server; None if not known yet.
        version: Its version afterwards; for a deleted one, the last.
        before: Its record before; None if it did not exist.
        after: Its complete record afterwards, including operators' settings; None if it was deleted.
        ours: The fields set by the recipe: names of the record's keys, and ``schedules.<slug>.active`` for a schedule whose
            activation it set. All other fields are the operators'.
        own: The recipe's part of the fields that operators may add to: the slugs of its schedules, and its tags. None on
            pages older than this field, where all of it is the recipe's.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    deployment: str
    action: Action
    id: str | None = None
    version: str | None
    before: StoredRecord | None
    after: StoredRecord | None
    ours: tuple[str, ...] = ()
    own: dict[Shared, tuple[str, ...]] | None = None

    def made(self, field: Shared) -> frozenset[str]:
        """Return the recipe's part of a field that operators may add to, as far as it existed afterwards."""
        if self.after is None or (self.own is None and field not in self.ours):
            return frozenset()
        return frozenset(self.after.get(field) or () if self.own is None else self.own.get(field, ()))

    @property
    def is_managed(self) -> bool:
        """Whether it exists afterwards and is managed by the project."""
        return self.after is not None and owner(self.after.get("tags") or ()) is not None

    @property
    def disowned_text(self) -> str:
        """A description of the fact that the project no longer manages the deployment."""
        return "it was disowned" if self.action == "disowned" else "a rollback gave it back"

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """The differences of a deployment that existed before and after."""
        if self.before is None or self.after is None:
            return ()
        names = alike(self.before, self.after)
        return (*renamings(names), *field_changes(renamed(self.before, names), self.after))


@dataclass(frozen=True, slots=True)
class PageHead:
    """The header of a ledger page; see :class:`LedgerPage`."""

    project: str
    environment: str
    recipe: str
    deploy_id: str
    commit: str | None
    approval: Approval | None = None
    promoted_from: str | None = None

    @classmethod
    def of(cls, context: DeployContext, recipe: str) -> PageHead:
        """Create the header for what a deploy writes with a recipe."""
        return cls(
            context.project,
            context.environment,
            recipe,
            context.deploy_id,
            context.commit,
            context.approval,
            context.promoted_from,
        )


class LedgerPage(BaseModel):
    """What one run wrote: a page of the ledger.

    Attributes:
        project: The project that owns the deployments.
        environment: The environment deployed to.
        recipe: The recipe that was run.
        deploy_id: The id of the deploy, shared by the pages of all its recipes.
        run_id: The flow run that wrote.
        commit: The deployed Git commit, with ``+dirty`` for uncommitted changes.
        at: When, with a UTC offset.
        by: Who deployed: ``user@host``, or who created the run.
        approval: The approval, if one was required.
        promoted_from: The environment whose live commit was promoted, if any.
        entries: What was written, in order.
        finished: Whether the run recorded what it really wrote. A page is begun before the first write, with what is about to
            be written, so that a killed deploy leaves a trace.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    project: str
    environment: str
    recipe: str
    deploy_id: str
    run_id: str | None
    commit: str | None
    at: Moment
    by: str
    approval: Approval | None = None
    promoted_from: str | None = None
    entries: tuple[LedgerEntry, ...]
    finished: bool = True

    @property
    def key(self) -> str:
        """The key of the artifact."""
        return f"{key_prefix(self.project, self.environment)}{slug(self.recipe)}"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A ledger entry with its page.

    Attributes:
        page: The page.
        entry: The entry.
        doubt: Why the page does not count; None if it does.
    """

    page: LedgerPage
    entry: LedgerEntry
    doubt: Doubt | None = None

    @property
    def is_unmanaged(self) -> bool:
        """Whether it records the deployment's state before it was managed."""
        return self.entry.after is not None and owner(self.entry.after.get("tags") or ()) is None

    @property
    def is_certain(self) -> bool:
        """Whether it was certainly written; a killed deploy may not have written everything it began."""
        return self.page.finished

    def __str__(self) -> str:
        """``version 3``, or when it was written if it has no version."""
        if self.is_unmanaged:
            return (
                "what it was before this project had it"
                if self.entry.action == "found"
                else "the state without an owner"
            )
        version = self.entry.version
        return (
            f"version {short_commit(version)}" if version else f"the state of {self.page.at.isoformat(' ', 'seconds')}"
        )


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page as stored on the server.

    Attributes:
        artifact_id: Its artifact.
        page: The page.
        doubt: Why it does not count; None if it does.
    """

    artifact_id: str
    page: LedgerPage
    doubt: Doubt | None = None

    def of(self, deployment: str) -> Iterator[HistoryEntry]:
        """Yield its entries about a deployment."""
        return (
            HistoryEntry(self.page, entry, self.doubt) for entry in self.page.entries if entry.deployment == deployment
        )


CUT_OFF: Final = (
    "what was written before that is not recorded any more: the API has deleted those runs and artifacts, as Prefect Cloud does "
    "after 7 days on its smaller plans"
)


def key_prefix(project: str, environment: str | None = None) -> str:
    """Return the prefix of the keys of a project's ledger. Other projects' keys may have the same prefix."""
    return f"ledger-{slug(project)}-" + (f"{slug(environment)}-" if environment is not None else "")


def entry_of(change: Change, wanted: Record) -> LedgerEntry | None:
    """Return the ledger entry for a change that was written; None if nothing was.

    Args:
        change: The change.
        wanted: The fields that the recipe sets.
    """
    name = change.subject.name
    whose: Record = {"ours": set_by(wanted), "own": parts_of(wanted)}
    match change:
        case Create(after=after):
            whole = whole_record(after)
            return LedgerEntry(
                deployment=name, action="created", version=whole["version"], before=None, after=whole, **whose
            )
        case Update(before=before, after=after):
            whole = whole_record(after)
            return LedgerEntry(
                deployment=name, action="updated", version=whole["version"], before=before, after=whole, **whose
            )
        case Delete(before=before):
            return deleted(name, before)
        case Unchanged():
            return None


def deleted(name: str, before: Record) -> LedgerEntry:
    """Return the entry for a deleted deployment."""
    return LedgerEntry(deployment=name, action="deleted", version=before.get("version"), before=before, after=None)


def whole_record(written: Record) -> Record:
    """Return a record as it is on the server after writing: with the defaults of fields that were not sent."""
    whole: Record = {"version": None, **DEFAULTS, **written}
    whole["schedules"] = {key: {"active": True, **schedule} for key, schedule in whole["schedules"].items()}
    return whole


def set_by(wanted: Record) -> tuple[str, ...]:
    """Return the names of the fields that a recipe sets; see :attr:`LedgerEntry.ours`."""
    schedules: dict[str, Record] = wanted.get("schedules") or {}
    active = (f"schedules.{key}.active" for key, schedule in schedules.items() if "active" in schedule)
    return tuple(sorted((*wanted, *active)))


def parts_of(wanted: Record) -> dict[Shared, tuple[str, ...]]:
    """Return a recipe's part of the fields that operators may add to; see :attr:`LedgerEntry.own`."""
    return {field: tuple(wanted.get(field) or ()) for field in SHARED}


def _with_found(written: Sequence[HistoryEntry]) -> Iterator[HistoryEntry]:
    """Yield the entries, newest first; for a takeover, also the state before it."""
    for one, older in zip_longest(written, written[1:]):
        yield one
        found = one.entry.before
        if (
            found is not None
            and owner(found.get("tags") or ()) is None
            and (older is None or older.entry.after is None)
        ):
            about: Record = {"action": "found", "version": found.get("version"), "before": None, "after": found}
            yield replace(one, entry=one.entry.model_copy(update={**about, "ours": (), "own": None}))


def history_of(deployment: str, pages: Iterable[StoredPage]) -> tuple[HistoryEntry, ...]:
    """Return a deployment's entries, in the order of the pages, including those that do not count.

    Raises:
        TargetError: There are no entries.
    """
    pages = tuple(pages)
    found = tuple(_with_found([recorded for stored in pages for recorded in stored.of(deployment)]))
    if not found:
        known = {entry.deployment for stored in pages for entry in stored.page.entries}
        raise TargetError(
            f"no deploy of a deployment {deployment!r} is recorded in this project",
            hint=nearest(deployment, known) or "Nothing that this project deployed is recorded on this server.",
        )
    return found


def is_cut_off(history: Sequence[HistoryEntry], names: Names) -> bool:
    """Return whether earlier entries are missing: the oldest one found a deployment already written by this project.

    Args:
        history: A deployment's entries, newest first; not empty.
        names: The names of the project.
    """
    oldest = history[-1].entry
    if oldest.action == "created" or history[-1].page.recipe == PUT_BACK:
        return False
    return oldest.before is None or owner(oldest.before.get("tags") or ()) in names
