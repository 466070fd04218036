"""Schedules that hurt the server, never run, or mean something else to Prefect are refused, with the mend."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from stored import stored_for

from meta_prefect.errors import ScheduleError
from meta_prefect.schedules.preview import preview
from meta_prefect.schedules.resolve import resolve

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rrule", "said", "mend"),
    [
        pytest.param("DTSTART:20200101T000000\nRRULE:FREQ=MINUTELY", "walk", "DTSTART:20261116T000000", id="old-start"),
        pytest.param("FREQ=SECONDLY;INTERVAL=30", "hurts", "FREQ=MINUTELY", id="secondly"),
        pytest.param("FREQ=MINUTELY;BYSECOND=0,30", "several runs a minute", "keep one second", id="two-seconds"),
        pytest.param(
            "RRULE:FREQ=DAILY;BYSECOND=0\nRRULE:FREQ=DAILY;BYSECOND=30",
            "more than once",
            "same second",
            id="two-rules-a-minute",
        ),
        pytest.param("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never fires", "exclude each other", id="30-february"),
        pytest.param("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "counted from 2020-01-01", "interval", id="never-that-weekday"),
        pytest.param("FREQ=DAILY;UNTIL=20260101T000000", "never fires after", "UNTIL", id="over"),
        pytest.param("FREQ=DAILY;COUNT=10", "never fires after", "COUNT counts from DTSTART", id="counted-out"),
        pytest.param("RRULE:FREQ=DAILY\nEXRULE:FREQ=DAILY", "never fires after", "excluded", id="all-excluded"),
        pytest.param(
            "DTSTART:20270110T023000\nRRULE:FREQ=WEEKLY\nRRULE:FREQ=DAILY;COUNT=9\nEXRULE:FREQ=WEEKLY",
            "left out again by its EXRULE",
            "Remove that RRULE",
            id="the-endless-part-excluded",
        ),
        pytest.param(
            "RRULE:FREQ=DAILY\nEXRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "excludes nothing", "out", id="exrule"
        ),
        pytest.param(
            "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25", "falls on a holiday", "holidays: false", id="only-christmas"
        ),
        pytest.param("DTSTART:20260105T090000Z\nRRULE:FREQ=DAILY", "ignores that", "without Z", id="utc-start"),
        pytest.param("FREQ=DAILY;UNTIL=20271231T000000Z", "refuses that", "without Z", id="utc-until"),
        pytest.param("RRULE:FREQ=DAILY\nEXDATE:20261225T140000Z", "ignores that", "without Z", id="utc-exdate"),
        pytest.param(
            "DTSTART;TZID=Europe/Berlin:20260105T090000\nRRULE:FREQ=DAILY",
            "ignores",
            "timezone \\('Europe/Berlin'",
            id="tzid",
        ),
        pytest.param(
            "RRULE:FREQ=DAILY\nEXDATE;VALUE=DATE:20261225", "midnight", "EXDATE:20261225T090000", id="value-date"
        ),
        pytest.param("RRULE:FREQ=DAILY\nEXDATE:20261225", "midnight", "20261225T090000", id="date-only"),
        pytest.param(
            "DTSTART:20260105T090000\nDTSTART:20270105T090000\nFREQ=DAILY", "2 DTSTART", "Keep one", id="two-starts"
        ),
        pytest.param(
            "FREQ=DAILY;COUNT=5;UNTIL=20271231T000000", "exclude each other", "Keep one", id="count-and-until"
        ),
        pytest.param("FREQ=DAILY;BYHOUR=9;BYHOUR=17", "stands twice", "BYHOUR=9,17", id="twice"),
        pytest.param("FREQ=WEEKLY;BYDAY=1MO", "as MO", "FREQ=MONTHLY", id="ordinal-in-a-week"),
        pytest.param("FREQ=DAYLY", "no frequency 'DAYLY'", "Did you mean 'DAILY'", id="frequency"),
        pytest.param("BYHOUR=9", "has no FREQ", "FREQ=DAILY", id="no-frequency"),
        pytest.param("FREQ=DAILY;BYHOURS=9", "no part 'BYHOURS'", "Did you mean 'BYHOUR'", id="part"),
        pytest.param("FREQ=DAILY;BYHOUR=24", "within 0 to 23", "BYHOUR=24", id="hour"),
        pytest.param("FREQ=DAILY;BYHOUR=", "NAME=value", "BYHOUR=", id="empty-part"),
        pytest.param("FREQ=DAILY;INTERVAL=0", "no positive whole number", "INTERVAL=0", id="interval-0"),
        pytest.param("FREQ=MONTHLY;BYDAY=MON", "no weekday", "1MO", id="weekday"),
        pytest.param("FREQ=DAILY;WKST=MON", "no weekday", "MO", id="week-start"),
        pytest.param("FREQ=MONTHLY;BYMONTHDAY=0", "within -31 to 31", "BYMONTHDAY=0", id="day-0"),
        pytest.param("every day at 9", "NAME=value", "FREQ=DAILY;BYHOUR=9", id="words"),
        pytest.param("FREQ=DAILY;DTSTART=20260101T090000", "no part", "line of its own", id="start-within-a-rule"),
        pytest.param(
            "FREQ=HOURLY;INTERVAL=12;BYHOUR=1,13",
            "never fires \\(counted from 2020",
            "write the DTSTART",
            id="start-unsaid",
        ),
        pytest.param("RULE:FREQ=DAILY", "no line 'RULE'", "Did you mean 'RRULE'", id="line"),
        pytest.param("DTSTART:20261301T000000\nFREQ=DAILY", "no date and time", "20261225T090000", id="month-13"),
        pytest.param("DTSTART:20260101T000000", "names no run", "no RDATE", id="no-rule"),
        pytest.param(" ", "empty", "FREQ=DAILY", id="empty"),
    ],
)
def test_a_harmful_or_misleading_rrule_is_refused(rrule: str, said: str, mend: str) -> None:
    """The error quotes what is wrong, and its hint says what to write instead."""
    with pytest.raises(ScheduleError, match=said) as refused:
        stored_for({"rrule": rrule}, default_calendar="US", now=NOW, where="meta_prefect.yaml:3")
    assert refused.value.where == "meta_prefect.yaml:3"
    with pytest.raises(ScheduleError, match=mend):
        raise refused.value


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"rrule": "FREQ=DAILY", "timezone": "Europe/Berln"},
            "no time zone named 'Europe/Berln'\n  Did you mean 'Europe/Berlin'",
        ),
        ({"rrule": "FREQ=DAILY", "timezone": "us/pacific"}, "Did you mean 'US/Pacific'"),
        ({"rrule": "FREQ=DAILY", "timezone": "CEST"}, "Write an IANA name"),
        ({"interval": "every 30 seconds"}, "30 s hurts the Prefect server"),
        (
            {"interval": "every hour", "anchor_date": "2026-01-05T09:00:00"},
            "no UTC offset; Prefect would take it as UTC",
        ),
        ({"interval": "PT90S"}, "cannot leave out days"),
        ({"interval": "PT36H", "timezone": "Europe/Berlin"}, "mixes local days with hours"),
        ({"interval": "every hour", "cron": "@daily"}, "cron and interval exclude each other"),
        ({"timezone": "UTC"}, "none of them is given"),
        ({"cron": "@daily", "anchor_date": "2026-01-05T09:00:00Z"}, "anchor_date belongs to an interval"),
        ({"rrule": "FREQ=DAILY", "day_or": False}, "day_or belongs to cron"),
        ({"rrule": "FREQ=DAILY", "holiday": "US"}, "holiday: .*\n  Did you mean 'holidays'"),
        ({"rrule": "FREQ=DAILY", "on_holiday": "jump"}, "on_holiday"),
        ({"rrule": "FREQ=DAILY", "freeze": "2027-01-03 to 2026-12-20"}, "before it starts"),
        ({"rrule": "FREQ=DAILY", "freeze": "a to b to c"}, "is no span of days"),
        ({"rrule": "FREQ=DAILY", "freeze": "Christmas"}, "'Christmas' is no span of days; write for example"),
        ({"rrule": "FREQ=DAILY", "freeze": "2026-12-20 to"}, "is no span of days"),
        (
            {"rrule": "FREQ=DAILY", "holidays": False, "on_holiday": "next_business_day"},
            "next_business_day without holidays moves nothing\n  Write for example holidays: US",
        ),
        ("whenever", "'whenever' is no schedule"),
        ("every blue moon", "is no duration"),
    ],
)
def test_a_wrong_description_is_refused(spec: object, said: str) -> None:
    """Whatever the field, the error is one of ours and says what to write."""
    with pytest.raises(ScheduleError, match=said):
        stored_for(spec, default_calendar="US", now=NOW)


def test_the_error_names_the_schedule_among_several() -> None:
    """With several schedules, the location says which one is meant."""
    with pytest.raises(ScheduleError, match=r"meta_prefect\.yaml 'rrule-2': "):
        stored_for(["FREQ=DAILY", "FREQ=DAYLY"], default_calendar=None, now=NOW, where="meta_prefect.yaml")


def test_what_does_not_fit_is_refused() -> None:
    """An rrule beyond Prefect's 6500 characters is refused before anything is written."""
    dates = ",".join(
        f"2027{month:02}{day:02}T{hour:02}0000" for month in range(1, 13) for day in range(1, 29) for hour in (8, 9)
    )
    with pytest.raises(ScheduleError, match="does not fit into Prefect's 6500 characters"):
        stored_for(f"RRULE:FREQ=DAILY\nRDATE:{dates}", default_calendar=None, now=NOW)


