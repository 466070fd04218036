"""Finds the runs of a schedule that fall on a day off, and the days they move to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

from meta_prefect.schedules.calendars import Calendar, ListedCalendar, PartDay, days_between
from meta_prefect.schedules.recurrence import Recurrence
from meta_prefect.schedules.spec import FreezeWindow
from meta_prefect.schedules.zones import instant_after_gap, instant_of, local_day, wall_time

OnWeekend = Literal["skip", "next_business_day", "previous_business_day"]
OnHoliday = OnWeekend | Literal["only"]

FROZEN = "freeze"
"""The reason given for a frozen day."""

WEEKEND = "weekend"
"""The reason given for a weekend."""

NOT_CHOSEN = "not chosen"
"""The reason given for a day that a schedule of selected days skips."""

_PLAIN_WEEK = ListedCalendar({})
_FORWARD, _BACK = "next_business_day", "previous_business_day"

LONGEST_BREAK = timedelta(days=31)
"""No calendar has a longer run of days off, and no run is moved further."""

_DAY = timedelta(days=1)


def _is_closed(parts: Mapping[date, PartDay], day: date, at: time) -> bool:
    return day in parts and at >= parts[day].closes


def _days(first: date, last: date) -> Iterator[date]:
    return (first + offset * _DAY for offset in range((last - first).days + 1))


@dataclass(frozen=True)
class LeftOut:
    """A run that falls on a day off.

    Attributes:
        wall: The wall-clock time at which the rule fires.
        reason: The holiday's name, or that of the freeze.
        moved_to: The wall-clock time it moves to, or None if it is skipped.
    """

    wall: datetime
    reason: str
    moved_to: datetime | None = None


@dataclass(frozen=True)
class DaysOff:
    """The days on which one schedule does not run.

    Attributes:
        zone: The time zone that determines the date of a run.
        calendar: The calendar of holidays, if any.
        freeze: Periods in which nothing runs.
        on_holiday: What happens to a run on a holiday, including one on a weekend; on a frozen day it is always skipped. A
            moved run keeps its local time; if the clocks skip that time on the business day (at midnight), it runs that much
            later on the same day. With ``only``, there are runs on holidays only.
        on_weekend: What happens to a run on the calendar's weekend; None leaves it there.
        business_days: The business days of each month on which to run, and no others; negative numbers count from the end.
    """

    zone: str
    calendar: Calendar | None
    freeze: Sequence[FreezeWindow] = ()
    on_holiday: OnHoliday = "skip"
    on_weekend: OnWeekend | None = None
    business_days: Sequence[int] = ()

    @property
    def selects_days(self) -> bool:
        """Whether it selects the days with runs rather than those without."""
        return self.on_holiday == "only" or bool(self.business_days)

    @property
    def moves(self) -> bool:
        """Whether runs may move to another day."""
        return bool({self.on_holiday, self.on_weekend} & {_FORWARD, _BACK})

    @property
    def _week(self) -> Calendar:
        return self.calendar or _PLAIN_WEEK

    def reasons(self, first: date, last: date) -> dict[date, str]:
        """Return the days off in a range with their reasons."""
        frozen = dict.fromkeys(self._frozen(first, last), FROZEN)
        if self.selects_days:
            chosen = self.chosen(first, last)
            return {**{day: NOT_CHOSEN for day in _days(first, last) if day not in chosen}, **frozen}
        holidays = days_between(self.calendar, first, last) if self.calendar else {}
        weekends = [day for day in _days(first, last) if self._week.is_weekend(day)] if self.on_weekend else []
        return {**dict.fromkeys(weekends, WEEKEND), **holidays, **frozen}

    def chosen(self, first: date, last: date) -> dict[date, str]:
        """Return the selected days in a range with their reasons, if the schedule selects days. Includes frozen ones."""
        if not self.business_days:
            return days_between(self.calendar, first, last) if self.calendar else {}
        found: dict[date, str] = {}
        month = first.replace(day=1)
        while month <= last:
            following = (month + LONGEST_BREAK).replace(day=1)
            days = [day for day in _days(month, following - _DAY) if self._week.is_business_day(day)]
            for number in self.business_days:
                if abs(number) <= len(days):
                    day = days[number - 1 if number > 0 else number]
                    found[day] = f"business day {days.index(day) + 1} of {len(days)}"
            month = following
        return {day: why for day, why in sorted(found.items()) if first <= day <= last}

    def _part_days(self, first: date, last: date) -> Mapping[date, PartDay]:
        """Return the days in a range on which only late runs are off; none if the schedule selects days."""
        if self.calendar is None or self.selects_days:
            return {}
        return self.calendar.part_days(range(first.year, last.year + 1))

    def _frozen(self, first: date, last: date) -> Iterable[date]:
        for window in self.freeze:
            for begin, end in window.spans(first, last):
                yield from _days(begin, end)

    def _is_frozen(self, day: date) -> bool:
        return any(True for window in self.freeze for _ in window.spans(day, day))

    def business_day(self, day_off: date, at: time) -> date | None:
        """Return the day to which a run on a day off moves, or None if there is none or it is frozen."""
        parts = self._part_days(day_off - LONGEST_BREAK, day_off + LONGEST_BREAK)
        is_holiday = self.calendar is not None and (
            day_off in self.calendar.holidays([day_off.year]) or _is_closed(parts, day_off, at)
        )
        policy = self.on_holiday if is_holiday else self.on_weekend
        if policy not in (_FORWARD, _BACK) or self._is_frozen(day_off):
            return None
        step = _DAY if policy == _FORWARD else -_DAY
        day = day_off + step
        while not self._week.is_business_day(day) or _is_closed(parts, day, at):
            day += step
            if abs(day - day_off) > LONGEST_BREAK:
                return None
        return None if self._is_frozen(day) else day

    def leave_out(
        self, recurrence: Recurrence, stored_zone: str, first: date, last: date
    ) -> tuple[list[LeftOut], list[datetime]]:
        """Find the runs in a range that fall on a day off.

        Args:
            recurrence: The schedule without this calendar.
            stored_zone: The time zone of its wall-clock times.
            first: The first local day.
            last: The last local day.

        Returns:
            The runs on days off, and the remaining runs whose wall-clock times have the same dates.
        """
        whole = self.reasons(first, last)
        parts = {day: part for day, part in self._part_days(first, last).items() if first <= day <= last}
        # the run of an adjacent date may fall on a day off: if midnight is skipped, or if the times are in UTC
        around = {day + offset * _DAY for day in (*whole, *parts) for offset in (-1, 0, 1)}
        left_out: list[LeftOut] = []
        kept: list[datetime] = []
        for wall in recurrence.on_days(around):
            day, at = self._day_of(wall, stored_zone), self._local(wall, stored_zone).time()
            reason = whole.get(day) or (parts[day].name if _is_closed(parts, day, at) else None)
            if reason is None:
                kept.append(wall)
            else:
                left_out.append(LeftOut(wall, reason, self._moved(wall, day, recurrence, stored_zone)))
        return left_out, kept

    def on_chosen_days(self, recurrence: Recurrence, stored_zone: str, first: date, last: date) -> list[datetime]:
        """Return the runs in a range that fall on the selected days; for the arguments see ``leave_out``."""
        chosen = self.chosen(first, last).keys() - set(self._frozen(first, last))
        around = {day + offset * _DAY for day in chosen for offset in (-1, 0, 1)}
        return [wall for wall in recurrence.on_days(around) if self._day_of(wall, stored_zone) in chosen]

    def moved_into(self, recurrence: Recurrence, stored_zone: str, first: date, last: date) -> set[datetime]:
        """Return the runs that move to a day between ``first`` and ``last``, except where there is one already."""
        if not self.moves:
            return set()
        left_out, _ = self.leave_out(recurrence, stored_zone, first - LONGEST_BREAK, last + LONGEST_BREAK)
        targets = {run.moved_to for run in left_out if run.moved_to is not None}
        within = {wall for wall in targets if first <= self._day_of(wall, stored_zone) <= last}
        return within - set(recurrence.on_days({wall.date() for wall in within}))

    def _day_of(self, wall: datetime, stored_zone: str) -> date:
        if stored_zone == self.zone:
            return local_day(wall, stored_zone)
        return wall_time(instant_of(wall, stored_zone), self.zone).date()

    def _local(self, wall: datetime, stored_zone: str) -> datetime:
        return wall if stored_zone == self.zone else wall_time(instant_of(wall, stored_zone), self.zone)

    def _moved(self, wall: datetime, day: date, recurrence: Recurrence, stored_zone: str) -> datetime | None:
        local = self._local(wall, stored_zone)
        goal = self.business_day(day, local.time())
        if goal is None:
            return None
        named = datetime.combine(goal, local.time())
        # if the clocks skip this midnight, the server would run it the evening before, possibly on this same day off
        shown = (
            named if local_day(named, self.zone) == goal else wall_time(instant_after_gap(named, self.zone), self.zone)
        )
        moved, meant = (
            moment if stored_zone == self.zone else wall_time(instant_of(moment, self.zone), stored_zone)
            for moment in (shown, named)
        )
        return None if recurrence.excludes(moved) or recurrence.excludes(meant) else moved
