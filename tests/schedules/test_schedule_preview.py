"""The preview says what Prefect's server will do, and where that is not what one might expect."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, cast
from zoneinfo import ZoneInfo

import prefect
import pytest
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule
from schedule_oracle import evaluated, next_dates
from stored import stored_for

from meta_prefect.schedules.preview import preview

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NEW_YORK = "America/New_York"
SERVER = tuple(int(part) for part in prefect.__version__.split(".")[:2])


def in_utc(runs: Iterable[datetime]) -> list[datetime]:
    """The instants; where the clocks go back, times of a zone are never equal to those of another."""
    return [run.astimezone(UTC) for run in runs]


def test_it_shows_the_next_runs_and_the_skipped_ones_with_the_holidays_name() -> None:
    """Times are in the schedule's zone; Thanksgiving is named."""
    found = preview({"rrule": "FREQ=DAILY;BYHOUR=9", "timezone": NEW_YORK, "holidays": "US"}, now=NOW, count=5)

    assert [run.strftime("%d %H:%M %Z") for run in found.fires] == [f"{day} 09:00 EST" for day in (22, 23, 24, 25, 27)]
    assert [(run.at.day, run.reason, run.moved_to) for run in found.skipped] == [(26, "Thanksgiving Day", None)]
    assert (found.timezone, found.until) == (NEW_YORK, date(2027, 12, 31))


def test_it_says_where_a_run_moves_to() -> None:
    """A moved run is shown as skipped with its new time, and among the runs."""
    spec = {"rrule": "FREQ=WEEKLY;BYDAY=TH;BYHOUR=9", "timezone": NEW_YORK, "on_holiday": "next_business_day"}
    found = preview(spec, now=NOW, count=2, default_calendar="US")

    assert found.skipped[0].moved_to == found.fires[0] == datetime(2026, 11, 27, 9, tzinfo=ZoneInfo(NEW_YORK))


def test_a_run_that_moves_to_where_one_is_already_joins_it() -> None:
    """Nothing is added on the business day; the preview does not promise a second run."""
    found = preview({"cron": "0 9 * * *", "on_holiday": "next_business_day"}, now=NOW, count=6, default_calendar="US")
    (thanksgiving,) = found.skipped

    assert (thanksgiving.moved_to, thanksgiving.joins) == (datetime(2026, 11, 27, 9, tzinfo=ZoneInfo("UTC")), True)
    assert [run.day for run in found.fires] == [23, 24, 25, 27, 28, 29]


@pytest.mark.parametrize("holidays", [False, "US"])
def test_own_excluded_dates_are_shown_among_the_runs(holidays: object) -> None:
    """What the user's EXDATE takes away is skipped like a holiday, and where the runs reach none, the next one is told."""
    spec = {"rrule": "RRULE:FREQ=DAILY;BYHOUR=10\nEXDATE:20261124T100000,20261124T110000", "holidays": holidays}
    reached, ahead = preview(spec, now=NOW, count=3), preview(spec, now=NOW, count=1)

    assert [(run.at.day, run.reason) for run in reached.skipped] == [(24, "its own EXDATE")]
    assert ahead.skipped == ()
    assert ahead.next_skipped == reached.skipped[0]


def test_an_excluded_date_that_stops_no_run_is_remarked_on() -> None:
    """An EXDATE at midnight does not stop the run at nine of that day; one on a day without runs is no mistake."""
    found = preview("RRULE:FREQ=WEEKLY;BYDAY=FR;BYHOUR=9\nEXDATE:20261225T000000,20261224T000000", now=NOW)

    assert found.remarks == (
        "EXDATE 20261225T000000 stops no run: on that day the schedule runs at 09:00; write 20261225T090000",
    )


