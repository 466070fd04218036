"""Runs that move from a holiday to a business day: none is lost, none runs on a holiday, none runs twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from schedule_oracle import evaluated, expected_runs
from stored import stored_for

from meta_prefect.schedules.preview import preview

SUMMER = datetime(2026, 6, 15, 12, tzinfo=UTC)
CAIRO = ZoneInfo("Africa/Cairo")
# Showa Day, a holiday of Japan; at its end the clocks in Cairo skip the hour after midnight
SHOWA_EVE = datetime(2027, 4, 28, 12, tzinfo=UTC)


def stored(rrule: str, **fields: Any) -> str:
    """The lines that are stored for an rrule with the holidays of the United States."""
    (found,) = stored_for({"rrule": rrule, "holidays": "US", **fields}, default_calendar=None, now=SUMMER)
    assert found.rrule is not None
    return found.rrule


def around_showa_day(on_holiday: str = "next_business_day", **spec: Any) -> list[str]:
    """The local times of the stored schedule's runs in Cairo, from the day before the holiday to the second day after."""
    wanted = {**spec, "timezone": CAIRO.key, "holidays": "JP", "on_holiday": on_holiday}
    (found,) = stored_for(wanted, default_calendar=None, now=SHOWA_EVE)
    assert found.rrule is not None
    runs = evaluated(found.rrule, found.timezone, SHOWA_EVE, SHOWA_EVE + timedelta(days=3))
    return [run.astimezone(CAIRO).strftime("%d %H:%M") for run in runs]


@pytest.mark.parametrize(
    ("on_holiday", "expected"),
    [
        # Monday 7 September 2026 is Labor Day, Monday 12 October Columbus Day
        ("next_business_day", ["20260908T090000", "20261013T090000"]),
        ("previous_business_day", ["20260904T090000", "20261009T090000"]),
    ],
)
def test_a_run_on_a_holiday_moves_to_a_business_day(on_holiday: str, expected: list[str]) -> None:
    """The weekly run of a holiday happens on the nearest working day, at the same time of day."""
    text = stored("FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", on_holiday=on_holiday)

    added = next(line for line in text.splitlines() if line.startswith("RDATE:"))
    assert [
        moment for moment in added.removeprefix("RDATE:").split(",") if "20260901" < moment < "20261101"
    ] == expected


def test_what_is_left_out_in_one_year_stays_in_the_other() -> None:
    """6 September is Labor Day in 2027 and an ordinary Sunday in 2026: no rule that leaves out the one takes away the other."""
    rule = "FREQ=HOURLY;BYMONTHDAY=1,4,6;BYDAY=MO,FR,SU;BYMINUTE=0,1,2"
    zone, now, end = "America/New_York", datetime(2026, 1, 2, 12, tzinfo=UTC), datetime(2027, 12, 31, tzinfo=UTC)
    spec = {"rrule": rule, "timezone": zone, "holidays": "US", "on_holiday": "previous_business_day"}
    (found,) = stored_for(spec, default_calendar=None, now=now)

    assert found.rrule is not None
    assert "EXRULE" in found.rrule
    expected = expected_runs(rule, zone, "US", now, end, on_holiday="previous_business_day")
    assert len([run for run in expected if run.astimezone(ZoneInfo(zone)).date() == date(2026, 9, 6)]) == 72
    assert evaluated(found.rrule, zone, now, end) == expected


def test_a_moved_run_is_not_added_where_one_is_already() -> None:
    """A daily run has nothing to add on the next business day."""
    text = stored("FREQ=DAILY;BYHOUR=9", on_holiday="next_business_day")

    assert "RDATE" not in text


def test_many_moved_runs_become_rules() -> None:
    """Every ten minutes on Mondays: too many for a list, and still exactly right."""
    rule = "FREQ=DAILY;BYDAY=MO;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23;BYMINUTE=0,10,20,30,40,50"
    text = stored(rule, timezone="US/Pacific", on_holiday="next_business_day")
    end = datetime(2027, 12, 29, tzinfo=UTC)

    assert "RDATE" not in text
    expected = expected_runs(rule, "US/Pacific", "US", SUMMER, end, on_holiday="next_business_day")
    assert evaluated(text, "US/Pacific", SUMMER, end) == expected


