"""Time zones as Prefect's server reads them: wall-clock digits, put into the zone by dateutil."""

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
    """The zone names that Prefect accepts."""
    # these two are in the database but are no place, and Prefect refuses them
    return frozenset(available_timezones()) - {"Factory", "localtime"}


def checked_zone(name: str, *, where: str | None = None) -> str:
    """Return the name of a time zone if there is such a zone.

    Raises:
        ScheduleError: There is none; the hint names the nearest.
    """
    if name in zone_names():
        return name
    exact = next((known for known in zone_names() if known.lower() == name.strip().lower()), None)
    hint = f"Did you mean {exact!r}?" if exact else _guess(name)
    raise ScheduleError(f"no time zone named {name!r}", where=where, hint=hint)


def _guess(name: str) -> str:
    said = nearest(name, zone_names())
    # CEST is near EST, and means something else
    abbreviated = name.isupper() and "/" not in name
    close = said.startswith("Did") and not abbreviated
    return said if close else "Write an IANA name, for example Europe/Berlin or US/Pacific."


@cache
def _server_zone(name: str) -> tzinfo:
    zone = tz.gettz(name)
    return zone if zone is not None else ZoneInfo(name)


def instant_of(wall: datetime, zone: str) -> datetime:
    """The instant at which Prefect's server runs what stands at a wall-clock time of an rrule.

    A time that the clocks skip (spring) comes out one hour early, one that they show twice (autumn) the first time.

    Args:
        wall: Naive local time.
        zone: IANA name.

    Returns:
        An aware datetime in the zone.
    """
    return wall.replace(tzinfo=_server_zone(zone)).astimezone(ZoneInfo(zone))


def wall_time(moment: datetime, zone: str) -> datetime:
    """The naive wall-clock time of an instant in a zone."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@cache
def changes_offset(day: date, zone: str) -> bool:
    """Whether the clocks are changed on this local day, or at its midnights."""
    place = ZoneInfo(zone)
    edges = (datetime.combine(day, time.min, place) + timedelta(hours=hours) for hours in (-3, 27))
    return len({edge.astimezone(UTC).astimezone(place).utcoffset() for edge in edges}) > 1


def local_day(wall: datetime, zone: str) -> date:
    """The local date on which a wall-clock time of an rrule really runs (a skipped 00:30 runs the evening before)."""
    return instant_of(wall, zone).date() if changes_offset(wall.date(), zone) else wall.date()


def instant_after_gap(wall: datetime, zone: str) -> datetime:
    """As ``instant_of``, but a time that the clocks skip comes out as much later: cron since Prefect 3.9, and intervals."""
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))


@dataclass(frozen=True)
class ClockChange:
    """The wall-clock times that the clocks skip (forward) or show twice (backward).

    Attributes:
        start: The first such time, naive.
        end: The first time after them.
        forward: Whether they are skipped.
    """

    start: datetime
    end: datetime
    forward: bool


def clock_changes(zone: str, first: date, last: date) -> Iterator[ClockChange]:
    """The clock changes of a zone from a day to a day, in order."""
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
