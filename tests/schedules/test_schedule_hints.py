"""What a refused schedule suggests does what it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from pydantic import TypeAdapter
from schedule_oracle import evaluated, next_dates
from stored import stored_for

from meta_prefect.errors import ScheduleError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SATURDAY = 5


def is_weekday(day: date) -> bool:
    """Monday to Friday."""
    return day.weekday() < SATURDAY


def nearest_weekday(wanted: int) -> Callable[[date], bool]:
    """Whether a day is the weekday nearest to a day of its month, as Quartz has it: never in another month."""

    def found(day: date) -> bool:
        goal = day.replace(day=wanted)
        candidates = [goal + offset * DAY for offset in (0, -1, 1, 2)]
        return day == next(one for one in candidates if is_weekday(one) and one.month == goal.month)

    return found


def last_weekday(day: date) -> bool:
    """Whether a day is the last weekday of its month."""
    following = [day + offset * DAY for offset in range(1, 8)]
    return is_weekday(day) and not any(is_weekday(one) and one.month == day.month for one in following)


@pytest.mark.parametrize(
    ("field", "is_meant"),
    [
        *(pytest.param(f"{day}W", nearest_weekday(day), id=f"{day}W") for day in (1, 2, 15, 27)),
        pytest.param("LW", last_weekday, id="LW"),
    ],
)
def test_the_suggested_rrule_of_a_weekday_fires_on_exactly_those_days(
    field: str, is_meant: Callable[[date], bool]
) -> None:
    """`15W` and `LW`, which Prefect's cron does not know, are answered with rrule lines that mean them, over four years."""
    with pytest.raises(ScheduleError) as refused:
        stored_for({"cron": f"0 9 {field} * *"}, default_calendar=None, now=NOW)
    assert refused.value.hint is not None
    lines = [line.strip() for line in refused.value.hint.splitlines() if "RRULE:" in line]
    (stored,) = stored_for({"rrule": "\n".join(lines)}, default_calendar=None, now=NOW)

    assert stored.rrule is not None
    found = evaluated(stored.rrule, "UTC", NOW, END)
    days = [NOW.date() + number * DAY for number in range((END - NOW).days)]
    assert found == [datetime(day.year, day.month, day.day, 9, tzinfo=UTC) for day in days if is_meant(day)]


def test_a_weekday_near_the_end_of_the_month_gets_no_suggestion_that_is_wrong_in_february() -> None:
    """No rrule lines mean `29W` in every month, so none are suggested."""
    with pytest.raises(ScheduleError, match=r"does not know the nearest weekday \(W\)\.") as refused:
        stored_for({"cron": "0 9 29W * *"}, default_calendar=None, now=NOW)

    assert "RRULE" not in str(refused.value)


def test_a_schedule_that_stands_there_twice_is_refused() -> None:
    """Two schedules that differ in nothing but their names would start each run twice; other parameters make them two."""
    nightly = {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}

    with pytest.raises(ScheduleError, match="the schedules 'cron' and 'cron-2' are the same"):
        stored_for([nightly, dict(nightly)], default_calendar=None, now=NOW)
    with pytest.raises(ScheduleError, match="the schedules 'cron' and 'mine' are the same"):
        stored_for([nightly, {**nightly, "slug": "mine"}], default_calendar=None, now=NOW)
    stored = stored_for([nightly, {**nightly, "parameters": {"region": "eu"}}], default_calendar=None, now=NOW)
    assert [schedule.slug for schedule in stored] == ["cron", "cron-2"]


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("*/7 * * * *", "minute */7 starts over at each hour: the run after minute 56 is 4 minutes later, not 7"),
        (
            "*/59 9-17 * * 1-5",
            "minute */59 starts over at each hour: the run after minute 59 is 1 minute later, not 59",
        ),
        ("0 2/5 * * *", "hour 2/5 starts over at midnight: the run after hour 22 is 4 hours later, not 5"),
        ("0 0 */2 * *", "day of month */2 starts over on the 1st of each month, whatever the last gap is"),
        ("*/15 */6 * * *", None),
        ("5/15 * * * *", None),
        ("*/7 9 * * *", None),
        ("0 */5 * * 1#2", None),
        ("@daily", None),
    ],
)
def test_a_step_that_does_not_divide_its_field_is_told(cron: str, told: str | None) -> None:
    """The last gap of each hour, day or month is shorter or longer than the step says: a plan notes it."""
    (stored,) = stored_for({"cron": cron}, default_calendar=None, now=NOW)

    assert stored.note == told


