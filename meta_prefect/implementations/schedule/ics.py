"""Reading holidays out of an iCalendar file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from meta_prefect.errors import ScheduleError
from meta_prefect.files import read_regular
from meta_prefect.texts import short

if TYPE_CHECKING:
    from icalendar import Component

# yearly events go on for ever; no schedule looks further than this
_LAST_YEAR = 2100
_MOST_DAYS = 50_000


def read_ics(path: Path, *, where: str | None = None) -> dict[date, str]:
    """Read the days on which the events of an iCalendar file lie, recurring ones until 2100.

    Args:
        path: The .ics file.
        where: File and key, for the error.

    Returns:
        Each day with the summary of its event.

    Raises:
        ScheduleError: The file cannot be read, or is no iCalendar file.
    """
    from icalendar import Calendar

    try:
        calendar = Calendar.from_ical(read_regular(path))
        events = cast("Iterable[Component]", cast("Any", calendar).walk("VEVENT"))
        return dict(_named_days(events, path.stem))
    except OSError as error:
        raise ScheduleError(f"the calendar {str(path)!r} cannot be read: {error.strerror}", where=where) from None
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise ScheduleError(f"{str(path)!r} is no iCalendar file: {short(str(error))}", where=where) from error


def _named_days(events: Iterable[Component], default: str) -> Iterator[tuple[date, str]]:
    days = ((day, str(event.get("SUMMARY", default))) for event in events for day in _days_of(event))
    for number, named in enumerate(days):
        if number == _MOST_DAYS:
            raise ValueError(f"its events lie on more than {_MOST_DAYS:,} days")
        yield named


def _days_of(event: Component) -> Iterator[date]:
    start: Any = event.decoded("DTSTART")
    if "DTEND" in event:
        end: Any = event.decoded("DTEND")
    elif "DURATION" in event:
        end = start + event.decoded("DURATION")
    else:
        end = None
    first = _as_date(start)
    # the end is exclusive: an all-day event of one day ends on the next; without an end it lasts that day
    length = 1 if end is None else max(1, (_as_date(end) - first).days + (1 if _within_a_day(end) else 0))
    for begin in _occurrences(event, first):
        for offset in range(length):
            yield begin + timedelta(days=offset)


def _occurrences(event: Component, first: date) -> Iterator[date]:
    if "RRULE" not in event:
        yield first
        return
    from dateutil.rrule import rrulestr

    rule = cast("bytes", cast("Any", event)["RRULE"].to_ical()).decode()
    midnight = datetime.combine(first, time.min)
    without_zone = rule.replace("Z", "")
    excluded = {_as_date(moment.dt) for dates in _as_list(event.get("EXDATE")) for moment in dates.dts}
    for moment in rrulestr(without_zone, dtstart=midnight):
        if moment.year >= _LAST_YEAR:
            return
        if moment.date() not in excluded:
            yield moment.date()


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _as_date(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _within_a_day(end: date) -> bool:
    return isinstance(end, datetime) and end.time() != time.min
