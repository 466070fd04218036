"""Determines which operators' settings a rollback keeps.

What the recipe sets is rolled back. What it leaves to operators is rolled back only if a later deploy changed it and nobody
has set it since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from meta_prefect.interfaces.json_diff import Record, is_mapping, is_same
from meta_prefect.interfaces.tags import is_mark
from meta_prefect.plan.ledger import LedgerEntry
from meta_prefect.plan.ownership import DEFAULTS, Shared
from meta_prefect.plan.schedule_identity import WITHOUT_SLUG

_PLAIN: Final = tuple(key for key in DEFAULTS if key != "schedules")


def merge_restored(
    state: LedgerEntry, live: Record, since: Sequence[LedgerEntry], ids: Mapping[str, str] = MappingProxyType({})
) -> Record:
    """Return the record that a deployment gets when rolled back to a state.

    Args:
        state: The state, including which fields the recipe had set.
        live: The live record.
        since: The entries written since, newest first.
        ids: The ids of its schedules by key: one that had no slug at the time may have one now.
    """
    wanted, now = dict(state.after or {}), live
    for key in _PLAIN:
        if key in wanted and _stays(key, state, since, now[key], (key,)):
            wanted[key] = now[key]
    if wanted.get("work_pool_name") != now["work_pool_name"]:
        wanted["work_queue_name"] = (state.after or {}).get("work_queue_name")
    wanted["tags"] = _tags(state, now["tags"], since)
    wanted["schedules"] = _schedules(state, live["schedules"], since, ids)
    return wanted


def _stays(name: str, state: LedgerEntry, since: Sequence[LedgerEntry], now: Any, path: tuple[str, ...]) -> bool:
    """Return whether a field's current value is the operators' and is kept.

    Args:
        name: Its name among the fields set by a recipe.
        state: The state to roll back to.
        since: The entries written since, newest first.
        now: Its current value.
        path: Its path.
    """
    if name in state.ours:
        return False
    if not any(name in entry.ours or not is_same(_at(entry.before, path), _at(entry.after, path)) for entry in since):
        return True
    newest = since[0]
    return name not in newest.ours and newest.after is not None and not is_same(now, _at(newest.after, path))


def _at(record: Record | None, path: tuple[str, ...]) -> Any:
    value: Any = record
    for key in path:
        value = value.get(key) if is_mapping(value) else None
    return value


def _tags(state: LedgerEntry, now: list[str], since: Sequence[LedgerEntry]) -> list[str]:
    then = _members(state.after, "tags")
    added, removed = _by_operators(then, now, state, since, "tags")
    return sorted({*(tag for tag in then if tag not in removed), *(tag for tag in added if not is_mark(tag))})


def _schedules(state: LedgerEntry, now: Record, since: Sequence[LedgerEntry], ids: Mapping[str, str]) -> Record:
    then: Record = (state.after or {}).get("schedules") or {}
    slugs = {f"{WITHOUT_SLUG}{one}": key for key, one in ids.items()}
    added, removed = _by_operators(
        {slugs.get(key, key): one for key, one in then.items()}, now, state, since, "schedules"
    )
    found: Record = {}
    for key, one in then.items():
        key_now = slugs.get(key, key)
        if key_now in removed:
            continue
        is_on = (now.get(key_now) or one)["active"]
        path = ("schedules", key_now, "active")
        stays = _stays(
            f"schedules.{key_now}.active", state, [_since_named(entry, key, key_now) for entry in since], is_on, path
        )
        found[key] = {**one, "active": is_on if stays else one["active"]}
    return {**found, **{key: now[key] for key in added}}


def _since_named(entry: LedgerEntry, key: str, key_now: str) -> LedgerEntry:
    """Return an entry in which a schedule has its current slug in the previous record as well."""
    before = entry.before
    if key == key_now or before is None or key not in before["schedules"]:
        return entry
    return entry.model_copy(update={"before": {**before, "schedules": {key_now: before["schedules"][key]}}})


def _by_operators(
    then: Any, now: Any, state: LedgerEntry, since: Sequence[LedgerEntry], field: Shared
) -> tuple[set[str], set[str]]:
    """Return what operators have added to a field since, and what they have removed."""
    made = {name for entry in since for name in _members(entry.after, field) if _is_made(entry, field, name)}
    newest = since[0] if since else state
    theirs = set(_members(newest.after, field)) - newest.made(field)
    added = {name for name in now if name not in then and name not in made}
    return added, {name for name in then if name not in now and name in theirs}


def _is_made(entry: LedgerEntry, field: Shared, name: str) -> bool:
    return name in entry.made(field) or name not in _members(entry.before, field)


def _members(record: Record | None, field: Shared) -> list[str]:
    return list((record or {}).get(field) or ())
