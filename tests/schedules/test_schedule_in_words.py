"""The names of schedules that have none of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from plan.server_answer import last_entry, stored
from values import a_context, a_deployment

from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Unchanged, Update
from meta_prefect.plan.deployment_record import desired_record
from meta_prefect.plan.diff import diff_deployment
from meta_prefect.schedules.resolve import resolve

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def schedules(*specs: Any, holidays: str | None = None, active: bool | None = None) -> list[Schedule]:
    """What is stored for what a user wrote."""
    found = resolve(list(specs), default_calendar=holidays, now=NOW, default_active=active)
    return [one.schedule for one in found]


def a_scheduled(*specs: Any, holidays: str | None = None) -> Any:
    """A deployment with these schedules."""
    return a_deployment(context=a_context(now=NOW), schedules=schedules(*specs, holidays=holidays))


def as_formerly(*specs: Any, holidays: str | None = None) -> Any:
    """The same as it was deployed when schedules were named by their kind."""
    made = [one.model_copy(update={"in_words": None}) for one in schedules(*specs, holidays=holidays)]
    return a_deployment(context=a_context(now=NOW), schedules=made)


@pytest.mark.parametrize(
    ("spec", "holidays", "name"),
    [
        pytest.param(
            {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
            "DE",
            "weekdays-0900-europe-berlin-without-holidays-of-de",
            id="a cron expression of weekdays, with holidays",
        ),
        pytest.param(
            {"cron": "0 9 * * *", "on_holiday": "next_business_day"},
            "US",
            "daily-0900-utc-moving-holidays-of-us",
            id="with holidays that move runs",
        ),
        pytest.param("FREQ=DAILY;BYDAY=MO,WE,FR,SA", None, "mon-wed-fri-sat-0000-utc", id="an rrule without a time"),
        pytest.param("FREQ=WEEKLY;BYDAY=SU,SA;BYHOUR=18,6;BYMINUTE=5", None, "weekends-0605-1805-utc", id="two times"),
        pytest.param("0 * * * *", "US", "hourly-utc-without-holidays-of-us", id="hourly"),
        pytest.param("0,30 * * * *", "US", "hourly-at-00-30-utc-without-holidays-of-us", id="half-hourly"),
        pytest.param("*/10 * * * *", "US", "cron", id="many minutes"),
        pytest.param("30 6 1 * *", None, "monthly-day-1-0630-utc", id="monthly"),
        pytest.param("every 15 minutes", None, "every-15-minutes-utc", id="an interval"),
        pytest.param("P1D", None, "every-day-utc", id="an interval of one day"),
        pytest.param("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17", None, "rrule", id="what takes more words has its kind"),
        pytest.param("*/20 8-18 * * *", None, "cron", id="many times"),
        pytest.param("FREQ=DAILY;BYHOUR=9;COUNT=5000", None, "rrule", id="what ends"),
        pytest.param({"cron": "0 9 * * *", "slug": "mine"}, None, "mine", id="a name of its own"),
    ],
)
def test_names_say_when_runs_are(spec: Any, holidays: str | None, name: str) -> None:
    """Days, times, zone and holidays; letters, digits and hyphens."""
    assert list(desired_record(a_scheduled(spec, holidays=holidays))["schedules"]) == [name]


@pytest.mark.parametrize(
    ("specs", "holidays", "description"),
    [
        pytest.param(
            [{"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"}],
            "DE",
            "About.\n\nSchedule: weekdays 09:00 Europe/Berlin without holidays of DE",
            id="an rrule",
        ),
        pytest.param(["0 9 * * *"], None, "About.", id="a cron expression"),
        pytest.param([{"cron": "0 9 * * *", "slug": "mine"}], "DE", "About.", id="a name of its own"),
    ],
)
def test_the_description_says_what_no_ui_puts_into_words(specs: list[Any], holidays: str, description: str) -> None:
    """Prefect's UI reads "every year" for an rrule with holidays, and shows no slug; a cron expression is shown as it is."""
    wanted = a_deployment(
        context=a_context(now=NOW), schedules=schedules(*specs, holidays=holidays), description="About."
    )
    assert desired_record(wanted)["description"] == description


def test_no_two_schedules_have_one_name() -> None:
    """Schedules that read alike are numbered, and never take a name that somebody chose, in whatever order."""
    nine, other = {"cron": "0 9 * * *", "parameters": {"n": 1}}, {"cron": "0 9 * * *", "parameters": {"n": 2}}
    chosen = {"cron": "0 1 * * *", "slug": "daily-0900-utc"}
    named = desired_record(a_scheduled(nine, other, chosen))["schedules"]
    assert list(named) == ["daily-0900-utc-2", "daily-0900-utc-3", "daily-0900-utc"]
    assert [one["parameters"] for one in named.values()] == [{"n": 1}, {"n": 2}, {}]


def test_live_schedules_keep_their_former_names() -> None:
    """What was deployed under `cron` stays there, also where its time changes; a schedule that comes to it is named anew."""
    nine, ten, noon = ({"cron": f"0 {hour} * * 1-5"} for hour in (9, 10, 12))
    live = stored(as_formerly(nine, holidays="DE"))

    assert isinstance(diff_deployment(a_scheduled(nine, holidays="DE"), live), Unchanged)
    moved = diff_deployment(a_scheduled(ten, noon, holidays="DE"), live)
    assert isinstance(moved, Update)
    assert list(moved.after["schedules"]) == ["cron", "weekdays-1200-utc-without-holidays-of-de"]


def test_the_same_schedule_has_the_same_name() -> None:
    """Deployed again, in another order too, nothing differs."""
    nine, noon = ({"cron": f"0 {hour} * * *"} for hour in (9, 12))
    assert isinstance(diff_deployment(a_scheduled(noon, nine), stored(a_scheduled(nine, noon))), Unchanged)


@pytest.mark.parametrize("active", [False, True])
def test_a_schedule_that_is_named_anew_stays_switched_off(active: bool) -> None:
    """Another time makes another name; that an operator had switched the schedule off is not undone by it."""
    nine = a_scheduled({"cron": "0 9 * * *"})
    live = stored(nine)
    live.record["schedules"]["daily-0900-utc"]["active"] = active
    change = diff_deployment(a_scheduled({"cron": "0 10 * * *"}), live, last=last_entry(nine))
    assert isinstance(change, Update)
    assert {name: one["active"] for name, one in change.after["schedules"].items()} == {"daily-1000-utc": active}
    assert change.renamed == {"daily-1000-utc": "daily-0900-utc"}
    assert "its schedule takes the place of the one before, and stays switched on or off as that was" in change.remarks
