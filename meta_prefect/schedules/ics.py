"""Holidays from an iCalendar file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from meta_prefect.errors import ScheduleError
from meta_prefect.files import read_regular
from meta_prefect.schedules.calendars import Calendar
from meta_prefect.texts import short

if TYPE_CHECKING:
    from icalendar import Component
    from recurring_ical_events import CalendarQuery  # pyright: ignore[reportMissingTypeStubs]

_DAY = timedelta(days=1)
_TOO_OFTEN = {"SECONDLY", "MINUTELY", "HOURLY"}
"""Frequencies shorter than a day. No days-off calendar needs them, and expanding them takes hours."""


class IcsCalendar(Calendar):
    """The days covered by the events of an iCalendar file, including recurring but not cancelled ones.

    An event with a time of day falls on the dates of its own time zone. One written in UTC falls on the dates of the
    calendar's ``X-WR-TIMEZONE``, or else of the schedule's zone: that is how programs export whole days.

    Args:
        path: The file, for its name and error messages.
        events: Its events.
        zone: The time zone of the schedule.
        where: File and key, for error messages.
    """

    def __init__(self, path: Path, events: CalendarQuery, zone: str, where: str | None) -> None:
        self._path = path
        self._events = events
        self._zone = ZoneInfo(zone)
        self._where = where
        self._years: dict[int, dict[date, str]] = {}

    @property
    def name(self) -> str:
        """The file name."""
        return self._path.name

    @property
    def has_weekends(self) -> bool:
        """Always false: a file of events has no weekends."""
        return False

    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:
        """Return the days of these years covered by an event, with its summary.

        Raises:
            ScheduleError: An event cannot be read.
        """
        found: dict[date, str] = {}
        for year in sorted(set(years)):
            if year not in self._years:
                self._years[year] = self._read(year)
            found |= self._years[year]
        return found

    def _read(self, year: int) -> dict[date, str]:
        # an event in UTC may have another date in the schedule's time zone
        first, end = date(year, 1, 1) - _DAY, date(year + 1, 1, 1) + _DAY
        try:
            events = [event for event in self._events.between(first, end) if event.get("STATUS") != "CANCELLED"]
            named = ((day, str(event.get("SUMMARY", self._path.stem))) for event in events for day in self._days(event))
            return {day: name for day, name in sorted(named) if day.year == year}
        except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
            raise _unreadable(self._path, error, self._where) from error

    def _days(self, event: Component) -> Iterator[date]:
        start, end = (self._local(cast("Any", event)[name].dt) for name in ("DTSTART", "DTEND"))
        if not isinstance(end, datetime):
            last = end - _DAY  # the end is exclusive
        else:
            last = max(start, end - timedelta(microseconds=1)).date() if isinstance(start, datetime) else end.date()
        day = start.date() if isinstance(start, datetime) else start
        yield day
        while (day := day + _DAY) <= last:
            yield day

    def _local(self, moment: date) -> date:
        if isinstance(moment, datetime) and moment.tzinfo is not None and str(moment.tzinfo) == str(UTC):
            return moment.astimezone(self._zone)
        return moment


def read_ics(path: Path, zone: str = "UTC", *, where: str | None = None) -> IcsCalendar:
    """Parse an iCalendar file.

    Args:
        path: The .ics file.
        zone: The time zone of the schedule, which determines the dates of events in UTC.
        where: File and key, for error messages.

    Raises:
        ScheduleError: The file cannot be read, or is not an iCalendar file.
    """
    import icalendar
    import recurring_ical_events  # pyright: ignore[reportMissingTypeStubs]

    try:
        calendar: Any = icalendar.Calendar.from_ical(read_regular(path))
        _check_recurrences(calendar.walk("VEVENT"))
        return IcsCalendar(path, recurring_ical_events.of(calendar), zone, where)
    except OSError as error:
        raise ScheduleError(f"the calendar {str(path)!r} cannot be read: {error.strerror}", where=where) from None
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise _unreadable(path, error, where) from error


def _check_recurrences(events: Iterable[Any]) -> None:
    """Reject recurrences that cannot be parsed or would expand almost without end.

    Raises:
        ValueError: An event has such a rule.
    """
    for event in events:
        if event.errors:
            raise ValueError(f"{event.errors[0]}")
        rule: Any = event.get("RRULE")
        if rule is None:
            continue
        if {str(one).upper() for one in rule.get("FREQ", ())} & _TOO_OFTEN:
            raise ValueError(f"{event.get('SUMMARY', 'an event')} recurs more often than once a day")
        if any(int(one) < 1 for one in rule.get("INTERVAL", (1,))):
            raise ValueError(f"{event.get('SUMMARY', 'an event')} recurs after an interval below 1")


def _unreadable(path: Path, error: Exception, where: str | None) -> ScheduleError:
    return ScheduleError(f"{str(path)!r} is not a valid iCalendar file: {short(str(error))}", where=where)