@pytest.mark.parametrize(
    ("calendar", "told"),
    [
        ("GB", "each region of GB has further holidays: write for example GB-ENG or GB-NIR"),
        (["NYSE", "DE"], "each region of DE has further holidays: write for example DE-BB or DE-BE"),
        ({"country": "GB", "subdivision": "SCT"}, None),
        ("US", None),
        ("FR", None),
        ("NYSE", None),
    ],
)
def test_a_country_whose_own_holidays_are_those_of_no_region_is_told(calendar: object, told: str | None) -> None:
    """Who writes GB leaves out holidays of England too: a plan notes it, where it is so of every region."""
    (stored,) = stored_for({"cron": "0 9 * * *", "holidays": calendar}, default_calendar=None, now=NOW)

    assert (stored.note or "").partition("; ")[2] == (told or "")


def test_a_wrong_time_zone_is_found_at_its_own_key() -> None:
    """With holidays or without, the error is about the time zone."""
    with pytest.raises(ScheduleError, match="no time zone named 'Europe/Berln'") as refused:
        stored_for({"cron": "0 9 * * *", "timezone": "Europe/Berln", "holidays": "DE"}, default_calendar=None, now=NOW)

    assert refused.value.keys == ("schedule", "timezone")


def the_next_runs(specs: object, calendar: str = "US") -> list[str]:
    """The next four runs from November on, as Prefect's server finds them."""
    found: list[datetime] = []
    for stored in stored_for(specs, default_calendar=calendar, now=NOVEMBER):
        rule: dict[str, Any] = {key: value for key in ("rrule", "cron", "interval") if (value := getattr(stored, key))}
        rule |= {"anchor_date": stored.anchor_date} if stored.anchor_date else {}
        rule |= {"day_or": stored.day_or} if stored.cron else {}
        schedule = TypeAdapter[Any](RRuleSchedule | CronSchedule | IntervalSchedule).validate_python(
            {**rule, "timezone": stored.timezone}
        )
        found += next_dates(schedule, NOVEMBER, count=4)
    return [f"{run:%a %d %b %H:%M}" for run in sorted(found)[:4]]


NOVEMBER = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NINE = {"cron": "0 9 * * *"}
DAILY = ["Mon 23 Nov 09:00", "Tue 24 Nov 09:00", "Wed 25 Nov 09:00", "Fri 27 Nov 09:00"]
CHRISTMAS = {"cron": "0 9 25 12 *"}
SATURDAYS = {"cron": "0 9 * * 6", "on_weekend": "skip"}
SHORT = {"interval": "PT90S", "anchor_date": "2026-01-01T00:00:00Z"}
LONG = {"interval": "PT36H", "timezone": "Europe/Berlin"}
LAST_FRIDAYS = ["Fri 27 Nov 09:00", "Fri 29 Jan 09:00", "Fri 26 Feb 09:00", "Fri 26 Mar 09:00"]
MONDAYS = ["Mon 23 Nov 09:00", "Mon 30 Nov 09:00", "Mon 07 Dec 09:00", "Mon 14 Dec 09:00"]

