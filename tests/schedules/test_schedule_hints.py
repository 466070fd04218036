"""What a refused schedule suggests does what it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from schedule_oracle import evaluated
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
