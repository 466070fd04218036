"""Previews a schedule: its next runs, the skipped ones, and remarks about anything unexpected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from itertools import islice, takewhile
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from meta_prefect.errors import ScheduleError
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.schedules.calendars import Calendar, days_between, make_calendar
from meta_prefect.schedules.clock_remarks import clock_remarks, moved_remarks
from meta_prefect.schedules.cron import cron_to_rrule
from meta_prefect.schedules.days_off import NOT_CHOSEN, LeftOut
from meta_prefect.schedules.interval_times import interval_times
from meta_prefect.schedules.reading import parse_recurrence
from meta_prefect.schedules.recurrence import Recurrence, stamp
from meta_prefect.schedules.resolve import Resolved, calendar_of, resolve_one
from meta_prefect.schedules.spec import HolidaysSpec, ScheduleSpec, read_spec
from meta_prefect.schedules.zones import (
    checked_zone,
    clock_changes,
    instant_after_gap,
    instant_of,
    wall_time,
)

MAX_RUNS = 20_000
"""How many runs of a year are shown by default."""

_LOOK_AHEAD = timedelta(days=400)
_CRON_RUNS_AFTER_GAP = (3, 9)
_MAX_REMARKS = 3  # per kind
_MARGIN = timedelta(days=2)  # wall-clock times differ at most this much from the instant they run


class _Value(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class SkippedRun(_Value):
    """A run that a day off cancels or moves.

    Attributes:
        at: When it would have run.
        reason: The holiday's name, ``freeze``, ``its own EXDATE``, or that the stored schedule excludes it.
        moved_to: When it runs instead, or None.
        joins: Whether the schedule has a run at that moment anyway, so that none is added.
    """

    at: datetime
    reason: str
    moved_to: datetime | None = None
    joins: bool = False


class Preview(_Value):
    """The upcoming runs of a schedule.

    Attributes:
        timezone: The zone of all times below.
        fires: The runs, in order, as the server evaluates them.
        skipped: The skipped runs between the first and the last of these.
        next_skipped: If there are none, the next skipped run; None if unknown.
        remarks: Notes where the server behaves unexpectedly: clock changes, limits of the computed range.
        until: The last day for which days off were computed; None if there are none.
        because: The reason for each run, if the schedule runs on selected days only.
        is_known: Whether the runs are known; not so for a rule that was explicitly allowed and only Prefect can evaluate.
    """

    timezone: str
    fires: tuple[datetime, ...]
    skipped: tuple[SkippedRun, ...] = ()
    next_skipped: SkippedRun | None = None
    remarks: tuple[str, ...] = ()
    until: date | None = None
    because: tuple[str, ...] = ()
    is_known: bool = True


def preview(
    schedule: Resolved | Schedule | ScheduleSpec | str | Mapping[str, object],
    *,
    now: datetime,
    count: int = 10,
    year: int | None = None,
    until: datetime | None = None,
    most: int = MAX_RUNS,
    default_calendar: HolidaysSpec | Calendar = None,
    base_dir: Path | None = None,
    prefect_version: tuple[int, int] | None = None,
    where: str | None = None,
) -> Preview:
    """Evaluate a schedule the way Prefect's server does.

    Args:
        schedule: A stored schedule, a spec as the user wrote it, or a resolved one.
        now: The current time, with a UTC offset.
        count: How many of the next runs to show.
        year: Show the runs of this whole year instead.
        until: Show all runs up to this moment instead, with a UTC offset.
        most: How many runs of a year, or before ``until``, to show at most.
        default_calendar: The holidays to use if the schedule specifies none; for a stored schedule, where to look up holiday
            names.
        base_dir: The folder to which paths of .ics files are relative.
        prefect_version: Major and minor version of the server; by default of the Prefect installed here.
        where: File and key, for error messages.

    Raises:
        ScheduleError: See ``resolve``.
    """
    server = prefect_version or _installed_prefect()
    if isinstance(schedule, Resolved | Schedule):
        found = schedule if isinstance(schedule, Resolved) else _from_stored(schedule, where)
        calendar = make_calendar(default_calendar, zone=found.zone, base_dir=base_dir, where=where)
    else:
        spec = read_spec(schedule, where=where)
        calendar = calendar_of(spec, default_calendar, base_dir=base_dir, where=where)
        found = resolve_one(spec, calendar=calendar, now=now, where=where)
    zone = ZoneInfo(found.zone)
    if year and year < now.astimezone(zone).year:
        raise ScheduleError(f"{year} is over; days off are worked out from this year on", where=where)
    # everything is compared in UTC: when the clocks go back, two times in one zone compare wrongly
    first = (datetime(year, 1, 1, tzinfo=zone) if year else now).astimezone(UTC)
    end_of_year = datetime(year + 1, 1, 1, tzinfo=zone) - timedelta(seconds=1) if year else None
    last = bound.astimezone(UTC) if (bound := end_of_year or until) else None
    wanted = most + 1 if last else count
    bounded = takewhile(lambda run: last is None or run <= last, _runs(found, first, last, wanted, server, now))
    fires = list(islice(bounded, wanted))
    end = last or (fires[-1] if fires else first)
    skipped = tuple(_skipped(found, first, end, calendar))
    remarks = [
        *_remarks(found, first, end, server),
        *_clock_remarks(found, first, last or max(end, first + _LOOK_AHEAD), server),
        *islice(_vain_exdates(found.base, now, found.zone), _MAX_REMARKS),
        *moved_remarks(((run.at, run.moved_to) for run in skipped if run.moved_to is not None), found.zone),
    ]
    if len(fires) > most and last:
        remarks.append(f"only the first {most:,} runs are shown")
    shown = tuple(run.astimezone(zone) for run in fires[: most if last else count])
    return Preview(
        timezone=found.zone,
        fires=shown,
        because=tuple(_because(found, shown)),
        skipped=skipped,
        next_skipped=None if skipped or last else _next_skipped(found, end, calendar),
        remarks=tuple(remarks),
        until=found.until,
        is_known=found.recurrence is not None or found.schedule.interval is not None,
    )


def _because(found: Resolved, runs: Sequence[datetime]) -> Iterator[str]:
    if not runs or found.days_off is None or not found.days_off.selects_days:
        return
    chosen = found.days_off.chosen(runs[0].date(), runs[-1].date())
    yield from (chosen.get(run.date(), "") for run in runs)


def _next_skipped(found: Resolved, after: datetime, calendar: Calendar | None) -> SkippedRun | None:
    """Return the first skipped run after the runs shown."""
    ends = [datetime.combine(found.until, time.max)] if found.until else []
    ends += found.base.exdates if found.base else ()
    if not ends:
        return None
    horizon = max(ends).replace(tzinfo=ZoneInfo(found.zone)).astimezone(UTC) + _MARGIN
    return next(_skipped(found, after, horizon, calendar), None)


def _installed_prefect() -> tuple[int, int]:
    major, minor = re.findall(r"\d+", version("prefect"))[:2]
    return int(major), int(minor)


def _from_stored(schedule: Schedule, where: str | None) -> Resolved:
    zone = checked_zone(schedule.timezone, where=where)
    if schedule.interval is not None:
        return Resolved(schedule, zone, None)
    try:
        text = schedule.rrule or cron_to_rrule(schedule.cron or "", day_or=schedule.day_or, where=where)
        recurrence = parse_recurrence(text, where=where)
    except ScheduleError as error:
        if error.allowance is None:
            raise
        return Resolved(schedule, zone, None)
    return Resolved(schedule, zone, recurrence, base=replace(recurrence, exrules=(), exdates=frozenset()))


def _instant(found: Resolved, server: tuple[int, int]) -> Callable[[datetime], datetime]:
    """Return the function by which the server maps this schedule's wall-clock times to instants."""
    zone = found.schedule.timezone
    if found.schedule.cron is not None and server >= _CRON_RUNS_AFTER_GAP:
        return lambda wall: instant_after_gap(wall, zone)
    return lambda wall: instant_of(wall, zone)