@pytest.mark.parametrize(
    ("spec", "runs"),
    [
        pytest.param({"rrule": "FREQ=WEEKLY;BYDAY=TH"}, ["30 01:00"], id="only-the-moved-run"),
        pytest.param({"cron": "30 0 * * THU"}, ["30 01:30"], id="half-past"),
        # the midnight of the 30th itself would be the evening of the holiday: it moves to the same moment
        pytest.param({"rrule": "FREQ=DAILY"}, ["30 01:00", "01 00:00"], id="a-run-of-the-skipped-midnight-too"),
        pytest.param(
            {"rrule": "RRULE:FREQ=DAILY;INTERVAL=1\nRRULE:FREQ=HOURLY;INTERVAL=12;BYHOUR=0,12"},
            ["30 01:00", "30 12:00", "01 00:00", "01 12:00"],
            id="beside-another-rule",
        ),
        pytest.param(
            {"interval": "PT12H", "anchor_date": "2027-04-29T00:00:00+02:00"},
            ["30 01:00", "30 12:00", "30 13:00", "01 01:00", "01 13:00"],
            id="elapsed-time",
        ),
        pytest.param(
            {"rrule": "RRULE:FREQ=WEEKLY;BYDAY=TH\nEXDATE:20270430T000000"}, [], id="the-user-excluded-that-midnight"
        ),
        pytest.param(
            {"rrule": "RRULE:FREQ=WEEKLY;BYDAY=TH\nEXDATE:20270430T010000"}, [], id="the-user-excluded-the-hour-after"
        ),
    ],
)
def test_a_run_that_moves_to_a_midnight_that_the_clocks_skip_starts_after_the_gap(
    spec: dict[str, str], runs: list[str]
) -> None:
    """Prefect would run that midnight on the evening before, which is the holiday: it starts as much later, once."""
    assert around_showa_day(**spec) == runs


def test_a_daily_and_an_hourly_rule_lose_no_moved_run_at_a_skipped_midnight() -> None:
    """Over two years, Prefect's evaluation of both rules in Cairo with Japan's holidays equals the plain expansion."""
    text, now, end = (
        "RRULE:FREQ=DAILY;INTERVAL=1\nRRULE:FREQ=HOURLY;INTERVAL=1",
        datetime(2026, 1, 1, 3, tzinfo=UTC),
        datetime(2027, 12, 31, tzinfo=UTC),
    )
    spec = {"rrule": text, "timezone": CAIRO.key, "holidays": "JP", "on_holiday": "next_business_day"}
    (found,) = stored_for(spec, default_calendar=None, now=now)

    assert found.rrule is not None
    expected = expected_runs(text, CAIRO.key, "JP", now, end, on_holiday="next_business_day")
    assert datetime(2027, 4, 29, 22, tzinfo=UTC) in expected  # one o'clock on the 30th
    assert evaluated(found.rrule, CAIRO.key, now, end) == expected


def test_the_preview_says_that_a_moved_run_starts_after_the_gap() -> None:
    """The run is shown at its real time, and a remark gives the reason."""
    spec = {"cron": "0 0 * * THU", "timezone": CAIRO.key, "on_holiday": "next_business_day"}
    found = preview(spec, now=SHOWA_EVE, count=1, default_calendar="JP")

    assert found.skipped[0].moved_to == found.fires[0] == datetime(2027, 4, 30, 1, tzinfo=CAIRO)
    assert found.remarks[-1] == (
        "2027-04-30: the clocks in Africa/Cairo skip 00:00 to 01:00; what moves there from a holiday starts at 01:00"
    )


def test_an_interval_moves_its_runs_over_the_turn_of_the_year() -> None:
    """31 December 2027 is New Year's Day observed: each of its runs starts on Monday 3 January, also in a deploy on the 1st."""
    spec = {
        "interval": "every 5 hours",
        "anchor_date": "2027-12-31T09:17:00Z",
        "timezone": "Europe/Berlin",
        "holidays": "US",
        "on_holiday": "next_business_day",
    }
    now = datetime(2027, 12, 31, 23, 59, tzinfo=UTC)
    (found,) = stored_for(spec, default_calendar=None, now=now)
    monday = datetime(2028, 1, 2, 23, tzinfo=UTC)

    assert found.rrule is not None
    runs = evaluated(found.rrule, found.timezone, monday, monday + timedelta(days=1))
    own = {monday.replace(day=3, hour=hour, minute=17) for hour in (2, 7, 12, 17, 22)}
    from_friday = {monday + timedelta(hours=hours, minutes=17) for hours in (0, 5, 10, 15, 20)}
    from_saturday = {monday + timedelta(hours=hours, minutes=17) for hours in (1, 6, 11, 16, 21)}
    assert set(runs) == own | from_friday | from_saturday
