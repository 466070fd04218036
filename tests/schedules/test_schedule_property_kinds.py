"""Cron and intervals with a calendar, whatever their fields, the zone and the calendar: what we store runs when it should."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, note, seed
from hypothesis import strategies as st
from schedule_oracle import DAY, FAR, evaluated, on_business_days, run_at
from stored import horizon, stored_for
from test_schedule_property import CALENDARS, EXAMPLES, NOWS, ON_HOLIDAY, PROPERTY, SEED, ZONES

from meta_prefect.errors import ScheduleError

# half a second for an example on a quiet machine; a failure is first made smaller, for five minutes at most
pytestmark = pytest.mark.timeout(400 + 3 * EXAMPLES)


@dataclass(frozen=True)
class Cron:
    """The numbers of a cron expression; an empty set is a star."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    day_or: bool

    def __str__(self) -> str:
        fields = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        return " ".join(",".join(map(str, sorted(field))) or "*" for field in fields)

    def fires_on(self, day: date) -> bool:
        """Whether it names this day."""
        in_days, in_weekdays = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.days and self.weekdays:
            named = in_days or in_weekdays if self.day_or else in_days and in_weekdays
        else:
            named = (in_days or not self.days) and (in_weekdays or not self.weekdays)
        return named and (not self.months or day.month in self.months)

    def walls(self, first: date, last: date) -> Iterable[datetime]:
        """The wall-clock times from a day to a day."""
        for offset in range((last - first).days + 1):
            day = first + offset * DAY
            if self.fires_on(day):
                for hour in self.hours or range(24):
                    yield from (datetime.combine(day, time(hour, minute)) for minute in self.minutes)


def some(low: int, high: int, least: int = 0) -> st.SearchStrategy[frozenset[int]]:
    """A few numbers, but never all."""
    return st.frozensets(st.integers(low, high), min_size=least, max_size=4)


CRONS = st.builds(Cron, some(0, 59, 1), some(0, 23), some(1, 31), some(1, 12), some(0, 6), st.booleans())


@seed(SEED)
@PROPERTY
@given(
    cron=CRONS,
    zone=st.sampled_from(ZONES),
    calendar=st.sampled_from(CALENDARS),
    now=st.sampled_from(NOWS),
    on_holiday=st.sampled_from(ON_HOLIDAY),
)
def test_a_cron_with_a_calendar_is_its_plain_expansion_without_the_days_off(
    cron: Cron, zone: str, calendar: str, now: datetime, on_holiday: str
) -> None:
    """Over the whole horizon, Prefect's evaluation of the stored rrule equals the digits that the cron names, minus holidays."""
    note(f"seed {SEED}, cron {str(cron)!r}")
    wanted = {
        "cron": str(cron),
        "day_or": cron.day_or,
        "timezone": zone,
        "holidays": calendar,
        "on_holiday": on_holiday,
    }
    try:
        stored = stored_for(wanted, default_calendar=None, now=now)[0]
    except ScheduleError:  # it never runs, or always on a holiday
        stored, end = None, now + timedelta(days=3 * 365)
    else:
        end = horizon(stored.note)
    runs = ((wall, run_at(wall, zone)) for wall in cron.walls((now - FAR).date(), (end + FAR).date()))
    expected = on_business_days(runs, zone, calendar, now, end, on_holiday=on_holiday)

    if stored is None:
        assert expected == []
    else:
        assert stored.rrule is not None
        for alike in (stored.rrule, *stored.alike):
            assert evaluated(alike, zone, now, end) == expected


INTERVALS = st.one_of(
    st.integers(20, 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
    st.integers(1, 40).map(lambda days: timedelta(days=days)),
)
ANCHORS = st.integers(-400, 400).map(
    lambda hours: datetime(2026, 3, 1, 0, 17, tzinfo=UTC) + timedelta(hours=61 * hours)
)


@seed(SEED)
@example(  # on other hours of each day, and with days off that begin in the middle of a day of UTC
    interval=timedelta(minutes=67),
    anchor=datetime(2026, 3, 1, 0, 17, tzinfo=UTC),
    zone="America/New_York",
    calendar="JP",
    now=datetime(2026, 1, 1, 3, tzinfo=UTC),
    on_holiday="skip",
)
@PROPERTY
@given(
    interval=INTERVALS,
    anchor=ANCHORS,
    zone=st.sampled_from(ZONES),
    calendar=st.sampled_from(CALENDARS),
    now=st.sampled_from(NOWS),
    on_holiday=st.sampled_from(ON_HOLIDAY),
)
def test_an_interval_with_a_calendar_is_its_plain_expansion_without_the_days_off(
    interval: timedelta, anchor: datetime, zone: str, calendar: str, now: datetime, on_holiday: str
) -> None:
    """Hours are counted as elapsed time and days as local days, and what falls on a holiday of the zone is left out."""
    note(f"seed {SEED}")
    wanted = {
        "interval": interval,
        "anchor_date": anchor,
        "timezone": zone,
        "holidays": calendar,
        "on_holiday": on_holiday,
    }
    try:
        (stored,) = stored_for(wanted, default_calendar=None, now=now)
    except ScheduleError as refused:
        # moved runs of an interval that drifts are at other times of each day; what only leaves out always fits
        assume("does not fit" in refused.message and on_holiday != "skip")
        return
    end = horizon(stored.note)
    steps = range((now - FAR - anchor) // interval, (end + FAR - anchor) // interval + 1)
    place = ZoneInfo(zone)
    if interval % DAY == timedelta(0):
        walls = (anchor.astimezone(place).replace(tzinfo=None) + step * interval for step in steps)
        runs = [(wall, run_at(wall, zone)) for wall in walls]
    else:
        runs = [((at := anchor + step * interval).astimezone(place).replace(tzinfo=None), at) for step in steps]

    assert stored.rrule is not None
    expected = on_business_days(runs, zone, calendar, now, end, on_holiday=on_holiday)
    for alike in (stored.rrule, *stored.alike):
        assert evaluated(alike, stored.timezone, now, end) == expected
