"""To which state of a deployment a rollback goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meta_prefect.errors import TargetError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.tags import Names, owner
from meta_prefect.plan.deployment_record import field_changes
from meta_prefect.plan.ledger import CUT_OFF, HistoryEntry, is_cut_off


def version_to_restore(
    history: Sequence[HistoryEntry], version: str | None = None, *, unconfirmed: bool = False, former: Names = ()
) -> HistoryEntry:
    """Choose what to go back to.

    Args:
        history: What was written of one deployment, newest first; not empty.
        version: The version, of which the newest is taken where several have the same; None takes the last one before the
            current.
        unconfirmed: Whether what is recorded of a run that is gone counts as well.
        former: The names that the project had before.

    Raises:
        TargetError: There is none.
    """
    name = history[0].entry.deployment
    counting = [one for one in history if one.doubt is None or (unconfirmed and one.doubt.run_is_gone)]
    states = list(_states(counting, former))
    current = next((one.entry for one in counting), None)
    for state in states:
        if state.entry is not current if version is None else state.entry.version == version:
            return state
    doubtful = [one for one in history if one not in counting and version in (None, one.entry.version)]
    wanted = f"nothing before {history[0]}" if version is None else f"no version {version!r}"
    if doubtful:
        raise TargetError(
            f"{wanted} of {name} is recorded that counts: {doubtful[0]} is {doubtful[0].doubt}",
            hint="If you know that it is right, go back to it with --unconfirmed."
            if doubtful[0].doubt is not None and doubtful[0].doubt.run_is_gone
            else "`meta-prefect history` shows which versions count.",
        )
    known = ", ".join(dict.fromkeys(one.entry.version for one in states if one.entry.version))
    hints = [] if version is None else [f"Known: {known or 'none'}."]
    if is_cut_off(history, (history[0].page.project, *former)):
        hints.append(f"{CUT_OFF[0].upper()}{CUT_OFF[1:]}. Deploy that commit of the project instead.")
    hint = " ".join(hints) or None
    raise TargetError(f"{wanted} of {name} is recorded", hint=hint)


def _states(history: Sequence[HistoryEntry], former: Names) -> Iterator[HistoryEntry]:
    """The states in which a deployment was live, newest first: what was written, and what the next write found.

    What a killed deploy was about to write was live where a later page found just that. A version that a later page found, and
    that no page has as written, was live as well. Changes by hand within a version are no states of their own.
    """
    finder: HistoryEntry | None = None
    for one in history:
        found = finder.entry.before if finder is not None else None
        if not one.is_certain and not _is(found, one.entry.after):
            finder = one if found is None else finder
            continue
        if one.is_certain and finder is not None and found is not None and not _has_version_of(found, one.entry.after):
            yield from _as_found(finder, found, former)
        if one.entry.after is not None:
            yield one
        finder = one
    if finder is not None and finder.entry.before is not None:
        yield from _as_found(finder, finder.entry.before, former)


def _is(found: Record | None, written: Record | None) -> bool:
    return found is not None and written is not None and not tuple(field_changes(found, written))


def _has_version_of(found: Record, written: Record | None) -> bool:
    return written is not None and found.get("version") == written.get("version")


def _as_found(finder: HistoryEntry, found: Record, former: Names) -> Iterator[HistoryEntry]:
    """What a page found as a state of its own. From which commit it came is not known."""
    if owner(found.get("tags") or ()) in (finder.page.project, *former):
        entry = finder.entry.model_copy(
            update={"action": "updated", "version": found.get("version"), "before": None, "after": found}
        )
        yield HistoryEntry(finder.page.model_copy(update={"commit": None}), entry)
