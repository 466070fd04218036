"""Which runs of a schedule fall on a day off, and where they go instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from meta_prefect.implementations.schedule.calendars import Calendar, days_between
from meta_prefect.implementations.schedule.recurrence import Recurrence
from meta_prefect.implementations.schedule.spec import FreezeWindow
from meta_prefect.implementations.schedule.zones import instant_after_gap, instant_of, local_day, wall_time

OnHoliday = Literal["skip", "next_business_day", "previous_business_day"]

FROZEN = "freeze"
"""The reason of a frozen day."""

LONGEST_BREAK = timedelta(days=31)
"""No calendar has a longer row of days off; a run is never moved further."""

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class LeftOut:
    """A run that falls on a day off.

    Attributes:
        wall: The wall-clock digits at which the rule names it.
        reason: The holiday's name, or what the freeze is called.
        moved_to: The digits to which it moves, or None where it is left out.
    """

    wall: datetime
    reason: str
    moved_to: datetime | None = None


@dataclass(frozen=True)
class DaysOff:
    """The days without runs of one schedule.

    Attributes:
        zone: The time zone in which a run has its date.
        calendar: The calendar of holidays, if any.
        freeze: Spans of days on which nothing runs.
        on_holiday: What happens to a run on a holiday; on a frozen day it is always left out. A run that moves keeps its
            local time; where the clocks skip that on the business day (at midnight), it runs as much later, on that day.
    """

    zone: str
    calendar: Calendar | None
    freeze: Sequence[FreezeWindow] = ()
    on_holiday: OnHoliday = "skip"

    def reasons(self, first: date, last: date) -> dict[date, str]:
        """The days off from a day to a day, each with its reason."""
        found = days_between(self.calendar, first, last) if self.calendar else {}
        return {**found, **dict.fromkeys(self._frozen(first, last), FROZEN)}

    def _frozen(self, first: date, last: date) -> Iterable[date]:
        for window in self.freeze:
            begin, end = max(first, window.first_day), min(last, window.last_day)
            yield from (begin + offset * _DAY for offset in range((end - begin).days + 1))

    def _is_frozen(self, day: date) -> bool:
        return any(window.first_day <= day <= window.last_day for window in self.freeze)

    def business_day(self, holiday: date) -> date | None:
        """The day to which a run on a holiday moves, or None where there is none or it is frozen."""
        if self.calendar is None or self.on_holiday == "skip" or self._is_frozen(holiday):
            return None
        step = _DAY if self.on_holiday == "next_business_day" else -_DAY
        day = holiday + step
        while not self.calendar.is_business_day(day):
            day += step
            if abs(day - holiday) > LONGEST_BREAK:
                return None
        return None if self._is_frozen(day) else day

    def leave_out(
        self, recurrence: Recurrence, stored_zone: str, first: date, last: date
    ) -> tuple[list[LeftOut], list[datetime]]:
        """Find the runs from a day to a day that are on a day off.

        Args:
            recurrence: The schedule without this calendar.
            stored_zone: The time zone of its digits.
            first: The first local day.
            last: The last.

        Returns:
            The runs on days off, and the other runs whose digits have the same dates.
        """
        reasons = self.reasons(first, last)
        # digits of the day after may run on a day off: where midnight is skipped, or where the digits are in UTC
        around = {day + offset * _DAY for day in reasons for offset in (-1, 0, 1)}
        named = [(wall, self._day_of(wall, stored_zone)) for wall in recurrence.on_days(around)]
        left_out = [
            LeftOut(wall, reasons[day], self._moved(wall, day, recurrence, stored_zone))
            for wall, day in named
            if day in reasons
        ]
        return left_out, [wall for wall, day in named if day not in reasons]

    def moved_into(self, recurrence: Recurrence, stored_zone: str, first: date, last: date) -> set[datetime]:
        """The runs that move to a day from ``first`` to ``last`` and were not there already."""
        if self.on_holiday == "skip" or self.calendar is None:
            return set()
        left_out, _ = self.leave_out(recurrence, stored_zone, first - LONGEST_BREAK, last + LONGEST_BREAK)
        targets = {run.moved_to for run in left_out if run.moved_to is not None}
        within = {wall for wall in targets if first <= self._day_of(wall, stored_zone) <= last}
        return within - set(recurrence.on_days({wall.date() for wall in within}))

    def _day_of(self, wall: datetime, stored_zone: str) -> date:
        if stored_zone == self.zone:
            return local_day(wall, stored_zone)
        return wall_time(instant_of(wall, stored_zone), self.zone).date()

    def _moved(self, wall: datetime, day: date, recurrence: Recurrence, stored_zone: str) -> datetime | None:
        goal = self.business_day(day)
        if goal is None:
            return None
        local = wall if stored_zone == self.zone else wall_time(instant_of(wall, stored_zone), self.zone)
        named = datetime.combine(goal, local.time())
        # where the clocks skip this midnight, the server would run it the evening before: on a day off, perhaps this one
        shown = (
            named if local_day(named, self.zone) == goal else wall_time(instant_after_gap(named, self.zone), self.zone)
        )
        moved, meant = (
            moment if stored_zone == self.zone else wall_time(instant_of(moment, self.zone), stored_zone)
            for moment in (shown, named)
        )
        return None if recurrence.excludes(moved) or recurrence.excludes(meant) else moved
