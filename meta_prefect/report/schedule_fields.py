"""Fields of schedules as people say them: the rule in words, by no longer name than it needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, cast

from meta_prefect.interfaces.json_diff import ABSENT, Record
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.schedules.in_words import rule_in_words

_PARTS: Final = ("slug", "rrule", "cron", "day_or", "interval", "anchor_date", "timezone", "active", "parameters")
_WHERE: Final = "schedules."
_SAYING: Final = "\n\nSchedule: "
"""What stands in a description before its schedule in words."""


class Words(str):
    """A value that is shown as it stands."""

    __slots__ = ()


class Field(NamedTuple):
    """A field that differs.

    Attributes:
        path: Its place, keys joined by dots.
        before: Its value so far; :data:`ABSENT` where there is none.
        after: The value that it is to have.
    """

    path: str
    before: Any
    after: Any


def in_words(fields: Iterable[Field]) -> Iterator[Field | str]:
    """The same fields with rules in words, under ``schedule`` where only one is touched; or what is said in place of a field.

    A slug that only repeats the rule's words is left out, and so is what a description repeats of it.
    """
    fields = list(fields)
    parts = {field.path: part for field in fields if (part := _part(field.path)) is not None}
    several = len({slug for slug, _ in parts.values()}) > 1
    rules = {slug: field for field in fields for slug, part in (parts.get(field.path, ("", "")),) if part == "rrule"}
    for field in fields:
        if field.path not in parts:
            yield _without_schedule(field) if rules else field
            continue
        slug, part = parts[field.path]
        if part == "slug" and slug in rules and _repeats(field, rules[slug]):
            continue
        name = f"schedule {slug}" if several else "schedule"
        before, after = rule_shown(field.before), rule_shown(field.after)
        if part == "rrule" and before == after:
            before, after = _left_out(field.before), _left_out(field.after)
        if part == "" or (part == "rrule" and before != after):
            yield Field(name, before, after)
        else:
            yield field._replace(path=f"{name}.{part}")


def _part(path: str) -> tuple[str, str] | None:
    """The schedule that a place is in, and the place within it; None for what is no schedule's."""
    if not path.startswith(_WHERE):
        return None
    inner = path.removeprefix(_WHERE)
    for part in _PARTS:
        slug, found, below = inner.rpartition(f".{part}")
        if found and (not below or below.startswith(".")):
            return slug, f"{part}{below}"
    return inner, ""


def rule_shown(value: Any) -> Any:
    """A rule, or a whole schedule that has one, in words; anything else as it is."""
    if isinstance(value, str):
        return Words(rule_in_words(value))
    if not isinstance(value, dict):
        return value
    schedule = cast("Record", value)
    rule = schedule.get("rrule")
    return Words(f"{rule_in_words(rule)} ({schedule.get('timezone')})") if isinstance(rule, str) else schedule


def _left_out(rule: Any) -> Any:
    """How many dates a rule leaves out and until when, as two rules that say the same differ in no more than that."""
    if not isinstance(rule, str) or "\nEXDATE:" not in rule:
        return rule
    last = max(rule.rpartition("\nEXDATE:")[2].split(","))
    return Words(f"{rule_in_words(rule)} until {last[:4]}-{last[4:6]}-{last[6:8]}")


def _repeats(slugs: Field, rules: Field) -> bool:
    """Whether both names of a schedule begin with the words of its rule."""
    return all(
        isinstance(slug, str) and isinstance(rule, str) and slug.startswith(_name(rule_in_words(rule)))
        for slug, rule in ((slugs.before, rules.before), (slugs.after, rules.after))
    )


def _name(words: str) -> str:
    return artifact_key(words.partition(" without ")[0].replace(":", ""))


def _without_schedule(field: Field) -> Field | str:
    """A description without the schedule in words that stands at its end; another field as it is."""
    texts = [value for value in (field.before, field.after) if isinstance(value, str)]
    if field.path != "description" or not texts or not all(_SAYING in text for text in texts):
        return field
    own = [text.partition(_SAYING)[0] for text in texts]
    if field.before is ABSENT:
        return field._replace(after=Words(f"{json.dumps(own[0], ensure_ascii=False)} and the schedule"))
    return "description: says the new schedule too" if own[0] == own[-1] and len(own) == 2 else field
