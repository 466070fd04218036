"""Business days of the month, weekends, holidays only, holidays that are none, and freezes of every year."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, note, seed, settings
from hypothesis import strategies as st
from schedule_oracle import DAY, days_off, evaluated, expected_runs, runs_on
from stored import stored_for
from test_schedule_property import CALENDARS, EXAMPLES, NOWS, PROPERTY, SEED, ZONES, rrules

from meta_prefect.errors import ScheduleError
from meta_prefect.schedules.preview import preview
from meta_prefect.schedules.spec import FreezeWindow

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
YEARS = range(2025, 2031)
BUSINESS_DAYS = st.sets(st.integers(-5, 5).filter(bool), min_size=1, max_size=3).map(sorted)
pytestmark = pytest.mark.timeout(400 + EXAMPLES)
FEW = settings(PROPERTY, max_examples=max(8, EXAMPLES // 5))
"""Rules, zones and calendars are tried at length elsewhere; here it is about the days."""

WEEKENDS = ("skip", "next_business_day", "previous_business_day")
MONTH_DAYS = st.dates(date(2027, 1, 1), date(2027, 12, 31)).map(lambda day: day.strftime("%m-%d"))


def stored(spec: dict[str, Any], now: datetime = NOW) -> str:
    """The lines that are stored for a schedule that they fit."""
    try:
        (found,) = stored_for(spec, default_calendar=None, now=now)
    except ScheduleError as error:
        note(str(error))
        assume(False)  # a rule that is refused, or does not fit, shows nothing here
        raise
    assert found.rrule is not None
    return found.rrule


def compare(spec: dict[str, Any], now: datetime, wanted: Callable[[date], bool]) -> None:
    """Compare what Prefect makes of the stored lines with the plain rule on certain days, for 400 days."""
    note(f"seed {SEED}")
    text, zone, end = stored(spec, now), spec["timezone"], now + timedelta(days=398)
    assert evaluated(text, zone, now, end) == runs_on(spec["rrule"], zone, now, end, wanted)


GIVEN = given(
    rule=rrules(),
    zone=st.sampled_from(ZONES),
    calendar=st.sampled_from(CALENDARS),
    now=st.sampled_from(NOWS[:-1]),
    data=st.data(),
)


@seed(SEED)
@FEW
@GIVEN
def test_property_business_days(rule: str, zone: str, calendar: str, now: datetime, data: st.DataObject) -> None:
    """Runs happen on these business days of each month, counted from either end by the calendar, and on no other day."""
    numbers = data.draw(BUSINESS_DAYS)
    off = days_off(calendar, YEARS)

    def wanted(day: date) -> bool:
        first = day.replace(day=1)
        month = [one for one in (first + number * DAY for number in range(31)) if one.month == day.month]
        working = [one for one in month if off.is_working_day(one)]
        return day in {working[number - 1 if number > 0 else number] for number in numbers}

    compare({"rrule": rule, "timezone": zone, "holidays": calendar, "business_day": numbers}, now, wanted)


@seed(SEED)
@FEW
@GIVEN
def test_property_only_on_holidays(rule: str, zone: str, calendar: str, now: datetime, data: st.DataObject) -> None:
    """Runs happen on holidays only, and on none that is frozen every year."""
    first, last = data.draw(MONTH_DAYS), data.draw(MONTH_DAYS)
    off = days_off(calendar, YEARS)

    def wanted(day: date) -> bool:
        frozen = first <= f"{day:%m-%d}" <= last if first <= last else not last < f"{day:%m-%d}" < first
        return day in off and not frozen

    spec = {"rrule": rule, "timezone": zone, "holidays": calendar, "on_holiday": "only", "freeze": f"{first} to {last}"}
    compare(spec, now, wanted)


@seed(SEED)
@FEW
@GIVEN
def test_property_weekends_are_left_out_or_moved_as_holidays_are(
    rule: str, zone: str, calendar: str, now: datetime, data: st.DataObject
) -> None:
    """Each of both goes its own way: left out, or to the next or previous business day."""
    on_weekend, on_holiday = data.draw(st.sampled_from(WEEKENDS)), data.draw(st.sampled_from(WEEKENDS))
    spec = {"rrule": rule, "timezone": zone, "holidays": calendar, "on_weekend": on_weekend, "on_holiday": on_holiday}
    end = now + timedelta(days=398)
    text = stored(spec, now)
    expected = expected_runs(rule, zone, calendar, now, end, on_weekend=on_weekend, on_holiday=on_holiday)
    assert evaluated(text, zone, now, end) == expected


@pytest.mark.parametrize(
    ("window", "frozen", "free"),
    [
        ("12-20 to 01-03", ["2026-12-20", "2027-01-03", "2029-12-31"], ["2026-12-19", "2027-01-04", "2028-07-01"]),
        ("02-01 to 02-28", ["2027-02-28", "2028-02-01"], ["2028-02-29", "2027-03-01"]),
        ("12-24", ["2026-12-24", "2030-12-24"], ["2026-12-25"]),
        ("2026-12-24", ["2026-12-24"], ["2027-12-24"]),
        ({"from": "12-24", "to": "12-26"}, ["2026-12-25"], ["2026-12-27"]),
    ],
)
def test_a_freeze_without_a_year_is_one_of_every_year(window: Any, frozen: list[str], free: list[str]) -> None:
    """It may go over the turn of the year; one with a year happens once."""
    found = FreezeWindow.model_validate(window)
    is_frozen = {
        day: bool(list(found.spans(date.fromisoformat(day), date.fromisoformat(day)))) for day in frozen + free
    }
    assert is_frozen == {**dict.fromkeys(frozen, True), **dict.fromkeys(free, False)}


@pytest.mark.parametrize(
    ("excepted", "gone"),
    [
        (["Columbus Day"], {"2026-10-12", "2027-10-11"}),
        (
            ["columbus day", "Juneteenth National Independence Day"],
            {"2026-10-12", "2027-10-11", "2026-06-19", "2027-06-18", "2027-06-19"},
        ),
        (["Independence Day (observed)"], {"2026-07-03", "2026-07-04", "2027-07-04", "2027-07-05"}),
    ],
)
def test_a_holiday_that_is_excepted_by_name_is_none_in_any_year(excepted: list[str], gone: set[str]) -> None:
    """Its observed days go with it, and all other holidays stay."""
    now, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 12, 1, tzinfo=UTC)
    holidays = {"country": "US", "except_holidays": excepted}
    text = stored({"rrule": "FREQ=DAILY;BYHOUR=9", "holidays": holidays}, now)
    off = days_off("US", YEARS)

    def wanted(day: date) -> bool:
        return day not in off or day.isoformat() in gone

    assert evaluated(text, "UTC", now, end) == runs_on("FREQ=DAILY;BYHOUR=9", "UTC", now, end, wanted)


def test_a_name_may_be_written_in_any_language_of_the_calendar() -> None:
    """The first of January is a working day then; where a day has another holiday as well, it stays one."""
    for name in ("Neujahr", "New Year's Day"):
        holidays = {"country": "DE", "except_holidays": name}
        assert "20270101" not in stored({"rrule": "FREQ=DAILY;BYHOUR=9", "holidays": holidays})
    both = {"country": "KR", "except_holidays": "Children's Day"}  # in 2025, Buddha's Birthday falls on that day
    now = datetime(2025, 1, 2, tzinfo=UTC)
    assert "20250505" in stored({"rrule": "FREQ=DAILY;BYHOUR=9", "holidays": both}, now)
    assert "20260505" not in stored({"rrule": "FREQ=DAILY;BYHOUR=9", "holidays": both}, now)


def test_the_preview_says_why() -> None:
    """A chosen day has its reason beside its run; a weekend is named where a run moves from it."""
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    nine = {"cron": "0 9 * * *", "holidays": "US"}
    last = preview({**nine, "business_day": -1}, now=at, count=2)
    only = preview({**nine, "on_holiday": "only"}, now=at, count=2)
    moved = preview({"cron": "0 9 28 * *", "on_weekend": "next_business_day"}, now=at, count=1)

    assert last.because == ("business day 19 of 19", "business day 22 of 22")
    assert only.because == ("Thanksgiving Day", "Christmas Day")
    assert last.skipped == only.skipped == ()
    (weekend,) = moved.skipped
    assert (weekend.reason, weekend.moved_to) == ("weekend", datetime(2026, 11, 30, 9, tzinfo=UTC))


@pytest.mark.parametrize(
    ("fields", "said", "name"),
    [
        (
            {"holidays": "US", "business_day": [1, -1]},
            "runs on business day 1 and -1 of a month (holidays of US) only until 2027-12-31",
            "daily 09:00 UTC business day 1 last 1 without holidays of US",
        ),
        ({"business_day": 1}, "runs on business day 1 of a month (Monday to Friday) only until 2027-12-31", None),
        (
            {"holidays": "US", "on_holiday": "only", "freeze": "12-20 to 01-03"},
            "runs on holidays of US only, frozen days are left out, until 2027-12-31",
            "daily 09:00 UTC only holidays of US",
        ),
        (
            {"holidays": "US", "on_weekend": "skip", "on_holiday": "next_business_day", "freeze": "12-24"},
            "holidays of US are moved to the next business day, weekends and frozen days are left out, until 2027-12-31",
            "daily 09:00 UTC without weekends moving holidays of US",
        ),
        ({"on_weekend": "skip"}, "weekends are left out until 2027-12-31", "daily 09:00 UTC without weekends"),
    ],
)
def test_a_plan_says_which_days_those_are(fields: dict[str, Any], said: str, name: str | None) -> None:
    """The note of the schedule tells its days, and up to when they are worked out; its name is short for it."""
    (found,) = stored_for({"cron": "0 9 * * *", **fields}, default_calendar=None, now=NOW.replace(month=10))

    assert found.note == said
    assert name is None or found.in_words == name


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"business_day": 0}, "no month has a business day 0; 1 is its first, -1 its last"),
        ({"business_day": 32}, "no month has a business day 32"),
        ({"business_day": True}, "business_day"),
        ({"business_day": 1, "on_weekend": "skip"}, "business_day leaves on_weekend nothing to do"),
        ({"business_day": 1, "on_holiday": "only", "holidays": "US"}, "business_day leaves on_holiday nothing to do"),
        ({"on_holiday": "only", "on_weekend": "skip", "holidays": "US"}, "on_holiday: only leaves on_weekend"),
        ({"on_holiday": "only"}, "on_holiday: only without holidays runs never"),
        ({"cron": "0 9 2 1 *", "on_holiday": "only", "holidays": "US"}, "is on such a holiday"),
        ({"cron": "0 9 * * 6", "on_weekend": "skip"}, "falls on a weekend"),
        ({"freeze": "12-20 to 2027-01-03"}, "give both 12-20 and 2027-01-03 a year, or neither"),
        ({"freeze": "02-29"}, "02-29 is no day of every year"),
        ({"freeze": "13-01"}, "'13-01' is no span of days"),
        (
            {"holidays": {"country": "US", "except_holidays": "Colombus Day"}},
            "the calendar US has no holiday 'Colombus Day'\n  Did you mean 'Columbus Day'?",
        ),
        ({"holidays": {"market": "NYSE", "except_holidays": "Diwali"}}, "the calendar NYSE has no holiday 'Diwali'"),
        ({"holidays": {"ics": "a.ics", "except_holidays": "Diwali"}}, "needs a country or a market"),
    ],
)
def test_what_means_nothing_is_refused(fields: dict[str, Any], told: str) -> None:
    """With what is wrong, and the nearest name where one is unknown."""
    with pytest.raises(ScheduleError, match=re.escape(told)):
        stored_for({"cron": "0 9 * * *", **fields}, default_calendar=None, now=NOW)


CLOSES = ["NYSE", {"market": "NYSE", "categories": "half_day", "closes": "13:00"}]


@pytest.mark.parametrize(
    ("on_holiday", "expected"),
    [
        ("skip", ["11-27 09:00", "12-04 09:00", "12-04 15:00"]),
        ("next_business_day", ["11-27 09:00", "11-30 15:00", "12-04 09:00"]),
        # Thanksgiving is before, and has no runs either
        ("previous_business_day", ["11-25 15:00", "11-27 09:00", "12-04 09:00"]),
    ],
)
def test_where_a_market_closes_early_the_runs_before_that_stay(on_holiday: str, expected: list[str]) -> None:
    """On the day after Thanksgiving it closes at one: the run at nine stays, the one at three is left out or moves."""
    spec = {"cron": "0 9,15 * * 5", "timezone": "America/New_York", "holidays": CLOSES, "on_holiday": on_holiday}
    fires = preview(spec, now=NOW, count=3).fires

    assert [f"{fire:%m-%d %H:%M}" for fire in fires] == expected


def test_a_run_moves_onto_a_day_that_closes_early_only_if_it_is_early_enough() -> None:
    """From Thanksgiving a run at nine goes to the Friday; one at three goes to the Monday."""
    spec = {"timezone": "America/New_York", "holidays": CLOSES, "on_holiday": "next_business_day"}
    thursdays = {at: preview({**spec, "cron": f"0 {at} * * 4"}, now=NOW, count=1).fires[0] for at in (9, 15)}

    assert {at: f"{fire:%m-%d}" for at, fire in thursdays.items()} == {9: "11-27", 15: "11-30"}
