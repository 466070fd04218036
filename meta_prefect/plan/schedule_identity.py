"""Matches desired schedules to live ones.

An existing schedule stays the same object: it keeps its id, slug, anchor and activation. It is matched by slug if the user
chose one; otherwise by its rule, whatever its name; and finally by its position among the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, count
from typing import Final

from meta_prefect.interfaces.json_diff import FieldChange, Record, is_same
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.schedule_record import as_compared, schedule_record

WITHOUT_SLUG: Final = "id:"
"""Prefix of the keys of schedules without a slug, followed by their id."""

_NUMBER: Final = re.compile(r"-\d+$")


def slug_of(key: str) -> str | None:
    """Return the slug of the schedule with a key; None if it has none."""
    return None if key.startswith(WITHOUT_SLUG) else key


def schedules_of(record: Record) -> dict[str, Record]:
    """Return the schedules of a deployment's record, by key."""
    return record.get("schedules") or {}


@dataclass(frozen=True, slots=True)
class Identified:
    """A desired schedule, matched to a live one.

    Attributes:
        schedule: The schedule.
        live: The key of the live schedule it matches; None if it is new.
    """

    schedule: Schedule
    live: str | None


def identified(schedules: Iterable[Schedule], stored: Mapping[str, Record]) -> dict[str, Identified]:
    """Return the desired schedules by slug, each with the stored one it matches.

    A schedule without a user-chosen slug keeps that of an equivalent live one. A new one is named after its rule.
    """
    schedules = tuple(schedules)
    given = {one.slug for one in schedules if one.slug_is_given}
    live: dict[int, str] = {
        index: one.slug for index, one in enumerate(schedules) if one.slug_is_given and one.slug in stored
    }
    for index, one in enumerate(schedules):
        if index not in live and (same := _saying_the_same(one, stored, live.values())) is not None:
            live[index] = same
    kept = {key for key in live.values() if not key.startswith(WITHOUT_SLUG)}
    found: dict[int, tuple[str, Identified]] = {}
    for index, one in enumerate(schedules):
        key = live.get(index)
        if one.slug_is_given:
            slug = one.slug
        elif key in kept:
            slug = key
        else:
            taken = {*given, *kept, *(name for name, _ in found.values())}
            # A schedule that is already named does not take another live one's name.
            slug = next(
                name for name in _names(one, stored) if name not in taken and (key is None or name not in stored)
            )
        found[index] = (slug, Identified(one, slug if key is None and slug in stored else key))
    return dict(found.values())


def _saying_the_same(schedule: Schedule, stored: Mapping[str, Record], taken: Collection[str]) -> str | None:
    return next((key for key, live in stored.items() if key not in taken and says_the_same(schedule, live)), None)


def says_the_same(schedule: Schedule, live: Record) -> bool:
    """Return whether a live schedule creates the same runs, whether active or not."""
    wanted = {key: value for key, value in schedule_record(schedule, live).items() if key != "active"}
    return is_same(as_compared(live, wanted), wanted)


def _names(schedule: Schedule, stored: Mapping[str, Record]) -> Iterable[str]:
    """Return possible slugs for a schedule without a user-chosen one, best first."""
    by_kind = _numbered(_NUMBER.sub("", schedule.slug))
    if schedule.in_words is None:
        return chain([schedule.slug], by_kind)
    readable = readable_slug(schedule.in_words)
    if schedule.slug in stored and readable not in stored:
        # It is live under its kind, which is how schedules used to be named.
        return chain([schedule.slug], _numbered(readable))
    return _numbered(readable)


def readable_slug(in_words: str) -> str:
    """Return the slug of a schedule named after its rule."""
    return artifact_key(in_words.replace(":", ""))


def _numbered(name: str) -> Iterable[str]:
    return chain([name], (f"{name}-{number}" for number in count(2)))


@dataclass(frozen=True, slots=True)
class Identities:
    """Matches between live and desired schedules with different keys.

    Attributes:
        renamed: The keys of live schedules that get a new slug, by that slug.
        given: The slugs chosen by the user.
        changes: The slugs before and after, as field changes.
        remarks: Remarks on what was matched, and on what is ambiguous.
    """

    renamed: Mapping[str, str]
    given: Collection[str]
    changes: tuple[FieldChange, ...]
    remarks: tuple[str, ...]


