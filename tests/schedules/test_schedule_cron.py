"""Cron expressions and intervals with days off: an equal rrule, or a refusal that says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import prefect
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule
from schedule_oracle import days_off, evaluated, next_dates
from stored import stored_for
from test_schedule_property import EXAMPLES

from meta_prefect.errors import ScheduleError
from meta_prefect.schedules.cron import cron_to_rrule

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS_STAY_LOCAL = tuple(int(part) for part in prefect.__version__.split(".")[:2]) >= (3, 9)


def cron_dates(cron: str, *, day_or: bool = True, count: int = 400) -> list[datetime]:
    """The next dates that Prefect finds for a cron expression in UTC."""
    return next_dates(CronSchedule(cron=cron, timezone="UTC", day_or=day_or), BEGIN, count=count)


def rrule_dates(rrule: str, until: datetime) -> list[datetime]:
    """The dates that Prefect finds for an rrule in UTC."""
    recent = f"DTSTART:20260101T000000\n{rrule}"
    return evaluated(recent, "UTC", BEGIN, until)


@pytest.mark.parametrize(
    ("cron", "rrule"),
    [
        ("0 9 * * 1-5", "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0"),
        ("*/15 8-18 * * MON-FRI", None),
        ("0 0 1 * *", "FREQ=DAILY;BYMONTHDAY=1;BYHOUR=0;BYMINUTE=0"),
        ("0 9 * * 1#1", "FREQ=MONTHLY;BYDAY=1MO;BYHOUR=9;BYMINUTE=0"),
        ("@daily", "FREQ=DAILY;BYHOUR=0;BYMINUTE=0"),
        ("@hourly", "FREQ=HOURLY;BYMINUTE=0"),
        ("@weekly", None),
        ("@monthly", None),
        ("@yearly", None),
        ("@midnight", None),
        ("* * * * *", "FREQ=MINUTELY"),
        ("* 9-17 * * 1-5", None),
        ("5,35 6,18 * 1,7 *", None),
        ("10/20 */6 * * *", None),
        ("0 12 1-7/2 */3 *", None),
        (
            "0 0 13 * 5",
            "RRULE:FREQ=DAILY;BYMONTHDAY=13;BYHOUR=0;BYMINUTE=0\nRRULE:FREQ=DAILY;BYDAY=FR;BYHOUR=0;BYMINUTE=0",
        ),
        ("0 0 */2 * 1", None),
        ("0 0 1,15 * */2", None),
        ("0 0 1-31 * 3", None),
        ("0 0 l * *", "FREQ=DAILY;BYMONTHDAY=-1;BYHOUR=0;BYMINUTE=0"),
        ("30 4 1,l 2 *", None),
        ("0 9 * * l5", "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9;BYMINUTE=0"),
        ("* 9 * * 2#2,4#4", None),
        ("15 * * 10 1#3", None),
        ("0 9 * * FRI-MON", None),
        ("0 22-3 * * 5-7", None),
        ("0 0 28-3/2 * *", None),
        ("0 9 ? * 7", None),
        ("0 9 5-5 * *", None),
        ("0 0 29 2 *", None),
    ],
)
def test_a_cron_expression_equals_its_rrule(cron: str, rrule: str | None) -> None:
    """Prefect finds the same dates for both, over 400 runs."""
    made = cron_to_rrule(cron)
    dates = cron_dates(cron)

    assert rrule in {None, made}
    assert rrule_dates(made, dates[-1]) == dates


def test_days_may_join_as_both() -> None:
    """With ``day_or: false``, Friday the 13th is a Friday and a 13th."""
    made = cron_to_rrule("0 0 13 * 5", day_or=False)

    assert made == "FREQ=DAILY;BYMONTHDAY=13;BYDAY=FR;BYHOUR=0;BYMINUTE=0"
    assert rrule_dates(made, datetime(2030, 1, 1, tzinfo=UTC)) == [
        run for run in cron_dates("0 0 13 * 5", day_or=False, count=20) if run.year < 2030
    ]


def items(low: int, high: int) -> st.SearchStrategy[str]:
    """One cron field: a star, numbers, ranges (also over the end) and steps, in lists."""
    number = st.integers(low, high).map(str)
    span = st.tuples(number, number).map("-".join)
    step = st.integers(1, 7).map("/{}".format)
    item = st.one_of(number, span, st.tuples(st.one_of(st.just("*"), number, span), step).map("".join))
    return st.one_of(st.just("*"), st.lists(item, min_size=1, max_size=2).map(",".join))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    fields=st.tuples(items(0, 59), items(0, 23), items(1, 31), items(1, 12), items(0, 7)),
    day_or=st.booleans(),
)
def test_any_cron_expression_equals_its_rrule(fields: tuple[str, ...], *, day_or: bool) -> None:
    """Whatever the fields, Prefect finds the same dates for the cron expression and the rrule."""
    cron = " ".join(fields)
    made = cron_to_rrule(cron, day_or=day_or)
    try:
        stored_for({"cron": cron, "day_or": day_or}, default_calendar=None, now=NOW)
    except ScheduleError as refused:
        assume("never fires" not in refused.message)
        raise
    dates = cron_dates(cron, day_or=day_or, count=60)

    assert rrule_dates(made, dates[-1]) == dates


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 9 * *", "4 fields instead of five"),
        ("0 0 9 * * *", "6 fields"),
        ("61 9 * * *", "minute 61 is not within 0 to 59"),
        ("0 9 * * MOM", "'mom' is no day of week\n  Did you mean 'mon'"),
        ("0 9 * * 1,2#2", "mixes weekdays"),
        ("0 9 10 * 1#3", "does not join a day of month with the n-th weekday"),
        ("0 9 * * 1#6", "there is no '1#6'"),
        ("*/0 * * * *", "step of 0"),
        ("h 9 * * *", "'h' is no minute"),
        ("0 9 15w * *", "'15w' is no day of month\n  Prefect's cron does not know the nearest weekday"),
        ("0 9 * * 5l", "'5l' is no day of week\n  The last Friday of a month is l5"),
        ("@dayly", "no cron name '@dayly'\n  Did you mean '@daily'"),
        ("0 0 31 2 *", "never fires"),
    ],
)
def test_a_wrong_cron_expression_is_refused(cron: str, said: str) -> None:
    """The error names the field and the offending value, with or without a calendar."""
    for calendar in (None, "US"):
        with pytest.raises(ScheduleError, match=said.replace("*", r"\*")) as refused:
            stored_for({"cron": cron}, default_calendar=calendar, now=NOW)
        assert refused.value.where is None


def test_cron_with_a_calendar_skips_the_holidays() -> None:
    """The rrule that is stored instead runs when cron would, except on holidays."""
    (stored,) = stored_for({"cron": "30 9 * * 1-5", "timezone": "US/Pacific"}, default_calendar="US", now=NOW)
    end = NOW + timedelta(days=400)
    server = CronSchedule(cron="30 9 * * 1-5", timezone="US/Pacific")
    off = days_off("US", [2026, 2027])

    assert (stored.cron, stored.slug) == (None, "cron")
    assert stored.rrule is not None
    expected = [
        run
        for run in next_dates(server, NOW, end, count=900)
        if run.astimezone(ZoneInfo("US/Pacific")).date() not in off
    ]
    assert evaluated(stored.rrule, "US/Pacific", NOW, end) == expected


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC", "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    ("interval", "anchor"),
    [
        ("every 5 hours", "2026-02-03T04:30:00+00:00"),
        ("every 50 minutes", "2027-05-01T00:00:00+02:00"),
        ("PT7H30M", "2019-01-01T00:00:00-08:00"),
    ],
)
def test_an_interval_with_a_calendar_keeps_its_elapsed_time(interval: str, anchor: str, zone: str) -> None:
    """Hours are counted across clock changes as Prefect counts them, and the holidays are those of the zone."""
    spec = {"interval": interval, "anchor_date": anchor, "timezone": zone}
    (stored,) = stored_for(spec, default_calendar="US", now=NOW)
    (plain,) = stored_for(spec, default_calendar=None, now=NOW)
    server = IntervalSchedule(
        interval=cast("Any", plain.interval), anchor_date=cast("Any", plain.anchor_date), timezone=zone
    )
    end = NOW + timedelta(days=400)
    runs: list[datetime] = []
    while chunk := next_dates(server, runs[-1] + timedelta(seconds=1) if runs else NOW, end, count=900):
        runs += chunk
    off = days_off("US", [2026, 2027])
    expected = [run for run in runs if run.astimezone(ZoneInfo(zone)).date() not in off]

    assert stored.rrule is not None
    assert evaluated(stored.rrule, stored.timezone, NOW, end) == expected


@pytest.mark.parametrize("zone", ["America/New_York", "UTC"] if DAYS_STAY_LOCAL else ["UTC", "Asia/Kolkata"])
def test_an_interval_of_days_keeps_its_local_time(zone: str) -> None:
    """Every third day at nine stays at nine; before 3.9, Prefect itself does so only where clocks never change."""
    anchor = datetime(2026, 1, 5, 9, tzinfo=ZoneInfo(zone))
    spec = {"interval": timedelta(days=3), "anchor_date": anchor, "timezone": zone}
    (stored,) = stored_for(spec, default_calendar="US", now=NOW)
    server = IntervalSchedule(interval=timedelta(days=3), anchor_date=cast("Any", anchor), timezone=zone)
    end = NOW + timedelta(days=400)
    off = days_off("US", [2026, 2027])

    assert stored.rrule is not None
    assert evaluated(stored.rrule, zone, NOW, end) == [
        run for run in next_dates(server, NOW, end, count=900) if run.astimezone(ZoneInfo(zone)).date() not in off
    ]
