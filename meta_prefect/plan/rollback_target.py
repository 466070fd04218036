"""Chooses the state that a rollback restores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from meta_prefect.errors import TargetError
from meta_prefect.interfaces.json_diff import Record, is_same
from meta_prefect.interfaces.tags import Names, is_mark, owner
from meta_prefect.plan.deployment_record import field_changes
from meta_prefect.plan.ledger import CUT_OFF, HistoryEntry, LedgerEntry, is_cut_off
from meta_prefect.plan.rollback_merge import merge_restored


@dataclass(frozen=True, slots=True)
class EarlierState:
    """A state in which a deployment was live.

    Attributes:
        written: The entry that wrote it, or if there is none, the one that found it; its ``after`` is the state.
        since: The entries written since, newest first.
        found: The state found by the next entry, including operators' changes; None if unknown.
    """

    written: HistoryEntry
    since: tuple[LedgerEntry, ...]
    found: Record | None = None

    def as_left(self) -> EarlierState:
        """Return the state as the next deploy found it."""
        return self if self.found is None else self._with(self.found)

    def as_deployed(self) -> EarlierState:
        """Return the state as the recipe set it, undoing later changes to its fields, but with operators' other settings."""
        return self if self.found is None else self._with(merge_restored(self.written.entry, self.found, ()))

    def _with(self, record: Record) -> EarlierState:
        if is_same(record, self.written.entry.after):
            return self
        entry = self.written.entry.model_copy(update={"after": record})
        return replace(self, written=replace(self.written, entry=entry))


def version_to_restore(
    history: Sequence[HistoryEntry], version: str | None = None, *, unconfirmed: bool = False, former: Names = ()
) -> EarlierState:
    """Choose the state to restore: the one found by the last write, or a given version.

    Args:
        history: A deployment's entries, newest first; not empty.
        version: The version, newest first if several states have it; None for the one before the current.
        unconfirmed: Whether to include records whose run no longer exists.
        former: The project's former names.

    Raises:
        TargetError: There is no such state.
    """
    name = history[0].entry.deployment
    counting = [one for one in history if one.doubt is None or (unconfirmed and one.doubt.run_is_gone)]
    states = list(_states(counting, former))
    current = next((one.entry for one in counting), None)
    for state in states:
        entry = state.written.entry
        if version is None and entry is not current:
            return state.as_left()
        if version is not None and entry.version == version:
            return state.as_deployed()
    doubtful = [one for one in history if one not in counting and version in (None, one.entry.version)]
    wanted = f"nothing before {history[0]}" if version is None else f"no version {version!r}"
    if doubtful:
        raise TargetError(
            f"{wanted} of {name} is recorded that counts: {doubtful[0]} is {doubtful[0].doubt}",
            hint="If you know that it is right, go back to it with --unconfirmed."
            if doubtful[0].doubt is not None and doubtful[0].doubt.run_is_gone
            else "`meta-prefect history` shows which versions count.",
        )
    known = ", ".join(dict.fromkeys(one.written.entry.version for one in states if one.written.entry.version))
    hints = [] if version is None else [f"Known: {known or 'none'}."]
    if is_cut_off(history, (history[0].page.project, *former)):
        hints.append(f"{CUT_OFF[0].upper()}{CUT_OFF[1:]}. Deploy that commit of the project instead.")
    hint = " ".join(hints) or None
    raise TargetError(f"{wanted} of {name} is recorded", hint=hint)


def _states(history: Sequence[HistoryEntry], former: Names) -> Iterator[EarlierState]:
    """Yield the states in which a deployment was live, newest first: what was written, and what the next write found.

    What a killed deploy was about to write was live if a later page found exactly that. A version that a later page found but
    no page wrote was live too. Manual changes within a version are not separate states.
    """
    finder: HistoryEntry | None = None
    since: list[LedgerEntry] = []
    for one in history:
        found = finder.entry.before if finder is not None else None
        if not one.is_certain and not _is(found, one.entry.after):
            finder = one if found is None else finder
            since.append(one.entry)
            continue
        is_its_own = found is not None and _has_version_of(found, one.entry.after)
        if one.is_certain and finder is not None and found is not None and not is_its_own:
            yield from _as_found(finder, found, tuple(since), former)
        if one.entry.after is not None:
            yield EarlierState(one, tuple(since), _with_mark_of(one.entry.after, found) if is_its_own else None)
        finder = one
        since.append(one.entry)
    if finder is not None and finder.entry.before is not None:
        yield from _as_found(finder, finder.entry.before, tuple(since), former)


def _with_mark_of(written: Record, found: Record | None) -> Record | None:
    """Return a found state with the project's mark, even if someone had removed it."""
    if found is None:
        return None
    marks = [tag for tag in written.get("tags") or () if is_mark(tag)]
    return {**found, "tags": sorted({*marks, *(tag for tag in found.get("tags") or () if not is_mark(tag))})}


def _is(found: Record | None, written: Record | None) -> bool:
    return found is not None and written is not None and not tuple(field_changes(found, written))


def _has_version_of(found: Record, written: Record | None) -> bool:
    return written is not None and found.get("version") == written.get("version")


def _as_found(
    finder: HistoryEntry, found: Record, since: tuple[LedgerEntry, ...], former: Names
) -> Iterator[EarlierState]:
    """Yield a state that was only found by a page. Its commit is unknown."""
    if owner(found.get("tags") or ()) in (finder.page.project, *former):
        entry = finder.entry.model_copy(
            update={"action": "updated", "version": found.get("version"), "before": None, "after": found}
        )
        yield EarlierState(HistoryEntry(finder.page.model_copy(update={"commit": None}), entry), since)