def _runs(
    found: Resolved, first: datetime, last: datetime | None, count: int, server: tuple[int, int], now: datetime
) -> Iterator[datetime]:
    if found.recurrence is None:
        stored = found.schedule
        anchor = stored.anchor_date or now
        if stored.interval is not None:
            yield from interval_times(stored.interval, anchor, found.zone, first, prefect_version=server)
        return
    zone = found.schedule.timezone
    start = wall_time(first, zone) - _MARGIN
    until = wall_time(last, zone) + _MARGIN if last else None
    # what lies in the margin is trimmed again below
    margin = int(found.recurrence.runs_per_day * 2 * _MARGIN.days) + 2
    walls = found.recurrence.following(start, count + margin, until=until)
    instant = _instant(found, server)
    yield from sorted({run for wall in walls if (run := instant(wall).astimezone(UTC)) >= first})


def _skipped(found: Resolved, first: datetime, last: datetime, calendar: Calendar | None) -> Iterator[SkippedRun]:
    base, zone, place = found.base, found.schedule.timezone, ZoneInfo(found.zone)
    if base is None or found.recurrence is None:
        return
    seen: set[datetime] = set()
    left_out = [*_left_out(found, base, first, last, calendar), *_excluded(base, first, last, zone)]
    for run in sorted(left_out, key=lambda run: run.wall):
        at = instant_of(run.wall, zone).astimezone(UTC)
        if first <= at <= last and at not in seen:
            seen.add(at)
            moved = instant_of(run.moved_to, zone).astimezone(place) if run.moved_to else None
            joins = run.moved_to is not None and run.moved_to in base.on_days({run.moved_to.date()})
            yield SkippedRun(at=at.astimezone(place), reason=run.reason, moved_to=moved, joins=joins)


