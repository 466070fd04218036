"""The ledger: what each run that deploys wrote, before and after. History, drift and rollback read it.

There is no state file: a run leaves its page as an artifact, and what is on the server stays the truth. Records hold references
to secrets, never their values, and so does the ledger.
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
from meta_prefect.interfaces.moments import Moment
from meta_prefect.interfaces.tags import Names, owner
from meta_prefect.plan.changes import Change, Create, Delete, Unchanged, Update
from meta_prefect.plan.deployment_record import field_changes
from meta_prefect.plan.ownership import DEFAULTS, SHARED, Shared
from meta_prefect.plan.provenance import Doubt
from meta_prefect.plan.schedule_identity import alike, renamed, renamings
from meta_prefect.plan.soundness import sound_record
from meta_prefect.project.naming import slug

ARTIFACT_TYPE: Final = "ledger"
"""The type of the artifacts; the Prefect UI shows the data of a type that it does not know as JSON."""

PUT_BACK: Final = "put back"
"""In place of a recipe: a deploy has put back what it could not leave as it had written it."""

Action = Literal["created", "updated", "deleted", "rolled back", "found", "disowned"]
StoredRecord = Annotated[Record, AfterValidator(sound_record)]


class LedgerEntry(BaseModel):
    """What was written of one deployment.

    Attributes:
        deployment: ``flow/deployment``.
        action: What was done; ``found`` is nothing, but what it was before the project took it over.
        id: Its id on the server; None where that was not known yet.
        version: Its version since then; of a deleted one the last.
        before: Its record as it was; None where there was none.
        after: Its whole record since then, what operators had set included; None where it was deleted.
        ours: The fields that the recipe set: names of the record's keys, and ``schedules.<slug>.active`` for a schedule whose
            activation it set. The other ones are the operators'.
        own: The recipe's part of the fields to which operators may add: the slugs of its schedules, and its tags. None on a page
            that is older than this field: there all of it is the recipe's.
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
        """The recipe's part of a field to which operators may add, as far as it was there since."""
        if self.after is None or (self.own is None and field not in self.ours):
            return frozenset()
        return frozenset(self.after.get(field) or () if self.own is None else self.own.get(field, ()))

    @property
    def is_managed(self) -> bool:
        """Whether it is there since, and the project manages it."""
        return self.after is not None and owner(self.after.get("tags") or ()) is not None

    @property
    def gave_up(self) -> str:
        """In words, that the project no longer manages the deployment since."""
        return "it was disowned" if self.action == "disowned" else "a rollback gave it back"

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """The fields of a deployment that was there before and is there since, as far as they differ."""
        if self.before is None or self.after is None:
            return ()
        names = alike(self.before, self.after)
        return (*renamings(names), *field_changes(renamed(self.before, names), self.after))


@dataclass(frozen=True, slots=True)
class PageHead:
    """Whose page of the ledger it is; see :class:`LedgerPage`."""

    project: str
    environment: str
    recipe: str
    deploy_id: str
    commit: str | None
    approval: Approval | None = None
    promoted_from: str | None = None

    @classmethod
    def of(cls, context: DeployContext, recipe: str) -> PageHead:
        """The head of what a deploy writes by a recipe."""
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
        environment: The environment that was deployed to.
        recipe: The recipe that deployed.
        deploy_id: Names the deploy; the pages of all its recipes carry the same one.
        run_id: The flow run that wrote.
        commit: The Git commit that was deployed, with ``+dirty`` where it was changed since.
        at: When, with its UTC offset.
        by: Who deployed: ``user@host``, or who made the run that did.
        approval: Who approved it, where somebody was asked.
        promoted_from: The environment whose live commit was deployed, where that was asked for.
        entries: What was written, in the order of writing.
        finished: Whether the run got as far as noting what it really wrote. A page is begun before the first write with what
            is about to be written, so that a deploy that is killed leaves a trace.
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
        """Under which the artifact is stored."""
        return f"{key_prefix(self.project, self.environment)}{slug(self.recipe)}"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An entry with the page that it stands on.

    Attributes:
        page: The page.
        entry: The entry.
        doubt: Why the page does not count; None where it does.
    """

    page: LedgerPage
    entry: LedgerEntry
    doubt: Doubt | None = None

    @property
    def is_nobodys(self) -> bool:
        """Whether it tells what the deployment was while nobody managed it."""
        return self.entry.after is not None and owner(self.entry.after.get("tags") or ()) is None

    @property
    def is_certain(self) -> bool:
        """Whether it was written; what a killed deploy was about to write may not have been."""
        return self.page.finished

    def __str__(self) -> str:
        """``version 3``, or when it was written where it has no version."""
        if self.is_nobodys:
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
    """A page as it is on the server.

    Attributes:
        artifact_id: The artifact that it is.
        page: The page.
        doubt: Why it does not count; None where it does.
    """

    artifact_id: str
    page: LedgerPage
    doubt: Doubt | None = None

    def of(self, deployment: str) -> Iterator[HistoryEntry]:
        """What it says of a deployment."""
        return (
            HistoryEntry(self.page, entry, self.doubt) for entry in self.page.entries if entry.deployment == deployment
        )


CUT_OFF: Final = (
    "what was written before that is not recorded any more: the API has deleted those runs and artifacts, as Prefect Cloud does "
    "after 7 days on its smaller plans"
)


def key_prefix(project: str, environment: str | None = None) -> str:
    """What the keys of a project's ledger begin with. Other projects' keys may begin like that too."""
    return f"ledger-{slug(project)}-" + (f"{slug(environment)}-" if environment is not None else "")


def entry_of(change: Change, wanted: Record) -> LedgerEntry | None:
    """The entry for a change that was written; None where nothing was.

    Args:
        change: The change.
        wanted: What the recipe sets.
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
    """The entry for a deployment that was deleted."""
    return LedgerEntry(deployment=name, action="deleted", version=before.get("version"), before=before, after=None)


def whole_record(written: Record) -> Record:
    """A record as it is on the server once it has been written: with the defaults of what was not sent."""
    whole: Record = {"version": None, **DEFAULTS, **written}
    whole["schedules"] = {key: {"active": True, **schedule} for key, schedule in whole["schedules"].items()}
    return whole


def set_by(wanted: Record) -> tuple[str, ...]:
    """The names of what a recipe sets; see :attr:`LedgerEntry.ours`."""
    schedules: dict[str, Record] = wanted.get("schedules") or {}
    active = (f"schedules.{key}.active" for key, schedule in schedules.items() if "active" in schedule)
    return tuple(sorted((*wanted, *active)))


def parts_of(wanted: Record) -> dict[Shared, tuple[str, ...]]:
    """A recipe's part of the fields to which operators may add; see :attr:`LedgerEntry.own`."""
    return {field: tuple(wanted.get(field) or ()) for field in SHARED}


def _with_found(written: Sequence[HistoryEntry]) -> Iterator[HistoryEntry]:
    """What was written, newest first; where nobody's was taken over, also what it was until then."""
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
    """What was written of one deployment, in the order of the pages; also what does not count.

    Raises:
        TargetError: Nothing was.
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
    """Whether earlier entries are missing: the oldest one found a deployment that a project of these names had written.

    Args:
        history: What was written of a deployment, newest first; not empty.
        names: The names of the project.
    """
    oldest = history[-1].entry
    if oldest.action == "created" or history[-1].page.recipe == PUT_BACK:
        return False
    return oldest.before is None or owner(oldest.before.get("tags") or ()) in names
