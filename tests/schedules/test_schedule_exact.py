"""What is stored for one schedule: the seed's form, the compact forms, existing lines, horizons and slugs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import RRuleSchedule as ClientRRule
from prefect.server.schemas.schedules import RRuleSchedule
from schedule_oracle import days_off, evaluated, expected_runs, next_dates
from stored import stored_for
from support import calls_made_by

from meta_prefect.errors import ScheduleError
from meta_prefect.interfaces.schedules import Schedule

SUMMER = datetime(2026, 6, 15, 12, tzinfo=UTC)
SEED = "FREQ=DAILY;BYDAY=MO,WE,FR,SA"
MINUTES = ",".join(str(minute) for minute in range(60))


def stored(rrule: str, *, now: datetime = SUMMER, **fields: Any) -> Schedule:
    """The one schedule that is stored for an rrule with the holidays of the United States."""
    (found,) = stored_for({"rrule": rrule, "holidays": "US", **fields}, default_calendar=None, now=now)
    return found


def test_the_seeds_schedule_is_its_rule_and_one_list_of_excluded_dates() -> None:
    """The rule stays as it was written; below it stand this year's and the next year's holidays, observed days included."""
    found = stored(SEED, timezone="US/Pacific")
    federal = holidays.country_holidays("US", years=[2026, 2027])
    running = sorted(day for day in federal if day.weekday() in {0, 2, 4, 5})

    assert found.rrule == f"{SEED}\nEXDATE:{','.join(f'{day:%Y%m%d}T000000' for day in running)}"
    assert (found.timezone, found.slug, found.active) == ("US/Pacific", "rrule", None)
    assert date(2026, 7, 3) in running  # Independence Day falls on a Saturday
    assert found.note == "holidays of US are left out until 2027-12-31"


@pytest.mark.parametrize(
    ("rule", "walls"),
    [
        pytest.param("FREQ=DAILY;BYHOUR=9", ["090000"], id="nine-o-clock"),
        pytest.param("FREQ=DAILY;BYHOUR=9,17;BYMINUTE=0,30", ["090000", "093000", "170000", "173000"], id="four-times"),
        pytest.param("DTSTART:20260101T083015\nFREQ=DAILY", ["083015"], id="time-of-dtstart"),
    ],
)
def test_excluded_are_the_times_at_which_the_schedule_fires(rule: str, walls: list[str]) -> None:
    """An EXDATE at midnight would not stop a run at nine: each excluded moment is one at which the rule fires."""
    text = stored(rule).rrule

    assert text is not None
    first_line = text.splitlines()[-1].removeprefix("EXDATE:").split(",")
    assert [moment for moment in first_line if moment.startswith("20260703")] == [f"20260703T{wall}" for wall in walls]


@pytest.mark.parametrize(
    ("rule", "counted"),
    [
        pytest.param("FREQ=HOURLY", "FREQ=HOURLY", id="hourly"),
        pytest.param(
            "FREQ=MINUTELY;INTERVAL=15", "DTSTART:20261101T000000\nFREQ=MINUTELY;INTERVAL=15", id="every-15-minutes"
        ),
        pytest.param(
            "FREQ=MINUTELY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,10,11,12,13,14,15,16",
            "DTSTART:20261101T000000\nFREQ=MINUTELY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,10,11,12,13,14,15,16",
            id="business-minutes",
        ),
        pytest.param(
            f"FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,10,11;BYMINUTE={MINUTES}",
            f"DTSTART:20261101T000000\nFREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,10,11;BYMINUTE={MINUTES}",
            id="listed-minutes",
        ),
    ],
)
def test_frequent_schedules_fit_and_are_quick_to_evaluate(rule: str, counted: str) -> None:
    """400 days of holidays fit into Prefect's 6500 characters, every run is right, and a look costs the server little."""
    now, zone = datetime(2026, 11, 22, 9, tzinfo=UTC), "America/New_York"
    text = stored(rule, timezone=zone, now=now).rrule
    assert text is not None
    assert len(text) <= 6500
    DeploymentScheduleCreate(schedule=ClientRRule(rrule=text, timezone=zone))
    schedule = RRuleSchedule(rrule=text, timezone=zone)

    assert calls_made_by(lambda: next_dates(schedule, now, now + timedelta(days=100))) < 1_000_000

    end = now + timedelta(days=400)
    # the oracle walks from the start that it is given: a recent one, at which the phase is that of 2020
    assert evaluated(text, zone, now, end) == expected_runs(counted, zone, "US", now, end)


def test_a_single_run_before_the_start_is_left_out_too() -> None:
    """An RDATE may lie before DTSTART, where no EXRULE reaches; it is left out by name."""
    lines = "DTSTART:20260620T000000\nRRULE:FREQ=MINUTELY;INTERVAL=20\nRDATE:20260619T090000"
    now = datetime(2026, 6, 18, tzinfo=UTC)
    text = stored(lines, now=now).rrule

    assert text is not None
    assert "\nEXDATE:20260619T090000\nEXRULE:" in text
    assert evaluated(text, "UTC", now, datetime(2026, 7, 8, tzinfo=UTC))[0] == datetime(2026, 6, 20, tzinfo=UTC)


