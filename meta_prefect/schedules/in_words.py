"""Describes a schedule in a few words, if that is possible.

Prefect's UI cannot describe an rrule with holidays: it shows "every year" or the schedule's name.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Final

from meta_prefect.errors import ScheduleError
from meta_prefect.schedules.reading import parse_recurrence
from meta_prefect.schedules.recurrence import Recurrence, Rule

if TYPE_CHECKING:
    from meta_prefect.schedules.days_off import DaysOff
    from meta_prefect.schedules.resolve import Resolved

_DAYS: Final = {"MO": "mon", "TU": "tue", "WE": "wed", "TH": "thu", "FR": "fri", "SA": "sat", "SU": "sun"}
_SETS: Final = {tuple(_DAYS): "daily", tuple(_DAYS)[:5]: "weekdays", tuple(_DAYS)[5:]: "weekends"}
_DESCRIBED_PARTS: Final = {"FREQ", "BYDAY", "BYMONTHDAY", "BYHOUR", "BYMINUTE", "WKST"}
_UNITS: Final = (("week", 604_800), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
_MAX_TIMES: Final = 3


def in_words(found: Resolved) -> str | None:
    """For example ``weekdays 09:00 Europe/Berlin without holidays of DE``; None if a few words are not enough."""
    schedule = found.schedule
    when = _every(schedule.interval) if schedule.interval is not None else _times(found.base)
    if when is None:
        return None
    return f"{when} {found.zone} {_days_off(found.days_off)}".strip()


# many deployments have the same rule, and a plan is shown more than once
@lru_cache(maxsize=1000)
def rule_in_words(rrule: str) -> str:
    """What is known of a schedule by its rule alone, such as ``weekdays 09:00 without 25 dates``.

    A rule that takes more than a few words, or that is not to be read, stands as it is, with its left-out dates counted.
    """
    rule, _, dates = rrule.partition("\nEXDATE:")
    try:
        words = _times(parse_recurrence(rule)) or rule
    except ScheduleError:
        words = rule
    return f"{words} without {dates.count(',') + 1} dates" if dates else words


def _days_off(days_off: DaysOff | None) -> str:
    if days_off is None:
        return ""
    done = {"skip": "without", "only": "only"}
    weekends = f"{done.get(days_off.on_weekend, 'moving')} weekends" if days_off.on_weekend else ""
    numbers = " ".join(f"last {-number}" if number < 0 else str(number) for number in days_off.business_days)
    business_days = f"business day {numbers}" if numbers else ""
    holidays = (
        f"{done.get(days_off.on_holiday, 'moving')} holidays of {days_off.calendar.name}" if days_off.calendar else ""
    )
    return " ".join(filter(None, (business_days, weekends, holidays)))


def _times(base: Recurrence | None) -> str | None:
    """For example ``weekdays 09:00``; None unless there is exactly one plain rule."""
    if base is None or len(base.rules) != 1 or base.exrules or base.rdates or base.exdates:
        return None
    (rule,) = base.rules
    if rule.parts.keys() - _DESCRIBED_PARTS or rule.interval != 1:
        return None
    if rule.frequency == "HOURLY" and not rule.parts.keys() - {"FREQ", "BYMINUTE", "WKST"}:
        minutes = rule.numbers("BYMINUTE") or (base.anchor.minute,)
        return "hourly" if minutes == (0,) else _joined("hourly at", (f":{minute:02}" for minute in sorted(minutes)))
    days = _days(rule)
    hours = rule.numbers("BYHOUR") or (base.anchor.hour,)
    minutes = rule.numbers("BYMINUTE") or (base.anchor.minute,)
    if days is None:
        return None
    return _joined(days, (f"{hour:02}:{minute:02}" for hour, minute in product(sorted(hours), sorted(minutes))))


def _joined(first: str, times: Iterable[str]) -> str | None:
    named = list(times)
    return " ".join([first, *named]) if len(named) <= _MAX_TIMES else None


def _days(rule: Rule) -> str | None:
    days, of_month = rule.parts.get("BYDAY"), rule.parts.get("BYMONTHDAY")
    match rule.frequency, days, of_month:
        case "DAILY", None, None:
            return "daily"
        case "DAILY" | "WEEKLY", str(), None:
            wanted = days.split(",")
            if not set(wanted) <= _DAYS.keys():
                return None
            named = tuple(day for day in _DAYS if day in wanted)
            return _SETS.get(named) or " ".join(_DAYS[day] for day in named)
        case "DAILY" | "MONTHLY", None, str() if of_month.isdigit():
            return f"monthly day {of_month}"
        case _:
            return None


def _every(interval: timedelta) -> str:
    seconds = round(interval.total_seconds())
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"
