"""Reading holidays out of an iCalendar file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from meta_prefect.errors import ScheduleError

if TYPE_CHECKING:
    from icalendar import Component

# yearly events go on for ever; no schedule looks further than this
_LAST_YEAR = 2100


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
        calendar = Calendar.from_ical(path.read_bytes())
        events = cast("Iterable[Component]", cast("Any", calendar).walk("VEVENT"))
        return {day: str(event.get("SUMMARY", path.stem)) for event in events for day in _days_of(event)}
    except OSError as error:
        raise ScheduleError(f"the calendar {str(path)!r} cannot be read: {error.strerror}", where=where) from None
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise ScheduleError(f"{str(path)!r} is no iCalendar file: {error}", where=where) from error


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


def _occurrences(event: Component, first: date) -> list[date]:
    if "RRULE" not in event:
        return [first]
    from dateutil.rrule import rrulestr

    rule = cast("bytes", cast("Any", event)["RRULE"].to_ical()).decode()
    midnight = datetime.combine(first, time.min)
    without_zone = rule.replace("Z", "")
    excluded = {_as_date(moment.dt) for dates in _as_list(event.get("EXDATE")) for moment in dates.dts}
    found = rrulestr(without_zone, dtstart=midnight).between(midnight, datetime(_LAST_YEAR, 1, 1), inc=True)  # noqa: DTZ001
    return [moment.date() for moment in found if moment.date() not in excluded]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _as_date(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _within_a_day(end: date) -> bool:
    return isinstance(end, datetime) and end.time() != time.min
