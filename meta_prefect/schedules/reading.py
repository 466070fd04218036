"""Parses rrule lines and rejects those that Prefect would interpret differently from what is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from meta_prefect.errors import ScheduleError, nearest
from meta_prefect.schedules.recurrence import DEFAULT_ANCHOR, Recurrence, Rule, ever_fires, stamped
from meta_prefect.schedules.zones import zone_names

_PROPERTIES = ("DTSTART", "RRULE", "EXRULE", "RDATE", "EXDATE")
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY")
_LIMITS = {
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYSECOND": (0, 59),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYSETPOS": (-366, 366),
    "BYEASTER": (-366, 366),
}
_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYWEEKDAY", *_LIMITS)
_WEEKDAY = re.compile(r"(?P<nth>[+-]?\d{1,2})?(?P<day>MO|TU|WE|TH|FR|SA|SU)(?:\((?P<also>[+-]?\d{1,2})\))?")
_ORDINAL_LIMIT = 53


def parse_recurrence(text: str, *, where: str | None = None) -> Recurrence:
    """Parse the lines of an rrule.

    Args:
        text: RRULE (the name is optional), EXRULE, DTSTART, RDATE and EXDATE lines.
        where: File and key, for error messages.

    Raises:
        ScheduleError: A line is invalid, Prefect would interpret it differently, or it would overload the server.
    """
    written = text.strip()
    if not written:
        raise ScheduleError("the rrule is empty", where=where, hint="Write for example FREQ=DAILY;BYHOUR=9.")
    starts: list[datetime] = []
    rules: list[Rule] = []
    exrules: list[Rule] = []
    rdates: set[datetime] = set()
    exdates: set[datetime] = set()
    # dateutil splits at any whitespace, so one rule per line or all on one line makes no difference
    for line in written.upper().split():
        name, value = _property(line, where)
        match name:
            case "RRULE":
                rules.append(_rule(value, where))
            case "EXRULE":
                exrules.append(_rule(value, where))
            case "DTSTART":
                starts += _moments(name, value, where)
            case "RDATE":
                rdates.update(_moments(name, value, where))
            case _:
                exdates.update(_moments(name, value, where))
    if len(starts) > 1:
        raise ScheduleError(
            f"{len(starts)} DTSTART values; Prefect would use the last", where=where, hint="Keep one."
        ).allowed_as("ignored_parts")
    found = Recurrence(
        text=written,
        dtstart=starts[0] if starts else None,
        rules=tuple(rules),
        exrules=tuple(exrules),
        rdates=frozenset(rdates),
        exdates=frozenset(exdates),
    )
    _check_whole(found, where)
    return found


def _property(line: str, where: str | None) -> tuple[str, str]:
    """Return a line's property and value; parameters (TZID, VALUE) are rejected."""
    head, separator, value = line.partition(":")
    if not separator:
        return "RRULE", line
    name, *parameters = head.split(";")
    if name not in _PROPERTIES:
        hint = nearest(name, _PROPERTIES)
        raise ScheduleError(f"an rrule has no line {name!r} (got {line[:60]!r})", where=where, hint=hint)
    for parameter in parameters:
        if parameter.startswith("TZID="):
            written = parameter.removeprefix("TZID=")
            zone = next((name for name in zone_names() if name.upper() == written), written)
            hint = f"Leave it out and set the schedule's timezone ({zone!r})."
            raise ScheduleError(f"Prefect ignores {parameter!r} in {line[:60]!r}", where=where, hint=hint).allowed_as(
                "ignored_parts"
            )
        if parameter == "VALUE=DATE":
            hint = f"Write the time at which the schedule runs, for example {name}:{value[:8]}T090000."
            raise ScheduleError(
                f"{name};VALUE=DATE means midnight to Prefect, not the day", where=where, hint=hint
            ).allowed_as("ignored_parts")
        if parameter != "VALUE=DATE-TIME":
            raise ScheduleError(f"Prefect does not know {parameter!r} in {line[:60]!r}", where=where)
    return name, value


def _moments(name: str, value: str, where: str | None) -> list[datetime]:
    return [_moment(name, single, where) for single in value.split(",")]


def _moment(name: str, text: str, where: str | None) -> datetime:
    """Parse a date and time as a wall-clock time."""
    shown = f"{name} {text!r}"
    if text.endswith("Z") or re.search(r"T\d+[+-]\d", text):
        hint = "Write the digits as local time in the schedule's timezone, without Z or offset."
        what = "refuses" if name == "UNTIL" else "reads the digits as local time and ignores"
        raise ScheduleError(f"{shown} is meant in UTC, but Prefect {what} that", where=where, hint=hint).allowed_as(
            "ignored_parts"
        )
    whole_day = re.fullmatch(r"\d{8}", text) is not None
    if whole_day and name in {"EXDATE", "RDATE"}:
        hint = f"Write the time at which the schedule runs, for example {text}T090000."
        raise ScheduleError(f"{shown} means midnight to Prefect, not the day", where=where, hint=hint).allowed_as(
            "ignored_parts"
        )
    no_moment = ScheduleError(f"{shown} is no date and time", where=where, hint="Write 20261225T090000.")
    if not whole_day and not re.fullmatch(r"\d{8}T\d{6}", text):
        raise no_moment
    try:
        return stamped(text)
    except ValueError:  # month 13, 30 February
        raise no_moment from None


