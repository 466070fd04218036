"""Whatever the schedule, the zone and the calendar: what we store runs when it should, and not on a day off."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, event, given, note, seed, settings
from hypothesis import strategies as st
from prefect.server.schemas.schedules import RRuleSchedule
from schedule_oracle import evaluated, expected_runs, next_dates
from stored import horizon, stored_for

from meta_prefect.errors import ScheduleError

# thousands are a matter of minutes: META_PREFECT_TEST_EXAMPLES=4000 uv run pytest tests/schedules -k property
EXAMPLES = int(os.environ.get("META_PREFECT_TEST_EXAMPLES", "15"))
SEED = int(os.environ.get("META_PREFECT_TEST_SEED", "0")) or random.randrange(1, 1_000_000)  # noqa: S311 - no secret
# days off are worked out to the end of the next year: from January that is two years
NOWS = (
    datetime(2026, 1, 1, 3, tzinfo=UTC),
    datetime(2026, 1, 2, 12, tzinfo=UTC),
    datetime(2026, 1, 20, 12, tzinfo=UTC),
    datetime(2026, 6, 15, 12, tzinfo=UTC),
    datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    datetime(2027, 12, 31, 23, 59, tzinfo=UTC),
)
PROPERTY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    print_blob=True,
)
pytestmark = pytest.mark.timeout(400 + EXAMPLES)  # a failure is first made smaller, for five minutes at most
# clocks that change at 2, at midnight (Havana, Beirut, Cairo, Santiago), by half an hour (Lord Howe), twice a year more
# (Casablanca), the other way round (Dublin), or never
ZONES = (
    "America/New_York",
    "US/Pacific",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/Havana",
    "Asia/Beirut",
    "Africa/Cairo",
    "America/Santiago",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "UTC",
)
CALENDARS = ("US", "US-CA", "DE-BY", "GB", "JP", "EG", "CU", "NYSE", "ECB")
ON_HOLIDAY = ("skip", "skip", "next_business_day", "previous_business_day")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def numbers(low: int, high: int, most: int = 4) -> st.SearchStrategy[str]:
    """A BY-list."""
    return st.sets(st.integers(low, high), min_size=1, max_size=most).map(
        lambda found: ",".join(map(str, sorted(found)))
    )


def maybe(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A part of a rule, or nothing."""
    return st.one_of(st.just(""), values.map(lambda value: f";{name}={value}"))


WEEKDAY_LISTS = st.sets(st.sampled_from(WEEKDAYS), min_size=1).map(lambda days: ",".join(sorted(days)))
MONTH_DAYS = st.one_of(numbers(1, 31), numbers(-5, -1))
NTH_WEEKDAYS = st.tuples(st.sampled_from(("1", "2", "3", "4", "-1", "-2")), st.sampled_from(WEEKDAYS)).map("".join)


@st.composite
def rules(draw: st.DrawFn, *, ended: bool = True) -> str:
    """One rule of any frequency down to every 20 minutes."""
    frequency = draw(st.sampled_from(("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY")))
    interval = draw(st.integers(20, 300) if frequency == "MINUTELY" else st.integers(1, 5))
    rule = f"FREQ={frequency};INTERVAL={interval}"
    rule += draw(maybe("BYMONTH", numbers(1, 12)))
    if frequency in {"YEARLY", "MONTHLY"}:
        day = st.one_of(
            MONTH_DAYS.map(";BYMONTHDAY={}".format),
            NTH_WEEKDAYS.map(";BYDAY={}".format),
            WEEKDAY_LISTS.flatmap(lambda days: st.sampled_from((1, -1, 2)).map(f";BYDAY={days};BYSETPOS={{}}".format)),
        )
        rule += draw(day)
    else:
        rule += draw(maybe("BYDAY", WEEKDAY_LISTS))
        rule += draw(maybe("WKST", st.sampled_from(WEEKDAYS)) if frequency == "WEEKLY" else st.just(""))
    rule += draw(maybe("BYHOUR", numbers(0, 23)))
    # every 20 minutes at 5, 10 and 15 is a contradiction more often than not
    rule += draw(maybe("BYMINUTE", numbers(0, 59, 40 if frequency == "MINUTELY" else 3)))
    if ended:
        counted = st.integers(5, 3000).map(";COUNT={}".format)
        limited = moments().map(";UNTIL={}".format)
        # most without an end: what is over already shows little
        ends = st.integers(0, 9).flatmap(lambda dice: (counted, limited, *(st.just(""),) * 8)[dice])
        rule += draw(ends)
    return rule