def test_an_interval_that_drifts_through_too_many_holidays_is_refused() -> None:
    """Every 11 minutes is on other minutes of each of a hundred holidays; the mend is an interval that stays put."""
    spec = {
        "interval": "every 11 minutes",
        "anchor_date": "2026-03-01T00:17:00Z",
        "timezone": "Asia/Kolkata",
        "holidays": ["JP", "US", "DE-BY", "IN"],
    }
    january = datetime(2026, 1, 2, tzinfo=UTC)
    with pytest.raises(ScheduleError, match="6500 characters\n  Choose an interval that divides an hour or a day"):
        stored_for(spec, default_calendar=None, now=january)
    assert stored_for({**spec, "interval": "every 10 minutes"}, default_calendar=None, now=january)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"interval": 30}, "under_a_minute"),
        ({"rrule": "FREQ=SECONDLY;INTERVAL=10"}, "under_a_minute"),
        ({"rrule": "FREQ=MINUTELY;BYSECOND=0,30"}, "under_a_minute"),
        ({"rrule": "RRULE:FREQ=DAILY;BYSECOND=0\nRRULE:FREQ=DAILY;BYSECOND=30"}, "under_a_minute"),
        ({"cron": "* * * * * 30"}, "under_a_minute"),
        ({"rrule": "FREQ=DAILY;UNTIL=20240101T000000"}, "no_runs"),
        ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "no_runs"),
        ({"rrule": "DTSTART:20240101T090000Z\nRRULE:FREQ=DAILY"}, "ignored_parts"),
        ({"rrule": "DTSTART;TZID=Europe/Berlin:20240101T090000\nRRULE:FREQ=DAILY"}, "ignored_parts"),
        ({"rrule": "FREQ=DAILY\nEXDATE:20260101"}, "ignored_parts"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=1MO"}, "ignored_parts"),
        ({"rrule": "FREQ=DAILY;BYHOUR=8;BYHOUR=9"}, "ignored_parts"),
        ({"rrule": "DTSTART:20100101T000000\nRRULE:FREQ=MINUTELY"}, "slow"),
    ],
    ids=lambda one: one if isinstance(one, str) else str(next(iter(one.values()))),
)
def test_what_prefect_allows_is_let_through_by_name(spec: dict[str, Any], name: str) -> None:
    """The refusal has the word that allows it; with it Prefect gets what is written; no day can be left out of it."""
    with pytest.raises(ScheduleError, match=f"`allow: {name}` lets it through as it is"):
        resolve(spec, default_calendar=None, now=NOW)

    (found,) = resolve({**spec, "allow": name}, default_calendar=None, now=NOW)

    stored = found.schedule
    said = {"rrule": stored.rrule, "cron": stored.cron, "interval": stored.interval and stored.interval.total_seconds()}
    assert {key: value for key, value in said.items() if value is not None} == spec
    assert preview(stored, now=NOW) is not None
    with pytest.raises(ScheduleError, match="days can be left out only of times that are known"):
        resolve({**spec, "allow": name}, default_calendar="US", now=NOW)


def test_all_anchors_without_an_offset_are_named_at_once() -> None:
    """The hint has the text that keeps what each of them means today."""
    hours = [{"interval": 3600, "anchor_date": f"2026-01-0{day}T09:00:00"} for day in (5, 6)]

    with pytest.raises(ScheduleError, match=r"of 'interval', .* of 'interval-2' have no UTC offset") as refused:
        resolve(hours, default_calendar=None, now=datetime(2026, 11, 27, tzinfo=UTC))

    assert "2026-01-05T09:00:00+00:00 and 2026-01-06T09:00:00+00:00" in (refused.value.hint or "")
