"""Converts the schedules of a prefect.yaml, in every format Prefect has supported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from pydantic import TypeAdapter, ValidationError

from meta_prefect.errors import ConfigurationError
from meta_prefect.init.prefect_yaml_source import NO_EFFECT, Source
from meta_prefect.init.prefect_yaml_templates import filled
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.plan.references import texts_in
from meta_prefect.project.document import KeyPath
from meta_prefect.schedules.resolve import resolve
from meta_prefect.schedules.spec import read_spec

_KINDS: Final = ("cron", "interval", "rrule")
_KNOWN: Final = (*_KINDS, "timezone", "anchor_date", "active", "parameters", "slug", "day_or")
_FORMER: Final = ("catchup", "max_active_runs", "max_scheduled_runs")
_INTERVAL: Final = TypeAdapter(timedelta)


def schedules_of(entry: Mapping[str, Any], path: KeyPath, source: Source) -> list[dict[str, Any]]:
    """Return an entry's schedules as a recipe's variable `schedules`; empty if it has none."""
    current, former = entry.get("schedules"), entry.get("schedule")
    if former and "schedules" in entry:
        source.say(
            (*path, "schedule"),
            "`prefect deploy` refuses an entry with both `schedule` and `schedules`; `schedules` is taken",
        )
        former = None
    key = "schedule" if former else "schedules"
    if (written := former or current) is None or written == {}:
        return []
    if not isinstance(written, list):
        written = [written]
        if key == "schedules":
            source.say(
                (*path, key), "Prefect refuses the file: `schedules` is to be a list; it is read as a list of this one"
            )
        places: list[KeyPath] = [(*path, key)]
    else:
        places = [(*path, key, index) for index in range(len(cast("list[Any]", written)))]
    found = (_schedule(one, place, source) for one, place in zip(cast("list[Any]", written), places, strict=True))
    return [one for one in found if one]


def _schedule(written: Any, path: KeyPath, source: Source) -> dict[str, Any] | None:
    if isinstance(written, str):
        source.say(path, "Prefect refuses the file: a schedule is to be a mapping; it is read as a cron expression")
        written = {"cron": written}
    if not isinstance(written, Mapping):
        source.say(path, "`prefect deploy` refuses what is no schedule; it is left out")
        return None
    fields: dict[str, Any] = filled(dict(cast("Mapping[str, Any]", written)), path, source)
    if isinstance(inner := fields.pop("schedule", None), Mapping):
        source.say(
            (*path, "schedule"), "`prefect deploy` refuses a schedule within a schedule; it is taken as it was meant"
        )
        fields = {**cast("Mapping[str, Any]", inner), **fields}
    _unpack_rrule(fields)
    for key in sorted(fields.keys() - {*_KNOWN}):
        source.say((*path, key), _unknown(key))
    fields = {key: one for key, one in fields.items() if key in _KNOWN and one is not None}
    if len(kinds := [kind for kind in _KINDS if kind in fields]) != 1:
        what = " and ".join(kinds) or "none of cron, interval and rrule"
        source.say(path, f"`prefect deploy` refuses a schedule with {what}; it is left out")
        return None
    _drop_what_belongs_to_others(fields, kinds[0], path, source)
    return _checked(fields, path, source)


def _unknown(key: str) -> str:
    if key in _FORMER:
        return "is of an earlier Prefect; it is left out"
    if key == "replaces":
        return "`replaces` renames a live schedule once, which the last `prefect deploy` has done; it is left out"
    return "Prefect does not know it; it is left out"


def _drop_what_belongs_to_others(fields: dict[str, Any], kind: str, path: KeyPath, source: Source) -> None:
    for key, owner in {"anchor_date": "interval", "day_or": "cron"}.items():
        if key in fields and kind != owner:
            del fields[key]
            source.say((*path, key), f"belongs to a schedule by {owner}, and {NO_EFFECT}")


def _unpack_rrule(fields: dict[str, Any]) -> None:
    """Unpack a rule written as the JSON of Prefect's object."""
    if not isinstance(rule := fields.get("rrule"), str):
        return
    with suppress(ValueError):
        inner = json.loads(rule)
        if isinstance(inner, dict):
            fields.update(
                {**cast("dict[str, Any]", inner), **{key: one for key, one in fields.items() if key != "rrule"}}
            )


def _checked(fields: dict[str, Any], path: KeyPath, source: Source) -> dict[str, Any] | None:
    """Return the schedule unless Meta-Prefect rejects it."""
    if "anchor_date" in fields:
        fields["anchor_date"] = _with_offset(fields["anchor_date"], (*path, "anchor_date"), source)
    if any("$env:" in text or "${env:" in text for _, text in texts_in(fields)):
        return fields  # known only at deploy time
    try:
        if "interval" in fields:
            fields["interval"] = _seconds(fields["interval"])
        (found,) = resolve((read_spec(fields),), default_calendar=None, now=datetime.now(UTC))
    except ConfigurationError as error:
        hint = f" {error.hint}" if error.hint else ""
        source.say(path, f"left out, as Meta-Prefect refuses it: {error.message}.{hint}")
        return None
    except ValidationError as error:
        source.say((*path, "interval"), f"left out, as it is no interval: {error.errors()[0]['msg']}")
        return None
    if "rrule" in fields and "slug" not in fields and (words := found.schedule.in_words):
        # Without a slug, an rrule's meaning is added to the description, which must not change.
        fields["slug"] = artifact_key(words.replace(":", ""))
    return fields


def _seconds(written: object) -> float:
    """Parse an interval into seconds: a number, HH:MM:SS, or ISO 8601."""
    seconds = _INTERVAL.validate_python(written).total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _with_offset(written: Any, path: KeyPath, source: Source) -> Any:
    """Add the offset that Prefect assumes for an anchor: UTC, whatever the schedule's time zone."""
    try:
        moment = datetime.fromisoformat(str(written))
    except ValueError:
        return written
    if moment.utcoffset() is not None:
        return str(written)
    source.say(
        path, "has no UTC offset; Prefect takes it as UTC, whatever the timezone, so +00:00 keeps what it means today"
    )
    return moment.replace(tzinfo=UTC).isoformat()