def moments(form: str = "T%H%M%S") -> st.SearchStrategy[str]:
    """A wall-clock time of the years in question."""
    minutes = st.integers(0, 3 * 365 * 24 * 12)
    begin = datetime(2026, 1, 1)  # noqa: DTZ001
    return minutes.map(lambda count: (begin + timedelta(minutes=5 * count)).strftime("%Y%m%d" + form))


@st.composite
def rrules(draw: st.DrawFn) -> str:
    """The lines of an rrule: one or two rules, a start, exclusions and additions."""
    first = draw(rules())
    frequent = "MINUTELY" in first
    lines = [f"RRULE:{first}"]
    if draw(st.booleans()):
        lines.append(f"RRULE:{draw(rules())}")
        frequent = frequent or "MINUTELY" in lines[-1]
    if draw(st.booleans()):
        lines.append(f"EXRULE:{draw(rules(ended=False))}")
        frequent = frequent or "MINUTELY" in lines[-1]
    if draw(st.booleans()):
        lines.append(f"RDATE:{draw(moments())},{draw(moments('T090000'))}")
    if draw(st.booleans()):
        lines.append(f"EXDATE:{draw(moments())},{draw(moments('T000000'))}")
    if frequent or draw(st.booleans()):
        year = 2026 if frequent else draw(st.sampled_from((2021, 2024, 2025, 2026)))
        day = f"{year}0{draw(st.integers(1, 9))}{draw(st.integers(10, 28))}"
        lines.insert(0, f"DTSTART:{day}T{draw(st.sampled_from(('000000', '023000', '143005')))}")
    return "\n".join(lines)


@seed(SEED)
@PROPERTY
@given(
    text=rrules(),
    zone=st.sampled_from(ZONES),
    calendar=st.sampled_from(CALENDARS),
    now=st.sampled_from(NOWS),
    on_holiday=st.sampled_from(ON_HOLIDAY),
)
def test_what_prefect_evaluates_is_the_plain_expansion_without_the_days_off(
    text: str, zone: str, calendar: str, now: datetime, on_holiday: str
) -> None:
    """Over the whole horizon, Prefect's own evaluation of what we store equals the oracle's, clock changes included."""
    note(f"seed {SEED}")
    wanted = {"rrule": text, "timezone": zone, "holidays": calendar, "on_holiday": on_holiday}
    try:
        (stored,) = stored_for(wanted, default_calendar=None, now=now)
    except ScheduleError as refused:
        over = "never fires after" in refused.message
        event(
            "refused: over"
            if over
            else "refused: always on holidays"
            if "every run" in refused.message
            else "refused: other"
        )
        # the oracle would search what names no time, or what an EXRULE takes away for ever, until the year 9999
        assume((over and "EXRULE" not in text) or "every run of" in refused.message)
        assert expected_runs(text, zone, None if over else calendar, now, now + timedelta(days=400)) == []
        return
    assert stored.rrule is not None
    assert len(stored.rrule) <= 6500
    note(f"stored: {stored.rrule}")
    end = horizon(stored.note)
    assert end - now > timedelta(days=399)
    expected = expected_runs(text, zone, calendar, now, end, on_holiday=on_holiday)

    event("some run left out" if len(stored.rrule) > len(text) else "nothing left out")
    for alike in (stored.rrule, *stored.alike):
        assert evaluated(alike, zone, now, end) == expected

    schedule = RRuleSchedule(rrule=stored.rrule, timezone=zone)
    asked = next_dates(schedule, now, end, count=20)
    assert asked == expected[: len(asked)]
    assert len(asked) == min(20, len(expected))


@pytest.mark.parametrize(
    ("rule", "zone"),
    [
        *(pytest.param("FREQ=DAILY;BYHOUR=0,1,2,3,23;BYMINUTE=30", zone, id=zone) for zone in ZONES),
        pytest.param("FREQ=HOURLY;BYMINUTE=0,30", "America/Havana", id="hourly-midnight-is-skipped"),
        pytest.param("FREQ=HOURLY;BYMINUTE=15", "Australia/Lord_Howe", id="hourly-half-an-hour-is-skipped"),
    ],
)
def test_every_clock_change_of_two_years_is_right(rule: str, zone: str) -> None:
    """Runs around midnight and in the small hours keep to the oracle on the days on which clocks change, in every zone."""
    now = datetime(2026, 1, 2, tzinfo=UTC)
    (stored,) = stored_for({"rrule": rule, "timezone": zone, "holidays": "US"}, default_calendar=None, now=now)
    end = datetime(2027, 12, 30, tzinfo=UTC)

    assert stored.rrule is not None
    assert evaluated(stored.rrule, zone, now, end) == expected_runs(rule, zone, "US", now, end)
