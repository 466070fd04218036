"""Which runs of a schedule fall on a day off, and where they go instead."""

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
"""The reason of a frozen day."""

WEEKEND = "weekend"
"""The reason of a day on the weekend."""

NOT_CHOSEN = "not chosen"
"""The reason of a day that a schedule of chosen days passes over."""

_PLAIN_WEEK = ListedCalendar({})
_FORWARD, _BACK = "next_business_day", "previous_business_day"

LONGEST_BREAK = timedelta(days=31)
"""No calendar has a longer row of days off; a run is never moved further."""

_DAY = timedelta(days=1)


def _is_closed(parts: Mapping[date, PartDay], day: date, at: time) -> bool:
    return day in parts and at >= parts[day].closes


def _days(first: date, last: date) -> Iterator[date]:
    return (first + offset * _DAY for offset in range((last - first).days + 1))


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
        on_holiday: What happens to a run on a holiday, also where that is on a weekend; on a frozen day it is always left out.
            A run that moves keeps its local time; where the clocks skip that on the business day (at midnight), it runs as
            much later, on that day. With ``only``, there are runs on holidays and on no other day.
        on_weekend: What happens to a run on the calendar's weekend; None lets it be.
        business_days: Business days of a month, from its end where they are negative: there are runs on no other day.
    """

    zone: str
    calendar: Calendar | None
    freeze: Sequence[FreezeWindow] = ()
    on_holiday: OnHoliday = "skip"
    on_weekend: OnWeekend | None = None
    business_days: Sequence[int] = ()

    @property
    def chooses(self) -> bool:
        """Whether it names the days with runs, not those without."""
        return self.on_holiday == "only" or bool(self.business_days)

    @property
    def moves(self) -> bool:
        """Whether a run may move to another day."""
        return bool({self.on_holiday, self.on_weekend} & {_FORWARD, _BACK})

    @property
    def _week(self) -> Calendar:
        return self.calendar or _PLAIN_WEEK

    def reasons(self, first: date, last: date) -> dict[date, str]:
        """The days off from a day to a day, each with its reason."""
        frozen = dict.fromkeys(self._frozen(first, last), FROZEN)
        if self.chooses:
            chosen = self.chosen(first, last)
            return {**{day: NOT_CHOSEN for day in _days(first, last) if day not in chosen}, **frozen}
        holidays = days_between(self.calendar, first, last) if self.calendar else {}
        weekends = [day for day in _days(first, last) if self._week.is_weekend(day)] if self.on_weekend else []
        return {**dict.fromkeys(weekends, WEEKEND), **holidays, **frozen}

    def chosen(self, first: date, last: date) -> dict[date, str]:
        """The days with runs from a day to a day, each with the reason why, where the schedule chooses days. Frozen ones too."""
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
        """The days from a day to a day on which only late runs are off; where days are chosen, such a day is one like others."""
        if self.calendar is None or self.chooses:
            return {}
        return self.calendar.part_days(range(first.year, last.year + 1))

    def _frozen(self, first: date, last: date) -> Iterable[date]:
        for window in self.freeze:
            for begin, end in window.spans(first, last):
                yield from _days(begin, end)

    def _is_frozen(self, day: date) -> bool:
        return any(True for window in self.freeze for _ in window.spans(day, day))

    def business_day(self, day_off: date, at: time) -> date | None:
        """The day to which a run at a time of a day off moves, or None where there is none or it is frozen."""
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
        """Find the runs from a day to a day that are on a day off.

        Args:
            recurrence: The schedule without this calendar.
            stored_zone: The time zone of its digits.
            first: The first local day.
            last: The last.

        Returns:
            The runs on days off, and the other runs whose digits have the same dates.
        """
        whole = self.reasons(first, last)
        parts = {day: part for day, part in self._part_days(first, last).items() if first <= day <= last}
        # digits of the day after may run on a day off: where midnight is skipped, or where the digits are in UTC
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
        """The runs from a day to a day that are on the chosen days; the arguments are those of ``leave_out``."""
        chosen = self.chosen(first, last).keys() - set(self._frozen(first, last))
        around = {day + offset * _DAY for day in chosen for offset in (-1, 0, 1)}
        return [wall for wall in recurrence.on_days(around) if self._day_of(wall, stored_zone) in chosen]

    def moved_into(self, recurrence: Recurrence, stored_zone: str, first: date, last: date) -> set[datetime]:
        """The runs that move to a day from ``first`` to ``last`` and were not there already."""
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
        # where the clocks skip this midnight, the server would run it the evening before: on a day off, perhaps this one
        shown = (
            named if local_day(named, self.zone) == goal else wall_time(instant_after_gap(named, self.zone), self.zone)
        )
        moved, meant = (
            moment if stored_zone == self.zone else wall_time(instant_of(moment, self.zone), stored_zone)
            for moment in (shown, named)
        )
        return None if recurrence.excludes(moved) or recurrence.excludes(meant) else moved