def test_every_minute_of_the_day_leaves_out_whole_days() -> None:
    """A run every minute, all day and all night: nothing on the holiday, and no minute missing beside it."""
    text = stored("FREQ=MINUTELY", timezone="America/New_York", now=datetime(2026, 11, 22, tzinfo=UTC)).rrule

    assert text is not None
    thanksgiving = datetime(2026, 11, 26, 5, tzinfo=UTC)
    before = evaluated(text, "America/New_York", thanksgiving - timedelta(hours=2), thanksgiving + timedelta(hours=26))
    assert len(before) == 120 + 121
    assert not [run for run in before if thanksgiving <= run < thanksgiving + timedelta(days=1)]


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param("FREQ=MINUTELY;INTERVAL=17", id="minutes-that-drift"),
        pytest.param("FREQ=HOURLY;INTERVAL=5", id="hours-that-drift"),
        pytest.param("RRULE:FREQ=MINUTELY;INTERVAL=45\nRRULE:FREQ=HOURLY;INTERVAL=7;BYMINUTE=20", id="two-rules"),
    ],
)
def test_a_recent_start_keeps_the_phase_of_2020(rule: str) -> None:
    """Rules that Prefect would count from 2020 name the same times with the start that we give them."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    text = stored(rule, now=now).rrule
    end = now + timedelta(days=30)

    assert text is not None
    assert evaluated(text, "UTC", now, end) == expected_runs(rule, "UTC", "US", now, end)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=HOURLY;INTERVAL=12;BYHOUR=0,12",
        "FREQ=HOURLY;INTERVAL=2;BYHOUR=8,10;COUNT=9000",
        "FREQ=MINUTELY;INTERVAL=20;BYMINUTE=0,40",
        "RRULE:FREQ=DAILY;BYHOUR=0,9\nEXRULE:FREQ=HOURLY;INTERVAL=12;BYHOUR=0",
    ],
)
def test_prefect_takes_a_rule_that_depends_on_its_start_at_any_hour(rule: str) -> None:
    """Prefect checks a rule without a start as if it started now, which may contradict its hours: it is stored with one."""
    (plain,) = stored_for(rule, default_calendar=None, now=SUMMER)
    end = SUMMER + timedelta(days=100)

    for text, calendar in ((plain.rrule, None), (stored(rule).rrule, "US")):
        assert text is not None
        assert text.startswith("DTSTART:20")
        assert evaluated(text, "UTC", SUMMER, end) == expected_runs(rule, "UTC", calendar, SUMMER, end)


def test_existing_lines_are_kept_as_they_were_written() -> None:
    """Own starts, exclusions and additions stay, and additions on holidays are left out too."""
    lines = [
        "DTSTART:20250106T093000",
        "RRULE:FREQ=WEEKLY;BYDAY=MO",
        "EXRULE:FREQ=MONTHLY;BYDAY=1MO",
        "RDATE:20261225T120000,20261223T120000",
        "EXDATE:20260720T093000",
    ]
    text = stored("\n".join(lines)).rrule

    assert text is not None
    assert text.splitlines()[:-1] == lines
    assert "20261225T120000" in text.splitlines()[-1]
    assert "20261223T120000" not in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), date(2027, 12, 31)),
        (datetime(2026, 11, 20, tzinfo=UTC), date(2027, 12, 31)),
        (datetime(2026, 12, 10, tzinfo=UTC), date(2028, 2, 29)),
    ],
    ids=["january", "november", "december"],
)
def test_the_horizon_is_the_end_of_next_year_and_at_least_400_days(now: datetime, until: date) -> None:
    """Days off are worked out to the end of next year; near its end, to the February after."""
    found = stored(SEED, now=now)

    assert found.note == f"holidays of US are left out until {until}"
    assert until - now.date() >= timedelta(days=400)


def test_a_horizon_that_must_be_cut_keeps_400_days_and_says_so() -> None:
    """Every 29 minutes is on other times of each holiday: two years of two calendars do not fit, 400 days do, exactly."""
    now, zone = datetime(2026, 1, 2, tzinfo=UTC), "Asia/Kolkata"
    anchor = datetime(2026, 3, 1, 0, 17, tzinfo=UTC)
    spec = {"interval": "every 29 minutes", "anchor_date": anchor, "timezone": zone, "holidays": ["JP", "US"]}
    (found,) = stored_for(spec, default_calendar=None, now=now)
    until = date(2027, 2, 28)
    off = {day for calendar in ("JP", "US") for day in days_off(calendar, [2026, 2027])}
    steps = ((now - anchor) // timedelta(minutes=29) + 1 + step for step in range(60_000))
    expected = [run for step in steps if (run := anchor + step * timedelta(minutes=29)).date() < until]

    assert found.note == f"holidays of JP + US are left out until {until}"
    assert until - now.date() >= timedelta(days=400)
    assert found.rrule is not None
    assert len(found.rrule) <= 6500
    assert evaluated(found.rrule, found.timezone, now, datetime.combine(until, datetime.min.time(), UTC)) == [
        run for run in expected if run.astimezone(ZoneInfo(zone)).date() not in off
    ]


def test_a_rare_run_that_is_on_a_holiday_this_time_is_only_left_out() -> None:
    """12 October 2026 is Columbus Day, 12 October 2028 is not: the schedule is no mistake."""
    text = stored("FREQ=YEARLY;INTERVAL=2;BYMONTH=10;BYMONTHDAY=12").rrule

    assert text is not None
    assert text.endswith("\nEXDATE:20261012T000000")


def test_the_stored_text_is_the_same_all_year() -> None:
    """Deploying again changes nothing, so that Prefect keeps the runs that it has scheduled."""
    assert stored(SEED, now=datetime(2026, 2, 3, tzinfo=UTC)) == stored(SEED, now=datetime(2026, 10, 9, tzinfo=UTC))


def test_without_a_calendar_everything_stays_as_it_was_written() -> None:
    """Cron, interval and rrule are passed on unchanged where no day is left out."""
    specs = ["0 9 * * 1-5", "every 15 minutes", SEED, {"cron": "@daily", "timezone": "Europe/Berlin", "active": False}]
    cron, interval, rrule, named = stored_for(specs, default_calendar=None, now=SUMMER, default_active=True)

    assert (cron.cron, cron.rrule, cron.active) == ("0 9 * * 1-5", None, True)
    assert interval.interval == timedelta(minutes=15)
    assert (rrule.rrule, rrule.note) == (SEED, None)
    assert (named.cron, named.timezone, named.active) == ("@daily", "Europe/Berlin", False)
    assert [found.slug for found in (cron, interval, rrule, named)] == ["cron", "interval", "rrule", "cron-2"]


def test_a_schedule_that_says_false_has_no_holidays_despite_the_default() -> None:
    """``holidays: false`` turns the recipe's default calendar off for one schedule."""
    plain, without = stored_for([SEED, {"rrule": SEED, "holidays": False}], default_calendar="US", now=SUMMER)

    assert plain.rrule is not None
    assert "EXDATE" in plain.rrule
    assert without.rrule == SEED