def _excluded(base: Recurrence, first: datetime, last: datetime, zone: str) -> list[LeftOut]:
    """Return the runs that the user's own EXDATE lines exclude."""
    start, end = wall_time(first, zone) - _MARGIN, wall_time(last, zone) + _MARGIN
    near = {wall for wall in base.exdates if start <= wall <= end}
    without = replace(base, exdates=frozenset())
    return [LeftOut(wall, "its own EXDATE") for wall in without.on_days({wall.date() for wall in near}) if wall in near]


def _left_out(
    found: Resolved, base: Recurrence, first: datetime, last: datetime, calendar: Calendar | None
) -> Iterable[LeftOut]:
    zone = found.schedule.timezone
    if found.days_off is not None:
        begin, end = _day(first, found.zone), _day(last, found.zone)
        end = min(end, found.until or end)
        left_out = found.days_off.leave_out(base, zone, begin, end)[0] if end >= begin else []
        return [run for run in left_out if run.reason != NOT_CHOSEN]
    recurrence = found.recurrence
    if recurrence is None or (recurrence.exrules, recurrence.exdates) == (base.exrules, base.exdates):
        return []
    start, end_wall = wall_time(first, zone) - _MARGIN, wall_time(last, zone) + _MARGIN
    gone = sorted(set(base.between(start, end_wall)) - set(recurrence.between(start, end_wall)))
    known = days_between(calendar, start.date(), end_wall.date()) if calendar else {}
    return [LeftOut(wall, known.get(wall.date(), "left out by the schedule")) for wall in gone]


def _vain_exdates(base: Recurrence | None, now: datetime, zone: str) -> Iterator[str]:
    """Report EXDATEs of the user that exclude nothing although the schedule runs that day: midnight is not the whole day."""
    if base is None:
        return
    today = _day(now, zone)
    ahead = sorted(wall for wall in base.exdates if wall.date() >= today)
    without = replace(base, exdates=frozenset())
    runs = without.on_days({wall.date() for wall in ahead})
    for wall in ahead:
        same_day = [run for run in runs if run.date() == wall.date()]
        if same_day and wall not in same_day:
            yield (
                f"EXDATE {stamp(wall)} stops no run: on that day the schedule runs at {same_day[0]:%H:%M}"
                f"{' and later' if len(same_day) > 1 else ''}; write {stamp(same_day[0])}"
            )


def _remarks(found: Resolved, first: datetime, last: datetime, server: tuple[int, int]) -> Iterator[str]:
    stored = found.schedule
    if found.until is not None and _day(last, found.zone) > found.until:
        yield f"days off are worked out until {found.until}; a later deploy goes further"
    if (
        found.base is not None
        and found.recurrence is not None
        and (start := found.recurrence.dtstart) != found.base.dtstart
    ):
        since = instant_of(start, stored.timezone) if start else first
        if first < since:
            yield f"the stored rule starts on {since:%Y-%m-%d}, so that the server need not count from 2020: earlier is past"
    if found.recurrence is not None and stored.timezone != found.zone:
        yield f"stored in {stored.timezone}, because an interval shorter than a day counts elapsed time"
    if stored.interval is None:
        return
    if stored.anchor_date is None:
        yield "the interval has no anchor: it counts from the moment of the deploy"
    days = stored.interval >= timedelta(days=1)
    changes = any(clock_changes(found.zone, first.date(), (first + _LOOK_AHEAD).date()))
    if changes and not days:
        yield f"an interval counts elapsed time: its local times in {found.zone} move when the clocks change"
    if changes and days and server < _CRON_RUNS_AFTER_GAP:
        yield f"before Prefect 3.9, an interval of days may run an hour off in {found.zone} after the clocks change"


def _clock_remarks(found: Resolved, first: datetime, last: datetime, server: tuple[int, int]) -> list[str]:
    if found.recurrence is None:
        return []
    zone = found.schedule.timezone
    return clock_remarks(found.recurrence, zone, _day(first, zone), _day(last, zone), _instant(found, server))


def _day(moment: datetime, zone: str) -> date:
    return wall_time(moment, zone).date()