def _rule(text: str, where: str | None) -> Rule:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, separator, value = part.partition("=")
        if not separator or not value:
            hint = "Write for example FREQ=DAILY;BYHOUR=9."
            raise ScheduleError(f"{part!r} in {text!r} is not of the form NAME=value", where=where, hint=hint)
        if name not in _PARTS:
            own_line = f"Write {name}:… on a line of its own."
            hint = own_line if name in _PROPERTIES else nearest(name, _PARTS)
            raise ScheduleError(f"a rule has no part {name!r} (in {text!r})", where=where, hint=hint)
        name = "BYDAY" if name == "BYWEEKDAY" else name
        if name in parts:
            hint = f"Write {name}={parts[name]},{value}."
            raise ScheduleError(
                f"{name} stands twice in {text!r}; Prefect would use the last", where=where, hint=hint
            ).allowed_as("ignored_parts")
        parts[name] = value
    _check_frequency(parts, text, where)
    _check_numbers(parts, text, where)
    _check_weekdays(parts, text, where)
    if "UNTIL" in parts:
        _moment("UNTIL", parts["UNTIL"], where)
        if "COUNT" in parts:
            raise ScheduleError(f"COUNT and UNTIL exclude each other (in {text!r})", where=where, hint="Keep one.")
    return Rule(parts)


def _check_frequency(parts: dict[str, str], text: str, where: str | None) -> None:
    frequency = parts.get("FREQ")
    if frequency is None:
        raise ScheduleError(f"the rule {text!r} has no FREQ", where=where, hint="Write for example FREQ=DAILY.")
    if frequency == "SECONDLY":
        hint = "Use FREQ=MINUTELY, and let a run do its work in a loop if it must be more often."
        raise ScheduleError("FREQ=SECONDLY hurts the Prefect server", where=where, hint=hint).allowed_as(
            "under_a_minute"
        )
    if frequency not in _FREQUENCIES:
        raise ScheduleError(f"no frequency {frequency!r}", where=where, hint=nearest(frequency, _FREQUENCIES))


def _check_numbers(parts: dict[str, str], text: str, where: str | None) -> None:
    for name in ("INTERVAL", "COUNT"):
        if name in parts and not re.fullmatch(r"0*[1-9]\d*", parts[name]):
            raise ScheduleError(f"{name}={parts[name]} in {text!r} is no positive whole number", where=where)
    for name, (low, high) in _LIMITS.items():
        for number in parts.get(name, "").split(",") if name in parts else ():
            fits = re.fullmatch(r"[+-]?\d{1,3}", number) is not None and low <= int(number) <= high
            zero_is_none = low < 0 and name != "BYEASTER"
            if not fits or (zero_is_none and int(number) == 0):
                raise ScheduleError(f"{name}={number} in {text!r} is not within {low} to {high}", where=where)
    if "," in parts.get("BYSECOND", ""):
        hint = "One run a minute is the most; keep one second."
        raise ScheduleError(
            f"BYSECOND={parts['BYSECOND']} means several runs a minute", where=where, hint=hint
        ).allowed_as("under_a_minute")


def _check_weekdays(parts: dict[str, str], text: str, where: str | None) -> None:
    if "WKST" in parts and not re.fullmatch("MO|TU|WE|TH|FR|SA|SU", parts["WKST"]):
        raise ScheduleError(f"WKST={parts['WKST']} in {text!r} is no weekday", where=where, hint="Write MO or SU.")
    for day in parts.get("BYDAY", "").split(",") if "BYDAY" in parts else ():
        found = _WEEKDAY.fullmatch(day)
        if found is None:
            hint = "Write MO, TU, WE, TH, FR, SA, SU, or 1MO, -1FR in a monthly or yearly rule."
            raise ScheduleError(f"{day!r} in {text!r} is no weekday", where=where, hint=hint)
        nth = found["nth"] or found["also"]
        if nth is None:
            continue
        if not 1 <= abs(int(nth)) <= _ORDINAL_LIMIT:
            raise ScheduleError(f"there is no {day!r} (in {text!r})", where=where, hint="Write 1MO to 53MO, or -1MO.")
        if parts["FREQ"] not in {"YEARLY", "MONTHLY"}:
            hint = "Use FREQ=MONTHLY for the n-th weekday of a month."
            raise ScheduleError(
                f"Prefect reads {day!r} in a {parts['FREQ']} rule as {found['day']}", where=where, hint=hint
            ).allowed_as("ignored_parts")


def _check_whole(recurrence: Recurrence, where: str | None) -> None:
    if not recurrence.rules and not recurrence.rdates:
        raise ScheduleError("the rrule names no run: it has no RRULE and no RDATE", where=where)
    for rule in recurrence.rules:
        if not ever_fires(rule, recurrence.anchor):
            counted = "" if recurrence.dtstart else f" (counted from {DEFAULT_ANCHOR:%Y-%m-%d})"
            start = "" if recurrence.dtstart else ", or write the DTSTART from which it counts"
            hint = f"Its parts exclude each other; check the days and the interval{start}."
            raise ScheduleError(f"{rule.text!r} never fires{counted}", where=where, hint=hint).allowed_as("no_runs")
    # an EXRULE that matches nothing is as slow for the server as such an RRULE
    for rule in recurrence.exrules:
        if not ever_fires(rule, recurrence.anchor):
            raise ScheduleError(f"EXRULE {rule.text!r} excludes nothing", where=where, hint="Leave it out.").allowed_as(
                "ignored_parts"
            )


def more_than_once_a_minute(moments: Iterable[datetime]) -> datetime | None:
    """Return the first minute, if any, that contains two of these ordered times."""
    last: datetime | None = None
    for moment in moments:
        minute = moment.replace(second=0)
        if minute == last:
            return minute
        last = minute
    return None