FOLLOWED: list[tuple[object, str, object, list[str]]] = [
    (
        {"cron": "0 9 13 * 5#2"},
        "day_or: false",
        {"cron": "0 9 13 * 5#2", "day_or": False},
        ["Fri 13 Aug 09:00", "Fri 13 Oct 09:00", "Fri 13 Apr 09:00", "Fri 13 Jul 09:00"],
    ),
    (
        {"cron": "0 9 15 * 5#2"},
        "Write two schedules",
        [{"cron": "0 9 15 * *"}, {"cron": "0 9 * * 5#2"}],
        ["Fri 11 Dec 09:00", "Tue 15 Dec 09:00", "Fri 08 Jan 09:00", "Fri 15 Jan 09:00"],
    ),
    (
        {"cron": "0 9 * * 1,5#2"},
        "Write two schedules",
        [{"cron": "0 9 * * 1"}, {"cron": "0 9 * * 5#2"}],
        [*MONDAYS[:3], "Fri 11 Dec 09:00"],
    ),
    ({"cron": "0 9 * * 5L"}, "is l5", {"cron": "0 9 * * l5"}, LAST_FRIDAYS),
    ({"cron": "0 9 * * friL"}, "is l5", {"cron": "0 9 * * l5"}, LAST_FRIDAYS),
    ({"cron": "0 0 9 * * *"}, "Keep five: minute, hour", NINE, DAILY),
    ({"cron": "0 9 * *"}, "for example '0 9 * * 1-5'", {"cron": "0 9 * * 1-5"}, DAILY),
    ({"cron": "@dayly"}, "'@daily'", "@daily", [one.replace("09:", "00:") for one in DAILY]),
    (
        {"cron": "0 9 * * tues"},
        "'tue'",
        {"cron": "0 9 * * tue"},
        ["Tue 24 Nov 09:00", "Tue 01 Dec 09:00", "Tue 08 Dec 09:00", "Tue 15 Dec 09:00"],
    ),
    (
        CHRISTMAS,
        "on_holiday: next_business_day",
        {**CHRISTMAS, "on_holiday": "next_business_day"},
        ["Mon 28 Dec 09:00", "Mon 27 Dec 09:00", "Mon 25 Dec 09:00", "Tue 25 Dec 09:00"],
    ),
    (
        CHRISTMAS,
        "holidays: false",
        {**CHRISTMAS, "holidays": False},
        ["Fri 25 Dec 09:00", "Sat 25 Dec 09:00", "Mon 25 Dec 09:00", "Tue 25 Dec 09:00"],
    ),
    (
        SATURDAYS,
        "a holiday (US) or a weekend\n  Set on_holiday and on_weekend: next_business_day.",
        {**SATURDAYS, "on_holiday": "next_business_day", "on_weekend": "next_business_day"},
        MONDAYS,
    ),
    (
        {**SATURDAYS, "holidays": False},
        "or leave it out",
        {"cron": "0 9 * * 6", "holidays": False},
        ["Sat 28 Nov 09:00", "Sat 05 Dec 09:00", "Sat 12 Dec 09:00", "Sat 19 Dec 09:00"],
    ),
    (
        {**SATURDAYS, "holidays": False},
        "a weekend\n  Set on_weekend: next_business_day",
        {**SATURDAYS, "holidays": False, "on_weekend": "next_business_day"},
        MONDAYS,
    ),
    (
        {**CHRISTMAS, "on_weekend": "skip"},
        "a holiday (US)\n  Set on_holiday: next_business_day.",
        {**CHRISTMAS, "on_weekend": "skip", "on_holiday": "next_business_day"},
        ["Mon 28 Dec 09:00", "Mon 27 Dec 09:00", "Mon 25 Dec 09:00", "Tue 25 Dec 09:00"],
    ),
    (
        {**CHRISTMAS, "holidays": False, "freeze": "12-20 to 01-03"},
        "a frozen day\n  Let it run on other days, or shorten the freeze.",
        {**CHRISTMAS, "holidays": False, "freeze": "12-26 to 01-03"},
        ["Fri 25 Dec 09:00", "Sat 25 Dec 09:00", "Mon 25 Dec 09:00", "Tue 25 Dec 09:00"],
    ),
    (
        SHORT,
        "Use whole minutes",
        {"interval": "PT2M"},
        ["Sun 22 Nov 09:30", "Sun 22 Nov 09:32", "Sun 22 Nov 09:34", "Sun 22 Nov 09:36"],
    ),
    (
        {**SHORT, "on_weekend": "skip"},
        "holidays: false, without freeze, on_weekend and business_day",
        {**SHORT, "holidays": False},
        ["Sun 22 Nov 09:30", "Sun 22 Nov 09:31", "Sun 22 Nov 09:33", "Sun 22 Nov 09:34"],
    ),
    (
        LONG,
        "Use whole days",
        {**LONG, "interval": "PT48H"},
        ["Sun 22 Nov 23:00", "Tue 24 Nov 23:00", "Thu 26 Nov 23:00", "Sat 28 Nov 23:00"],
    ),
    (
        LONG,
        "or the timezone UTC",
        {**LONG, "timezone": "UTC"},
        ["Mon 23 Nov 12:00", "Wed 25 Nov 00:00", "Sat 28 Nov 00:00", "Sun 29 Nov 12:00"],
    ),
    (
        {"interval": "every day", "anchor_date": "2026-01-05T09:00:00"},
        "2026-01-05T09:00:00+00:00 keeps that meaning",
        {"interval": "every day", "anchor_date": "2026-01-05T09:00:00+00:00"},
        DAILY,
    ),
    (
        {**NINE, "holidays": False, "on_holiday": "next_business_day"},
        "holidays: US",
        {**NINE, "holidays": "US", "on_holiday": "next_business_day"},
        DAILY,
    ),
    (
        {**NINE, "holidays": False, "on_holiday": "only"},
        "leave on_holiday out",
        {**NINE, "holidays": False},
        [*DAILY[:3], "Thu 26 Nov 09:00"],
    ),
    (
        "FREQ=WEEKLY;BYDAY=1MO;BYHOUR=9",
        "Use FREQ=MONTHLY",
        "FREQ=MONTHLY;BYDAY=1MO;BYHOUR=9",
        ["Mon 07 Dec 09:00", "Mon 04 Jan 09:00", "Mon 01 Feb 09:00", "Mon 01 Mar 09:00"],
    ),
    (
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "write the DTSTART",
        "DTSTART:20261123T090000\nRRULE:FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        MONDAYS,
    ),
    ("FREQ=DAILY;COUNT=10", "write a DTSTART line", "DTSTART:20261122T090000\nRRULE:FREQ=DAILY;COUNT=10", DAILY),
    (
        "RRULE:FREQ=DAILY;BYHOUR=9\nEXDATE:20261124",
        "20261124T090000",
        "RRULE:FREQ=DAILY;BYHOUR=9\nEXDATE:20261124T090000",
        [DAILY[0], *DAILY[2:], "Sat 28 Nov 09:00"],
    ),
    (
        "RRULE:FREQ=DAILY;BYHOUR=9\nEXDATE;VALUE=DATE:20261124",
        "EXDATE:20261124T090000",
        "RRULE:FREQ=DAILY;BYHOUR=9\nEXDATE:20261124T090000",
        [DAILY[0], *DAILY[2:], "Sat 28 Nov 09:00"],
    ),
    (
        "DTSTART;TZID=US/Pacific:20260105T090000\nRRULE:FREQ=DAILY",
        "timezone ('US/Pacific')",
        {"rrule": "DTSTART:20260105T090000\nRRULE:FREQ=DAILY", "timezone": "US/Pacific"},
        ["Sun 22 Nov 17:00", "Mon 23 Nov 17:00", "Tue 24 Nov 17:00", "Wed 25 Nov 17:00"],
    ),
    ("FREQ=DAILY;BYHOUR=9;UNTIL=20261125T120000Z", "without Z", "FREQ=DAILY;BYHOUR=9;UNTIL=20261125T120000", DAILY[:3]),
    (
        "FREQ=DAILY;BYHOUR=9;BYHOUR=17",
        "BYHOUR=9,17",
        "FREQ=DAILY;BYHOUR=9,17",
        ["Sun 22 Nov 17:00", "Mon 23 Nov 09:00", "Mon 23 Nov 17:00", "Tue 24 Nov 09:00"],
    ),
    (
        "FREQ=DAILY;DTSTART=20260101T090000",
        "DTSTART:… on a line of its own",
        "DTSTART:20260101T090000\nRRULE:FREQ=DAILY",
        DAILY,
    ),
    (
        "FREQ=MINUTELY;BYSECOND=0,30;BYHOUR=9;BYMINUTE=0",
        "keep one second",
        "FREQ=MINUTELY;BYSECOND=0;BYHOUR=9;BYMINUTE=0",
        DAILY,
    ),
    (
        "DTSTART:20200101T000000\nRRULE:FREQ=MINUTELY",
        "Leave DTSTART out",
        "FREQ=MINUTELY",
        ["Sun 22 Nov 09:30", "Sun 22 Nov 09:31", "Sun 22 Nov 09:32", "Sun 22 Nov 09:33"],
    ),
    (
        {"cron": "0 9 2 3 *", "on_holiday": "only"},
        "Let it run every day",
        {**NINE, "on_holiday": "only"},
        ["Thu 26 Nov 09:00", "Fri 25 Dec 09:00", "Fri 01 Jan 09:00", "Mon 18 Jan 09:00"],
    ),
    ({**NINE, "holidays": "DE,US"}, "Write several as a list", {**NINE, "holidays": ["DE", "US"]}, DAILY),
    (
        {**NINE, "holidays": {"country": "US", "categories": "halfday"}},
        "half_day",
        {**NINE, "holidays": {"country": "US", "categories": ["public", "half_day"]}},
        DAILY,
    ),
    (
        {**NINE, "holidays": {"country": "US", "except_holidays": "Thanksgivingday"}},
        "'Thanksgiving Day'",
        {**NINE, "holidays": {"country": "US", "except_holidays": "Thanksgiving Day"}},
        [*DAILY[:3], "Thu 26 Nov 09:00"],
    ),
    (
        {**NINE, "timezone": "Berlin"},
        "'Europe/Berlin'",
        {**NINE, "timezone": "Europe/Berlin"},
        [one.replace("09:", "08:") for one in DAILY],
    ),
    (
        {**NINE, "timezone": "us/pacific"},
        "'US/Pacific'",
        {**NINE, "timezone": "US/Pacific"},
        ["Sun 22 Nov 17:00", "Mon 23 Nov 17:00", "Tue 24 Nov 17:00", "Wed 25 Nov 17:00"],
    ),
    ({**NINE, "holidays": {"python": "schedule_oracle:PlainDay"}}, "'PlainDays'", NINE, DAILY),
    ({**NINE, "holidays": {"python": "no_calendars.Days"}}, "Modules are imported from", NINE, DAILY),
    ({**NINE, "holidays": {"python": "Days"}}, "Write it as module:ClassName.", NINE, DAILY),
    (
        {**NINE, "freeze": "2026-12-20 to 01-03"},
        "a year, or neither",
        {**NINE, "freeze": "11-24 to 01-03"},
        ["Mon 23 Nov 09:00", "Mon 04 Jan 09:00", "Tue 05 Jan 09:00", "Wed 06 Jan 09:00"],
    ),
]


@pytest.mark.parametrize(("wrong", "hint", "mended", "runs"), FOLLOWED)
def test_who_follows_a_hint_gets_the_runs_that_are_meant(
    wrong: object, hint: str, mended: object, runs: list[str]
) -> None:
    """What is refused says what to write, and that is what runs: over the next four runs, as Prefect's server finds them."""
    with pytest.raises(ScheduleError) as refused:
        stored_for(wrong, default_calendar="US", now=NOVEMBER)

    assert hint in str(refused.value)
    assert the_next_runs(mended) == runs