@pytest.mark.parametrize("zone", [NEW_YORK, "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize(
    "rrule", ["FREQ=DAILY;BYHOUR=0,1,2;BYMINUTE=30", "FREQ=HOURLY;INTERVAL=3", "FREQ=WEEKLY;BYDAY=SU"]
)
def test_a_year_equals_prefects_own_evaluation(rrule: str, zone: str) -> None:
    """Every run of the year, clock changes included, is as Prefect evaluates the stored rrule."""
    spec = {"rrule": rrule, "timezone": zone}
    (stored,) = stored_for(spec, default_calendar="US", now=NOW)
    begin = datetime(2027, 1, 1, tzinfo=ZoneInfo(zone))
    end = datetime(2028, 1, 1, tzinfo=ZoneInfo(zone)) - timedelta(seconds=1)
    found = preview(spec, now=NOW, year=2027, default_calendar="US")

    assert stored.rrule is not None
    assert in_utc(found.fires) == evaluated(stored.rrule, zone, begin, end)
    assert preview(stored, now=NOW, year=2027).fires == found.fires


@pytest.mark.parametrize("zone", [NEW_YORK, "Europe/Berlin", "UTC"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "30 1 * * *", "*/20 * * * *", "0 9 * * 1-5"])
def test_cron_is_shown_as_the_installed_server_evaluates_it(cron: str, zone: str) -> None:
    """Cron keeps its own rules at clock changes, and those of the Prefect that is installed."""
    for start in (
        datetime(2027, 3, 13, 12, tzinfo=UTC),
        datetime(2027, 3, 27, 12, tzinfo=UTC),
        datetime(2026, 10, 24, 12, tzinfo=UTC),
    ):
        found = preview({"cron": cron, "timezone": zone}, now=start, count=150)
        assert in_utc(found.fires) == next_dates(CronSchedule(cron=cron, timezone=zone), start, count=150)


@pytest.mark.parametrize("zone", [NEW_YORK, "Asia/Kolkata", "UTC"])
@pytest.mark.parametrize("interval", [timedelta(minutes=50), timedelta(hours=7), timedelta(days=1), timedelta(days=10)])
@pytest.mark.parametrize("anchor", [datetime(2026, 1, 5, 14, tzinfo=UTC), datetime(2027, 7, 1, 3, 20, tzinfo=UTC)])
def test_an_interval_is_shown_as_the_installed_server_evaluates_it(
    anchor: datetime, interval: timedelta, zone: str
) -> None:
    """Hours are elapsed time, days local days, from anchors in the past and the future."""
    spec = {"interval": interval, "anchor_date": anchor, "timezone": zone}
    server = IntervalSchedule(interval=cast("Any", interval), anchor_date=cast("Any", anchor), timezone=zone)

    for start in (NOW, datetime(2027, 3, 13, 12, tzinfo=UTC), datetime(2027, 11, 6, tzinfo=UTC)):
        assert in_utc(preview(spec, now=start, count=60).fires) == next_dates(server, start, count=60)


@pytest.mark.parametrize(
    ("spec", "version", "said"),
    [
        (
            {"rrule": "FREQ=DAILY;BYHOUR=2;BYMINUTE=30"},
            (3, 8),
            "2027-03-14: .* skip 02:00 to 03:00; the run at 02:30 starts at 01:30",
        ),
        ({"rrule": "FREQ=DAILY;BYHOUR=2;BYMINUTE=30"}, (3, 9), "the run at 02:30 starts at 01:30"),
        ({"cron": "30 2 * * *"}, (3, 8), "the run at 02:30 starts at 01:30"),
        ({"cron": "30 2 * * *"}, (3, 9), "the run at 02:30 starts at 03:30"),
        ({"rrule": "FREQ=HOURLY"}, (3, 9), "2027-03-14: .*fall together with others"),
        (
            {"rrule": "FREQ=DAILY;BYHOUR=1;BYMINUTE=30"},
            (3, 9),
            "2027-11-07: .* twice; the run at 01:30 starts the first time only",
        ),
        ({"rrule": "FREQ=HOURLY;BYMINUTE=0,30"}, (3, 9), "the 2 runs in it start the first time only"),
        ({"interval": "every 6 hours"}, (3, 9), "counts from the moment of the deploy"),
        ({"interval": "every 6 hours"}, (3, 9), "counts elapsed time"),
        ({"interval": "every day"}, (3, 8), "before Prefect 3.9"),
        ({"interval": "every 6 hours", "holidays": "US"}, (3, 9), "stored in UTC"),
    ],
)
def test_it_remarks_on_what_one_might_not_expect(spec: dict[str, object], version: tuple[int, int], said: str) -> None:
    """Times that the clocks skip or show twice, elapsed time and missing anchors are explained."""
    found = preview({**spec, "timezone": NEW_YORK}, now=NOW, prefect_version=version)

    with pytest.raises(AssertionError, match=said):
        raise AssertionError("\n".join(found.remarks))


def test_it_has_nothing_to_remark_where_nothing_is_special() -> None:
    """A run at nine, and a zone without clock changes, need no explanation."""
    assert preview({"rrule": "FREQ=DAILY;BYHOUR=9", "timezone": NEW_YORK}, now=NOW).remarks == ()
    assert preview("0 2 * * *", now=NOW).remarks == ()


def test_it_says_how_far_the_days_off_are_worked_out() -> None:
    """A year beyond the horizon is shown with a warning."""
    found = preview("FREQ=DAILY;BYHOUR=9", now=NOW, year=2029, default_calendar="US")

    assert "days off are worked out until 2027-12-31; a later deploy goes further" in found.remarks


def test_a_stored_schedule_names_the_holidays_that_it_is_told() -> None:
    """What a deployment holds is shown without the project; the reasons come from a calendar if there is one."""
    (stored,) = stored_for("FREQ=DAILY;BYHOUR=9", default_calendar="US", now=NOW)

    assert [run.reason for run in preview(stored, now=NOW, count=6).skipped] == ["left out by the schedule"]
    assert [run.reason for run in preview(stored, now=NOW, count=6, default_calendar="US").skipped] == [
        "Thanksgiving Day"
    ]


def test_a_crowded_year_is_cut_short() -> None:
    """A run every minute is not half a million lines."""
    found = preview("* * * * *", now=NOW, year=2027)

    assert len(found.fires) == 20_000
    assert all(later - earlier == timedelta(minutes=1) for earlier, later in pairwise(found.fires))
    assert "only the first 20,000 runs are shown" in found.remarks