def test_slugs_are_the_users_or_the_kind_and_never_twice() -> None:
    """Slugs do not change from deploy to deploy; a derived one steps aside for a given one."""
    specs = [{"rrule": SEED, "slug": "rrule-2", "parameters": {"x": 2}}, SEED, {"rrule": SEED, "parameters": {"x": 1}}]

    assert [found.slug for found in stored_for(specs, default_calendar=None, now=SUMMER)] == [
        "rrule-2",
        "rrule",
        "rrule-3",
    ]
    with pytest.raises(ScheduleError, match="two schedules have the slug 'night'"):
        stored_for([{"rrule": SEED, "slug": "night"}] * 2, default_calendar=None, now=SUMMER)


def test_nothing_runs_in_a_freeze() -> None:
    """Frozen days are left out, both ends included, and no run of a holiday moves into them."""
    freeze = {"from": "2026-12-24", "to": "2027-01-03"}
    frozen = [freeze, "2026-08-03 to 2026-08-03"]
    text = stored("FREQ=DAILY;BYHOUR=9", freeze=frozen, on_holiday="previous_business_day").rrule

    assert text is not None
    days = {run.date() for run in evaluated(text, "UTC", SUMMER, datetime(2027, 12, 31, tzinfo=UTC))}
    assert not [day for day in days if date(2026, 12, 24) <= day <= date(2027, 1, 3)]
    assert date(2026, 8, 3) not in days
    assert {date(2026, 12, 23), date(2027, 1, 4), date(2026, 8, 4)} <= days


@pytest.mark.parametrize(
    ("freeze", "first", "last"),
    [
        ("2026-07-01 to 2029-06-30", date(2026, 7, 1), date(2029, 6, 30)),
        ("2028-01-01 to 2028-12-31", date(2028, 1, 1), date(2028, 12, 31)),
    ],
    ids=["three-years", "the-year-after-next"],
)
def test_a_long_freeze_fits(freeze: str, first: date, last: date) -> None:
    """Hundreds of frozen days fit beside the holidays, and the runs before and after them go on."""
    text = stored("FREQ=DAILY;BYHOUR=9,21", timezone="Europe/Berlin", freeze=[freeze]).rrule
    begin, end = datetime(2026, 6, 20, tzinfo=UTC), datetime(2030, 12, 31, tzinfo=UTC)
    days = [begin.date() + timedelta(days=n) for n in range((end - begin).days)]
    off = [day for day in days_off("US", [2026, 2029]) if day <= last]

    assert text is not None
    assert len(text) <= 6500
    running = {run.date() for run in evaluated(text, "Europe/Berlin", begin, end)}
    assert running == {day for day in days if not first <= day <= last and day not in off}
