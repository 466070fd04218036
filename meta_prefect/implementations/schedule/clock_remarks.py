"""What happens to runs where the clocks change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from meta_prefect.implementations.schedule.recurrence import Recurrence
from meta_prefect.implementations.schedule.zones import ClockChange, clock_changes

_SECOND = timedelta(seconds=1)


def clock_remarks(
    recurrence: Recurrence, zone: str, first: date, last: date, instant: Callable[[datetime], datetime]
) -> list[str]:
    """Say which runs of a schedule stand at times that the clocks skip or show twice.

    Args:
        recurrence: The schedule.
        zone: The time zone of its digits.
        first: The first day that counts.
        last: The last.
        instant: When the server runs what stands at a wall-clock time.
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
    when = ", ".join(f"{wall:%H:%M} starts at {instant(wall):%H:%M}" for wall in alone[:3])
    more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
    return f"{day}: the clocks in {zone} skip {span}; the run at {when}{more}"