def recognised(schedules: Iterable[Schedule], stored: Mapping[str, Record], ours: Collection[str]) -> Identities:
    """Match live schedules to desired ones.

    Args:
        schedules: The desired schedules.
        stored: The live schedules in order of creation.
        ours: The keys of those that the last deploy created.
    """
    wanted = identified(schedules, stored)
    alike = {slug: one.live for slug, one in wanted.items() if one.live is not None and one.live != slug}
    placed = _in_their_places(wanted, stored, ours)
    names = {**alike, **placed}
    going = [key for key in stored if key in ours and key not in wanted and key not in names.values()]
    coming = [slug for slug in wanted if slug not in stored and slug not in names]
    unnamed = [slug for slug in coming if not wanted[slug].schedule.slug_is_given]
    remarks = [
        *(f"schedule {slug!r} is the live {_called(key, stored)}, which says the same" for slug, key in alike.items()),
        *(
            # The field names the schedule; without a name here, deployments with the same change share one remark.
            ["its schedule takes the place of the one before, and stays switched on or off as that was"]
            if len(placed) == 1
            else [f"schedule {slug!r} takes the place of {key!r}" for slug, key in placed.items()]
        ),
    ]
    if unnamed and any(not stored[key]["active"] for key in going) and any(stored[key]["active"] for key in going):
        remarks.append(
            f"nobody can tell which of the schedules {', '.join(map(repr, going))} became {', '.join(map(repr, unnamed))}, and "
            "not all of them are switched on: give each schedule a `slug`, and it stays the one that it is"
        )
    given = {slug for slug, one in wanted.items() if one.schedule.slug_is_given}
    return Identities(names, given, renamings(names), tuple(remarks))


def _called(key: str, stored: Mapping[str, Record]) -> str:
    if not key.startswith(WITHOUT_SLUG):
        return repr(key)
    return "one without a slug" if stored[key]["active"] else "one without a slug, switched off"


def _in_their_places(
    wanted: Mapping[str, Identified], stored: Mapping[str, Record], ours: Collection[str]
) -> dict[str, str]:
    """Match new schedules to old ones by position; return the keys of the old ones.

    Between two schedules that stay, new and old ones are matched in order if there are equally many. If the numbers differ
    the match is ambiguous, and if the order has changed, positions mean nothing.
    """
    keys = list(stored)
    staying = [one.live for one in wanted.values() if one.live is not None]
    places = [keys.index(key) for key in staying]
    if places != sorted(places):
        return {}
    coming = {slug: one.live is None and not one.schedule.slug_is_given for slug, one in wanted.items()}
    new = _between(wanted, {slug for slug, one in wanted.items() if one.live is not None}, coming.__getitem__)
    old = _between(keys, set(staying), ours.__contains__)
    return {
        slug: key
        for gap, slugs in new.items()
        if len(slugs) == len(old.get(gap, ()))
        for slug, key in zip(slugs, old[gap], strict=True)
    }


def _between(keys: Iterable[str], staying: Collection[str], counts: Callable[[str], bool]) -> dict[int, list[str]]:
    """Group the relevant keys by how many staying ones precede them."""
    found: dict[int, list[str]] = {}
    passed = 0
    for key in keys:
        if key in staying:
            passed += 1
        elif counts(key):
            found.setdefault(passed, []).append(key)
    return found


def renamed(record: Record, names: Mapping[str, str]) -> Record:
    """Return a live record with its schedules under their future slugs.

    Args:
        record: The record.
        names: The keys of schedules that get a new slug, by that slug.
    """
    if not names:
        return record
    new = {key: slug for slug, key in names.items()}
    return {**record, "schedules": {new.get(key, key): one for key, one in record["schedules"].items()}}


def alike(before: Record, after: Record) -> dict[str, str]:
    """Match schedules of two records that have different keys but create the same runs.

    Returns:
        The keys in the first record, by those in the second.
    """
    old, new = schedules_of(before), schedules_of(after)
    gone = {key: one for key, one in old.items() if key not in new}
    found: dict[str, str] = {}
    for slug, one in new.items():
        rule = {key: value for key, value in one.items() if key != "active"}
        same = (
            key for key, live in gone.items() if key not in found.values() and is_same(as_compared(live, rule), rule)
        )
        if slug not in old and (key := next(same, None)) is not None:
            found[slug] = key
    return found


def renamings(names: Mapping[str, str]) -> tuple[FieldChange, ...]:
    """Express new slugs of schedules as field changes.

    Args:
        names: The current keys, by the new ones.
    """
    return tuple(FieldChange(f"schedules.{new}.slug", slug_of(old), slug_of(new)) for new, old in names.items())
