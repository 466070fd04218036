"""Remarks about runs affected by daylight saving changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta

from meta_prefect.schedules.recurrence import Recurrence
from meta_prefect.schedules.zones import ClockChange, changes_offset, clock_changes

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


def clock_remarks(
    recurrence: Recurrence, zone: str, first: date, last: date, instant: Callable[[datetime], datetime]
) -> list[str]:
    """Return a remark for each run at a time that the clocks skip or repeat.

    Args:
        recurrence: The schedule.
        zone: The time zone of its wall-clock times.
        first: The first day to look at.
        last: The last day.
        instant: Maps a wall-clock time to the instant at which the server runs it.
    """
    said = (_remark(recurrence, zone, change, instant) for change in clock_changes(zone, first, last))
    return [remark for remark in said if remark]


def _remark(
    recurrence: Recurrence, zone: str, change: ClockChange, instant: Callable[[datetime], datetime]
) -> str | None:
    named = recurrence.between(change.start, change.end - _SECOND)
    if not named:
        return None
    day, span = f"{change.start:%Y-%m-%d}", f"{change.start:%H:%M} to {change.end:%H:%M}"
    if not change.forward:
        which = f"the run at {named[0]:%H:%M} starts" if len(named) == 1 else f"the {len(named)} runs in it start"
        return f"{day}: the clocks in {zone} show {span} twice; {which} the first time only"
    length = change.end - change.start
    around = recurrence.between(change.start - length, change.start - _SECOND)
    around += recurrence.between(change.end, change.end + length)
    others = {instant(wall) for wall in around}
    alone = [wall for wall in named if instant(wall) not in others]
    if not alone:
        return f"{day}: the clocks in {zone} skip {span}; the runs in it fall together with others"
    when = ", ".join(f"{wall:%H:%M} starts at {_clock(instant(wall), wall.date())}" for wall in alone[:3])
    more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
    return f"{day}: the clocks in {zone} skip {span}; the run at {when}{more}"


def _clock(moment: datetime, day: date) -> str:
    return f"{moment:%H:%M}{'' if moment.date() == day else ' the day before'}"


def moved_remarks(moves: Iterable[tuple[datetime, datetime]], zone: str) -> list[str]:
    """Return a remark for each run moved from a holiday to a time that the clocks skip on the business day.

    Args:
        moves: Pairs of local times: where a run was, and where it moves to.
        zone: Their time zone.
    """
    said: dict[str, None] = {}
    for at, to in ((at.replace(tzinfo=None), to.replace(tzinfo=None)) for at, to in moves):
        if at.time() == to.time() or not changes_offset(to.date(), zone):
            continue
        for change in clock_changes(zone, to.date() - _DAY, to.date()):
            if change.forward and change.end <= to < change.end + (change.end - change.start):
                span = f"{change.start:%H:%M} to {change.end:%H:%M}"
                remark = f"{to:%Y-%m-%d}: the clocks in {zone} skip {span}; what moves there from a holiday starts at {to:%H:%M}"
                said[remark] = None
    return list(said)
