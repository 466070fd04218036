"""Time zones as Prefect's server interprets them: dateutil attaches the zone to wall-clock times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from dateutil import tz

from meta_prefect.errors import ScheduleError, nearest


@cache
def zone_names() -> frozenset[str]:
    """Return the zone names that Prefect accepts."""
    # these two are in the database but are not places, and Prefect rejects them
    return frozenset(available_timezones()) - {"Factory", "localtime"}


def checked_zone(name: str, *, where: str | None = None) -> str:
    """Return the name of a time zone if it exists.

    Raises:
        ScheduleError: It does not exist; the hint suggests the nearest name.
    """
    if name in zone_names():
        return name
    exact = next((known for known in zone_names() if known.lower() == name.strip().lower()), None)
    hint = f"Did you mean {exact!r}?" if exact else _guess(name)
    raise ScheduleError(f"no time zone named {name!r}", where=where, hint=hint)


def _guess(name: str) -> str:
    said = nearest(name, zone_names())
    # CEST resembles EST but is a different zone
    abbreviated = name.isupper() and "/" not in name
    close = said.startswith("Did") and not abbreviated
    return said if close else "Write an IANA name, for example Europe/Berlin or US/Pacific."


@cache
def _server_zone(name: str) -> tzinfo:
    zone = tz.gettz(name)
    return zone if zone is not None else ZoneInfo(name)


def instant_of(wall: datetime, zone: str) -> datetime:
    """Return the instant at which Prefect's server runs an rrule's wall-clock time.

    A time that the clocks skip (spring) maps to one hour earlier, a repeated one (autumn) to its first occurrence.

    Args:
        wall: Naive local time.
        zone: IANA name.

    Returns:
        An aware datetime in the zone.
    """
    return wall.replace(tzinfo=_server_zone(zone)).astimezone(ZoneInfo(zone))


def wall_time(moment: datetime, zone: str) -> datetime:
    """Return the naive wall-clock time of an instant in a zone."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@cache
def changes_offset(day: date, zone: str) -> bool:
    """Return whether the clocks change on this local day or at either midnight."""
    place = ZoneInfo(zone)
    edges = (datetime.combine(day, time.min, place) + timedelta(hours=hours) for hours in (-3, 27))
    return len({edge.astimezone(UTC).astimezone(place).utcoffset() for edge in edges}) > 1


def local_day(wall: datetime, zone: str) -> date:
    """Return the local date on which an rrule's wall-clock time actually runs (a skipped 00:30 runs the evening before)."""
    return instant_of(wall, zone).date() if changes_offset(wall.date(), zone) else wall.date()


def instant_after_gap(wall: datetime, zone: str) -> datetime:
    """Like ``instant_of``, but a skipped time maps to that much later, as for intervals, and for cron since Prefect 3.9."""
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))


@dataclass(frozen=True)
class ClockChange:
    """A range of wall-clock times that the clocks skip (forward) or repeat (backward).

    Attributes:
        start: The first such time, naive.
        end: The first time after the range.
        forward: Whether they are skipped.
    """

    start: datetime
    end: datetime
    forward: bool


def clock_changes(zone: str, first: date, last: date) -> Iterator[ClockChange]:
    """Yield the clock changes of a zone in a range of days, in order."""
    place = ZoneInfo(zone)

    def offset(at: datetime) -> timedelta:
        return at.astimezone(place).utcoffset() or timedelta(0)

    begin = datetime.combine(first, time.min, place).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time.min, place).astimezone(UTC)
    while begin < end:
        following = begin + timedelta(days=1)
        if offset(begin) != offset(following):
            low, high = begin, following
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            moment = high.replace(microsecond=0)
            naive = moment.replace(tzinfo=None)
            before, after = naive + offset(low), naive + offset(moment)
            yield ClockChange(min(before, after), max(before, after), forward=after > before)
        begin = following
