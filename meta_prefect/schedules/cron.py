"""Converts a cron expression into rrule lines that fire at the same wall-clock times.

The grammar and its quirks (``5-5`` is the whole field, ``FRI-MON`` wraps, ``l`` is the last day) are those of croniter, which
Prefect's server uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from meta_prefect.errors import ScheduleError, nearest

_ALIASES = {
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_RRULE_DAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
_LAST_DAY = -1
# accepted by other cron implementations, but not by Prefect
_FOREIGN = {
    r"[hr](\W.*)?": "Prefect does not know random or hashed values.",
    r"[0-7]l|[a-z]{3}l": "The last Friday of a month is l5.",
}
_NO_W = "Prefect's cron does not know the nearest weekday (W)"
_LAST_WITH_NEIGHBOURS = 27  # in February, the 29th may be in another month
_FIELD_COUNT = 5


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    words: dict[str, int]

    @property
    def size(self) -> int:
        return self.high - self.low + 1


_MINUTE = _Field("minute", 0, 59, {})
_HOUR = _Field("hour", 0, 23, {})
_DAY = _Field("day of month", 1, 31, {})
_MONTH = _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)})
_DOW = _Field("day of week", 0, 6, {name: number for number, name in enumerate(_WEEKDAYS)} | {"7": 0})


def cron_to_rrule(cron: str, *, day_or: bool = True, where: str | None = None) -> str:
    """Convert a cron expression into rrule lines.

    Args:
        cron: Five fields, or a name such as ``@daily``.
        day_or: Whether day-of-month and day-of-week, if both are restricted, combine as OR (as in cron) or as AND.
        where: File and key, for error messages.

    Returns:
        One RRULE line, or two if either day field may match.

    Raises:
        ScheduleError: The expression is invalid, or has no equivalent rrule.
    """
    minutes, hours, days, months, weekdays = _split(cron, where)
    minute_set, hour_set = _values(_MINUTE, minutes, where), _values(_HOUR, hours, where)
    day_set, month_set = _values(_DAY, days, where), _values(_MONTH, months, where)
    ordinals, weekday_set = _weekdays(weekdays, where)
    # croniter treats a field that lists every value as a star only next to a star in the other day field
    any_day = days in {"*", "?"} or (len(day_set) == _DAY.size and "*" in weekdays)
    any_weekday = weekdays in {"*", "?"} or (len(weekday_set) == _DOW.size and not ordinals and "*" in days)
    month_part = [] if len(month_set) == _MONTH.size else [_by("BYMONTH", month_set)]
    day_part = [] if any_day else [_by("BYMONTHDAY", day_set)]
    weekday_part = [] if any_weekday else [_by_weekday(ordinals, weekday_set)]
    either = day_or and not any_day and not any_weekday
    if either and ordinals:
        hint = "Write two schedules, or day_or: false for days on which both hold."
        message = f"cron {cron!r}: Prefect does not join a day of month with the n-th weekday of a month as either"
        raise ScheduleError(message, where=where, hint=hint)
    filters = [day_part, weekday_part] if either else [day_part + weekday_part]
    times = _times(minute_set, hour_set)
    rules = (
        _rule(times, month_part + filter_, monthly=bool(ordinals) and "BYDAY" in "".join(filter_))
        for filter_ in filters
    )
    return "\n".join(f"RRULE:{rule}" for rule in rules) if either else next(rules)


def uneven_steps(cron: str) -> list[str]:
    """Return a note for each step such as ``*/7`` that does not divide its field, so that one gap differs from the step."""
    fields = _ALIASES.get(cron.strip().lower(), cron.strip().lower()).split()
    minute, hour, day, _, weekday = fields
    notes: list[str] = []
    if len(_values(_HOUR, hour, None)) > 1:
        notes += _uneven(_MINUTE, minute, "each hour")
    if weekday in {"*", "?"} or "," in weekday or "-" in weekday:
        notes += _uneven(_HOUR, hour, "midnight")
    if (step := re.fullmatch(r"\*/(\d+)", day)) and int(step[1]) > 1:
        notes.append(f"day of month {day} starts over on the 1st of each month, whatever the last gap is")
    return notes


def _uneven(field: _Field, text: str, place: str) -> list[str]:
    shape = re.fullmatch(r"(\*|\d+)/(\d+)", text)
    if shape is None:
        return []
    step, first = int(shape[2]), field.low if shape[1] == "*" else int(shape[1])
    *_, last = range(first, field.high + 1, step)
    gap = field.size - last + first
    if gap == step:
        return []
    later = f"{gap} {field.name}{'s' if gap > 1 else ''} later, not {step}"
    return [f"{field.name} {text} starts over at {place}: the run after {field.name} {last} is {later}"]


def _split(cron: str, where: str | None) -> list[str]:
    wanted = cron.strip().lower()
    if wanted.startswith("@") and wanted not in _ALIASES:
        raise ScheduleError(f"no cron name {cron!r}", where=where, hint=nearest(wanted, _ALIASES))
    fields = _ALIASES.get(wanted, wanted).split()
    if len(fields) == _FIELD_COUNT:
        return fields
    if len(fields) in {6, 7}:
        hint = "Keep five: minute, hour, day of month, month, day of week."
        raise ScheduleError(
            f"cron {cron!r} has {len(fields)} fields; with seconds it may run several times a minute",
            where=where,
            hint=hint,
        ).allowed_as("under_a_minute")
    hint = "Write minute, hour, day of month, month and day of week, for example '0 9 * * 1-5'."
    raise ScheduleError(f"cron {cron!r} has {len(fields)} fields instead of five", where=where, hint=hint)


def _values(field: _Field, text: str, where: str | None) -> set[int]:
    """Return the numbers that a field stands for; the last day of the month is -1."""
    if text == "?" and field in (_DAY, _DOW):
        text = "*"
    found: set[int] = set()
    for item in text.split(","):
        if field is _DAY and item == "l":
            found.add(_LAST_DAY)
        elif item == "*":
            found.update(range(field.low, field.high + 1))
        else:
            found.update(_item(field, item, where))
    return found


def _item(field: _Field, item: str, where: str | None) -> Iterable[int]:
    shape = re.fullmatch(r"(?P<low>\*|[a-z0-9]+)(?:-(?P<high>[a-z0-9]+))?(?:/(?P<step>\d+))?", item)
    if shape is None or (shape["low"] == "*" and shape["high"]):
        raise ScheduleError(f"{item!r} is no {field.name}", where=where, hint=_foreign(item))
    step = int(shape["step"] or 1)
    if step == 0:
        raise ScheduleError(f"{item!r} as {field.name} has a step of 0", where=where)
    if shape["low"] == "*":
        return range(field.low, field.high + 1, step)
    low = _number(field, shape["low"], where)
    if shape["high"] is None and shape["step"] is None:
        return (low,)
    last = "31" if field is _DAY and shape["high"] == "l" else shape["high"]
    high = field.high if last is None else _number(field, last, where)
    if low == high:
        return range(field.low, field.high + 1, step)
    return range(low, high + 1, step) if low < high else _wrapped(field, low, high, step)


def _foreign(item: str) -> str | None:
    if item == "lw":
        return _as_rrule(["FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"])
    if nearest_weekday := re.fullmatch(r"(\d{1,2})w", item):
        return _nearest_weekday(int(nearest_weekday[1]))
    return next((hint for form, hint in _FOREIGN.items() if re.fullmatch(form, item)), None)


def _nearest_weekday(day: int) -> str:
    """Write ``15W``, the weekday of the month nearest to the 15th, as rrule lines."""
    if day > _LAST_WITH_NEIGHBOURS:
        return f"{_NO_W}."
    # if the 1st is on a weekend, the nearest weekday of its month is the Monday after
    mondays_and_fridays = [("MO", 2), ("MO", 3)] if day == 1 else [("FR", day - 1), ("MO", day + 1)]
    days = [("MO,TU,WE,TH,FR", day), *mondays_and_fridays]
    return _as_rrule([f"FREQ=MONTHLY;BYDAY={weekdays};BYMONTHDAY={at}" for weekdays, at in days])


def _as_rrule(rules: list[str]) -> str:
    lines = [f"RRULE:{rule};BYHOUR=9;BYMINUTE=0" for rule in rules]
    return "\n    ".join([f"{_NO_W}; for 09:00 in every month, write this rrule:", *lines])


def _wrapped(field: _Field, low: int, high: int, step: int) -> list[int]:
    """Return a range that wraps around the end of the field, such as FRI-MON, counting steps as croniter does."""
    found = list(range(low, field.high + 1, step))
    skipped = field.high - found[-1]
    position = found[-1] - field.low
    over = step - skipped if position + step > field.size and skipped < step else 0
    return found + list(range(field.low + over, high + 1, step))


def _number(field: _Field, text: str, where: str | None) -> int:
    number = field.words.get(text, int(text) if text.isdigit() else None)
    if number is None:
        raise ScheduleError(
            f"{text!r} is no {field.name}", where=where, hint=_foreign(text) or nearest(text, field.words) or None
        )
    if not field.low <= number <= field.high:
        raise ScheduleError(f"{field.name} {text} is not within {field.low} to {field.high}", where=where)
    return number


def _weekdays(text: str, where: str | None) -> tuple[set[tuple[int, int]], set[int]]:
    """Return the weekdays with an ordinal (``1#2``, ``l5``) as (ordinal, weekday), and all the weekdays."""
    ordinals: set[tuple[int, int]] = set()
    plain: list[str] = []
    for item in text.split(","):
        if last := re.fullmatch(r"l(\d)", item):
            ordinals.add((_LAST_DAY, _number(_DOW, last[1], where)))
        elif nth := re.fullmatch(r"([a-z0-9-]+)#(\d+)", item):
            if nth[2] not in {"1", "2", "3", "4", "5"}:
                raise ScheduleError(f"there is no {item!r} in a month", where=where, hint="Write 1#1 to 1#5.")
            ordinals.update((int(nth[2]), day) for day in _item(_DOW, nth[1], where))
        else:
            plain.append(item)
    if ordinals and plain:
        hint = "Write two schedules."
        raise ScheduleError(f"{text!r} mixes weekdays with and without an ordinal", where=where, hint=hint)
    return ordinals, {day for _, day in ordinals} if ordinals else _values(_DOW, ",".join(plain), where)


def _by(name: str, numbers: Iterable[int]) -> str:
    return f"{name}={','.join(str(number) for number in sorted(numbers))}"


def _by_weekday(ordinals: set[tuple[int, int]], days: set[int]) -> str:
    # Monday first, as people write it
    order = sorted(days, key=lambda day: (day - 1) % 7)
    if not ordinals:
        return f"BYDAY={','.join(_RRULE_DAYS[day] for day in order)}"
    return f"BYDAY={','.join(f'{nth}{_RRULE_DAYS[day]}' for nth, day in sorted(ordinals))}"


def _times(minutes: set[int], hours: set[int]) -> tuple[str, list[str]]:
    """Return the shortest frequency and BY lists for these minutes of these hours."""
    by_hour = [] if len(hours) == _HOUR.size else [_by("BYHOUR", hours)]
    if len(minutes) == _MINUTE.size:
        return "MINUTELY", by_hour
    return ("DAILY" if by_hour else "HOURLY"), [*by_hour, _by("BYMINUTE", minutes)]


def _rule(times: tuple[str, list[str]], filters: list[str], *, monthly: bool) -> str:
    frequency, lists = times
    if monthly:
        # an ordinal requires a monthly rule, which needs explicit times
        frequency = "MONTHLY"
        given = {part.partition("=")[0] for part in lists}
        lists = [*([] if "BYHOUR" in given else [_by("BYHOUR", range(24))]), *lists]
        lists = [*lists, *([] if "BYMINUTE" in given else [_by("BYMINUTE", range(60))])]
    return ";".join([f"FREQ={frequency}", *filters, *lists])
