"""What schedules should do, found without the code under test: plain dateutil, minus holidays by date; and Prefect's own view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from typing import Any, cast
from zoneinfo import ZoneInfo

import holidays
from dateutil import rrule, tz
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

DAY = timedelta(days=1)
FAR = 40 * DAY
"""No run moves further."""


class PlainDays(set[date]):
    """Days off that somebody listed, with Saturdays and Sundays as weekends.

    Args:
        days: The days.
        early: Further days that are off from a local time on.
    """

    def __init__(self, days: Iterable[date], early: Mapping[date, time] | None = None) -> None:
        super().__init__(days)
        self.early = dict(early or {})

    def is_working_day(self, day: date) -> bool:
        """Whether a run may move to this day."""
        return day.weekday() < 5 and day not in self


def days_off(name: str, years: Sequence[int]) -> holidays.HolidayBase:
    """The library's calendar of a country (``DE``), a part of it (``DE-BY``) or a market (``NYSE``)."""
    country, _, subdivision = name.partition("-")
    wanted = range(min(years) - 1, max(years) + 2)
    if name in {"NYSE", "ECB"}:
        return holidays.financial_holidays(name, years=wanted)
    return holidays.country_holidays(country, subdiv=subdivision or None, years=wanted)


def run_at(wall: datetime, zone: str) -> datetime:
    """The instant of a wall-clock time, as dateutil puts it into the zone."""
    return wall.replace(tzinfo=tz.gettz(zone)).astimezone(UTC)


def expected_runs(
    text: str,
    zone: str,
    calendar: str | PlainDays | None,
    start: datetime,
    end: datetime,
    *,
    on_holiday: str = "skip",
    on_weekend: str | None = None,
) -> list[datetime]:
    """The instants from ``start`` to ``end`` at which the rrule of a user should run, days off left out or moved."""
    written = rrule.rrulestr(text, dtstart=datetime(2020, 1, 1), forceset=True)  # noqa: DTZ001
    first, last = start.replace(tzinfo=None) - FAR, end.replace(tzinfo=None) + FAR
    walls = [wall for wall in takewhile(lambda wall: wall <= last, iter(written)) if wall >= first]
    excluded = _excluded(text, last) if {on_holiday, on_weekend} - {"skip", None} else set[datetime]()
    return on_business_days(
        ((wall, run_at(wall, zone)) for wall in walls),
        zone,
        calendar,
        start,
        end,
        on_holiday=on_holiday,
        on_weekend=on_weekend,
        excluded=excluded,
    )


def runs_on(text: str, zone: str, start: datetime, end: datetime, wanted: Callable[[date], bool]) -> list[datetime]:
    """The instants from ``start`` to ``end`` at which the rrule of a user runs on certain local days."""
    place = ZoneInfo(zone)
    every = expected_runs(text, zone, None, start, end)
    return [run for run in every if wanted(run.astimezone(place).date())]


def on_business_days(
    runs: Iterable[tuple[datetime, datetime]],
    zone: str,
    calendar: str | PlainDays | None,
    start: datetime,
    end: datetime,
    *,
    on_holiday: str = "skip",
    on_weekend: str | None = None,
    excluded: Collection[datetime] = (),
) -> list[datetime]:
    """The instants from ``start`` to ``end`` that remain of runs, given as wall-clock time and instant, and where they move."""
    place = ZoneInfo(zone)
    years = range((start - FAR).year, (end + FAR).year + 1)
    off = days_off(calendar, years) if isinstance(calendar, str) else calendar
    early: Mapping[date, time] = getattr(off, "early", {})

    def is_closed(day: date, at: time) -> bool:
        return day in early and at >= early[day]

    found: set[datetime] = set()
    for wall, at in runs:
        local = at.astimezone(place)
        day = local.date()
        is_holiday = off is not None and (day in off or is_closed(day, local.time()))
        if off is None or (not is_holiday and (on_weekend is None or off.is_working_day(day))):
            found.add(at)
        elif (policy := on_holiday if is_holiday else on_weekend) != "skip":
            step = DAY if policy == "next_business_day" else -DAY
            goal = day + step
            while not off.is_working_day(goal) or is_closed(goal, wall.time()):
                goal += step
            moved = datetime.combine(goal, wall.time())
            real = moved
            if run_at(moved, zone).astimezone(place).date() != goal:
                # a midnight that the clocks skip would be the evening before; the run belongs to the business day
                real = tz.resolve_imaginary(moved.replace(tzinfo=tz.gettz(zone))).replace(tzinfo=None)
            if moved not in excluded and real not in excluded:
                found.add(run_at(real, zone))
    return sorted(run for run in found if start <= run <= end)


def _excluded(text: str, last: datetime) -> set[datetime]:
    """What the EXRULE and EXDATE lines of a user take away: no run moves there."""
    lines = text.splitlines()
    starts = [line for line in lines if line.startswith("DTSTART:")]
    found: set[datetime] = set()
    for line in lines:
        if line.startswith("EXRULE:"):
            rule = "\n".join([*starts, line.removeprefix("EX").replace("RULE:", "RRULE:", 1)])
            excluding = rrule.rrulestr(rule, dtstart=datetime(2020, 1, 1))  # noqa: DTZ001
            found.update(takewhile(lambda moment: moment <= last, excluding))
        elif line.startswith("EXDATE:"):
            found.update(datetime.fromisoformat(stamp) for stamp in line.removeprefix("EXDATE:").split(","))
    return found


def evaluated(text: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """The instants at which Prefect's server runs a stored rrule: its own set of times, put into UTC."""
    schedule = RRuleSchedule(rrule=text, timezone=cast("Any", zone))
    first, last = start.replace(tzinfo=None) - 2 * DAY, end.replace(tzinfo=None) + 2 * DAY
    found = cast("Iterable[datetime]", cast("Any", schedule).to_rrule())
    # by wall-clock digits first: putting all of them into the zone takes most of the time
    near = (
        run
        for run in takewhile(lambda run: run.replace(tzinfo=None) <= last, found)
        if run.replace(tzinfo=None) >= first
    )
    return sorted({run for run in (run.astimezone(UTC) for run in near) if start <= run <= end})


def next_dates(
    schedule: RRuleSchedule | CronSchedule | IntervalSchedule,
    start: datetime,
    end: datetime | None = None,
    count: int = 100,
) -> list[datetime]:
    """What the server's scheduler asks: the next runs of a schedule, in UTC."""
    found = asyncio.run(cast("Any", schedule).get_dates(count, start, end))
    # Prefect sorts by wall-clock time; where the clocks go back, that is not the order of the instants
    return sorted(datetime.fromtimestamp(run.timestamp(), UTC) for run in found)


def midnight(day: date) -> datetime:
    """The midnight with which a day begins in UTC."""
    return datetime.combine(day, time.min, UTC)
