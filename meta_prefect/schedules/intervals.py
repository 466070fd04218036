"""Converts an interval into an rrule that fires at the same instants, so that days can be excluded from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from meta_prefect.errors import ScheduleError
from meta_prefect.schedules.anchoring import recent_start
from meta_prefect.schedules.recurrence import DEFAULT_ANCHOR
from meta_prefect.schedules.zones import wall_time

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


def check_interval(interval: timedelta, anchor: datetime | None, *, where: str | None) -> None:
    """Reject an interval that overloads the server, or an anchor that Prefect would move.

    Raises:
        ScheduleError: The interval is shorter than a minute, or the anchor has no UTC offset.
    """
    if anchor is not None and anchor.utcoffset() is None:
        hint = f"Write the offset; {anchor.isoformat()}+00:00 keeps that meaning."
        raise ScheduleError(
            f"the anchor {anchor.isoformat()} has no UTC offset; Prefect would take it as UTC, whatever the timezone",
            where=where,
            hint=hint,
        )
    if interval < _MINUTE:
        hint = "Use a minute or more, and let a run do its work in a loop if it must be more often."
        message = f"an interval of {interval.total_seconds():g} s hurts the Prefect server"
        raise ScheduleError(message, where=where, hint=hint).allowed_as("under_a_minute")


@dataclass(frozen=True)
class IntervalRule:
    """An interval as an rrule.

    Attributes:
        text: The RRULE line.
        zone: The time zone of its wall-clock times.
        first: A wall-clock time at which it fires.
        interval: The time between two runs.
    """

    text: str
    zone: str
    first: datetime
    interval: timedelta

    def start_before(self, goal: date) -> datetime:
        """Return the last time at or before the midnight of a day at which it fires."""
        midnight = datetime.combine(goal, time.min)
        return self.first + (midnight - self.first) // self.interval * self.interval

    def start_at(self, today: date) -> datetime:
        """Return its DTSTART for a given day: shortly before it, so that the server can evaluate it quickly."""
        return self.start_before(recent_start(_DAY / self.interval, today))


def interval_to_rrule(
    interval: timedelta, anchor: datetime | None, zone: str, *, today: date, where: str | None
) -> IntervalRule:
    """Convert an interval into an rrule.

    Whole days are local days and stay in the schedule's zone; shorter intervals are elapsed time and are written in UTC,
    which has no clock changes.


    Args:
        interval: The time between two runs.
        anchor: An instant at which it runs; defaults to midnight on 2020-01-01 in the zone.
        zone: The schedule's time zone.
        today: The current day.
        where: File and key, for error messages.

    Raises:
        ScheduleError: The interval has no equivalent rrule.
    """
    origin = anchor if anchor is not None else DEFAULT_ANCHOR.replace(tzinfo=ZoneInfo(zone))
    if interval % _MINUTE:
        hint = "Use whole minutes, or no days off: holidays: false, without freeze, on_weekend and business_day."
        raise ScheduleError(f"an interval of {interval} cannot leave out days", where=where, hint=hint)
    if origin.microsecond:
        hint = "Use whole seconds."
        raise ScheduleError(f"the anchor {origin.isoformat()} has a fraction of a second", where=where, hint=hint)
    whole_days = interval % _DAY == timedelta(0)
    if interval > _DAY and not whole_days and _has_clock_changes(zone, today):
        hint = "Use whole days, less than a day, or the timezone UTC."
        message = f"an interval of {interval} mixes local days with hours; no rrule equals it in {zone}"
        raise ScheduleError(message, where=where, hint=hint)
    first = wall_time(origin, zone) if whole_days else origin.astimezone(UTC).replace(tzinfo=None)
    return IntervalRule(f"RRULE:{_rule(interval)}", zone if whole_days else "UTC", first, interval)


def _rule(interval: timedelta) -> str:
    for frequency, unit in (("DAILY", _DAY), ("HOURLY", timedelta(hours=1)), ("MINUTELY", _MINUTE)):
        if interval % unit == timedelta(0):
            count = interval // unit
            return f"FREQ={frequency}" if count == 1 else f"FREQ={frequency};INTERVAL={count}"
    raise AssertionError(interval)


def _has_clock_changes(zone: str, today: date) -> bool:
    place = ZoneInfo(zone)
    noon = datetime.combine(today, time(12), place)
    return len({(noon + timedelta(days=days)).utcoffset() for days in range(0, 800, 5)}) > 1
