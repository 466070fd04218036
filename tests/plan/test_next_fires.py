"""A plan says when the schedules that it touches run next, before and after."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from server_answer import stored
from values import a_context, a_deployment

from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Change, Plan, Unchanged
from meta_prefect.plan.diff import diff_deployment
from meta_prefect.report.next_runs import next_fires
from meta_prefect.report.plan_json import document
from meta_prefect.report.plan_text import markdown
from meta_prefect.schedules import resolve

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NINE = Schedule(slug="daily", cron="0 9 * * *", timezone="Europe/Berlin")
TEN = NINE.model_copy(update={"cron": "0 10 * * *"})
IDLE, AWAKE = (NINE.model_copy(update={"active": active}) for active in (False, True))
EARLY = "Wed 2026-11-25 09:00, Thu 2026-11-26 09:00, Fri 2026-11-27 09:00 (Europe/Berlin)"
LATE = "Wed 2026-11-25 10:00, Thu 2026-11-26 10:00, Fri 2026-11-27 10:00 (Europe/Berlin)"


def change(before: list[Schedule] | None, after: list[Schedule], **fields: Any) -> Change:
    """What a deploy at noon makes of these schedules; None where the deployment is new."""
    context = a_context(now=NOW)
    live = None if before is None else stored(a_deployment(context=context, schedules=before))
    return diff_deployment(a_deployment(context=context, schedules=after, **fields), live)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param([NINE], [TEN], [f"{EARLY} → {LATE}"], id="changed"),
        pytest.param([], [NINE], [f"{EARLY}"], id="added"),
        pytest.param([NINE], [], [f"{EARLY} → none"], id="removed"),
        pytest.param(None, [NINE], [f"{EARLY}"], id="new-deployment"),
        pytest.param(
            [NINE],
            [Schedule(slug="daily", rrule="FREQ=DAILY;BYHOUR=9", timezone="Europe/Berlin")],
            [f"{EARLY}, as before"],
            id="said-otherwise",
        ),
        pytest.param([NINE], [IDLE], [f"{EARLY} → none while the schedule is inactive"], id="deactivated"),
        pytest.param([IDLE], [AWAKE], [f"none while the schedule is inactive → {EARLY}"], id="activated"),
        pytest.param(
            None,
            [IDLE],
            [f"none while the schedule is inactive, else {EARLY}"],
            id="new-and-inactive",
        ),
        pytest.param(
            [IDLE],
            [TEN],
            [f"none while the schedule is inactive, else {EARLY} → none while the schedule is inactive, else {LATE}"],
            id="changed-and-still-inactive",
        ),
        pytest.param([NINE], [NINE.model_copy(update={"parameters": {"day": 1}})], [], id="only-parameters"),
    ],
)
def test_next_fires_before_and_after(before: list[Schedule] | None, after: list[Schedule], said: list[str]) -> None:
    """They are told for each schedule whose times or activity the change touches, and for no other."""
    assert [str(fires) for fires in next_fires(change(before, after))] == said


def test_a_deployment_that_is_paused_fires_none() -> None:
    """Where a change pauses the deployment or resumes it, each of its schedules says so."""
    pausing, resuming = (
        diff_deployment(
            a_deployment(context=a_context(now=NOW), schedules=[NINE], paused=paused),
            stored(a_deployment(context=a_context(now=NOW), schedules=[NINE], paused=not paused)),
        )
        for paused in (True, False)
    )

    assert [str(fires) for fires in next_fires(pausing)] == [f"{EARLY} → none while the deployment is paused"]
    assert [str(fires) for fires in next_fires(resuming)] == [f"none while the deployment is paused → {EARLY}"]


def test_a_change_of_something_else_tells_none() -> None:
    """A new description says nothing about schedules."""
    assert list(next_fires(change([NINE], [NINE], description="new"))) == []


def test_they_are_in_the_document_and_in_the_artifact() -> None:
    """JSON has the times with their offsets, the artifact the line; where there are none, the key is left out."""
    plan = Plan(deployments=(change([NINE], [TEN]),))
    (told,) = document(plan).changes

    assert told.model_dump(mode="json", exclude_unset=True)["next_fires"] == [
        {
            "schedule": "daily",
            "before": {
                "timezone": "Europe/Berlin",
                "fires": [f"2026-11-{day}T09:00:00+01:00" for day in (25, 26, 27)],
                "state": "active",
            },
            "after": {
                "timezone": "Europe/Berlin",
                "fires": [f"2026-11-{day}T10:00:00+01:00" for day in (25, 26, 27)],
                "state": "active",
            },
        }
    ]
    assert f"next fires: {EARLY} → {LATE}" in markdown(document(plan), "Plan")
    assert "next_fires" not in document(Plan(deployments=(change([NINE], [NINE]),))).as_json()


def test_a_live_schedule_that_cannot_be_read_is_passed_over() -> None:
    """What somebody else stored may be nothing that we would store: then only what comes is told."""
    live = stored(a_deployment(context=a_context(now=NOW), schedules=[NINE]))
    live.record["schedules"]["daily"] = {"timezone": "UTC", "parameters": {}, "active": True, "rrule": "FREQ=SECONDLY"}
    (fires,) = next_fires(diff_deployment(a_deployment(context=a_context(now=NOW), schedules=[NINE]), live))

    assert (fires.before, str(fires)) == (None, f"{EARLY}")


@pytest.mark.parametrize(
    ("wanted", "deployed", "planned"),
    [
        ("FREQ=MINUTELY", "2026-11-22T23:59", "2026-11-23T00:01"),
        ("FREQ=MINUTELY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,10,11,12,13,14,15,16", "2026-10-31T23:59", "2026-11-26T09:00"),
        ("FREQ=MINUTELY;INTERVAL=15", "2026-09-30T12:00", "2026-11-26T09:00"),
        ("every 5 minutes", "2026-10-31T12:00", "2026-11-01T12:00"),
        ("* * * * *", "2026-11-22T12:00", "2026-11-24T12:00"),
    ],
)
def test_a_start_that_moves_on_is_no_change(wanted: str, deployed: str, planned: str) -> None:
    """A frequent rule gets a later DTSTART in the next week, month or quarter; the stored one does the same, so it stays."""

    def deployment(at: str) -> Any:
        now = datetime.fromisoformat(at).replace(tzinfo=UTC)
        schedules = [found.schedule for found in resolve(wanted, default_calendar="US", now=now)]
        return a_deployment(context=a_context(now=now), schedules=schedules)

    before, after = deployment(deployed), deployment(planned)

    assert before.schedules[0].rrule != after.schedules[0].rrule
    assert isinstance(diff_deployment(after, stored(before)), Unchanged)


def test_any_deploy_moves_the_horizon_of_holidays_on() -> None:
    """Within a year nothing changes; the first deploy of the next year adds the holidays of one year more."""
    spring, autumn, january = (
        a_deployment(
            context=a_context(now=now),
            schedules=[found.schedule for found in resolve("0 9 * * *", default_calendar="US", now=now)],
        )
        for now in (datetime(year, month, 5, tzinfo=UTC) for year, month in ((2026, 3), (2026, 10), (2027, 1)))
    )
    moved = diff_deployment(january, stored(spring))

    assert isinstance(diff_deployment(autumn, stored(spring)), Unchanged)
    assert [field.path for field in getattr(moved, "fields", ())] == [
        "schedules.daily-0900-utc-without-holidays-of-us.rrule"
    ]
    assert "holidays of US are left out until 2028-12-31" in moved.remarks


def test_a_start_that_has_become_slow_moves_on() -> None:
    """After some months the server would walk too far at every look: then the later DTSTART is a change."""
    summer, winter = (datetime(2026, month, 5, tzinfo=UTC) for month in (6, 11))
    before, after = (
        a_deployment(
            context=a_context(now=now),
            schedules=[found.schedule for found in resolve("* 9-17 * * 1-5", default_calendar="US", now=now)],
        )
        for now in (summer, winter)
    )

    (path,) = [field.path for field in getattr(diff_deployment(after, stored(before)), "fields", ())]
    assert path == "schedules.cron.rrule"
