"""Desired and live deployments in the same normal form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from server_answer import answer, stored
from values import a_deployment, a_flow

from meta_prefect.interfaces.deployment import VersionRule
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Unchanged
from meta_prefect.plan.deployment_record import desired_record, live_deployment
from meta_prefect.plan.diff import diff_deployment
from meta_prefect.plan.schedule_record import without_injected_start

PARIS = timezone(timedelta(hours=1))
NOON = datetime(2026, 1, 1, 12, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        pytest.param({}, "description", "", id="no description is an empty one"),
        pytest.param({"description": "None"}, "description", "", id="the word None is none"),
        pytest.param({"description": "Adds."}, "description", "Adds.", id="description"),
        pytest.param({"tags": ["b", "a", "", "b"]}, "tags", ["a", "b"], id="tags: sorted, each once, no blanks"),
        pytest.param({}, "entrypoint", "flow.py:add", id="the flow's entrypoint"),
        pytest.param({"entrypoint": "shop.add"}, "entrypoint", "shop.add", id="an entrypoint of its own"),
        pytest.param({}, "path", None, id="the folder is the pull step's business"),
        pytest.param({"concurrency_limit": 0}, "concurrency_limit", None, id="limit 0 is none"),
        pytest.param({"concurrency_limit": 2}, "concurrency_limit", 2, id="limit"),
        pytest.param({"schedules": []}, "schedules", {}, id="no schedules"),
        pytest.param({"flow": a_flow(parameter_schema={})}, "parameter_openapi_schema", {}, id="no schema"),
    ],
)
def test_desired(fields: dict[str, Any], key: str, value: Any) -> None:
    """What we want, field by field."""
    assert desired_record(a_deployment(**fields))[key] == value


@pytest.mark.parametrize("field", ["paused", "schedules", "concurrency_limit", "collision_strategy", "work_queue_name"])
def test_what_the_recipe_does_not_set_is_not_wanted(field: str) -> None:
    """A field that is left open is the operator's: it is not part of what we want."""
    assert field not in desired_record(a_deployment())


def test_a_version_that_the_live_one_gives_is_left_open() -> None:
    """A counted version is not known before the live one has been read."""
    assert "version" not in desired_record(a_deployment(version=VersionRule.NEXT_INTEGER))


@pytest.mark.parametrize(
    ("schedule", "record"),
    [
        pytest.param(Schedule(slug="s", rrule="FREQ=DAILY"), {"rrule": "FREQ=DAILY"}, id="rrule"),
        pytest.param(Schedule(slug="s", cron="0 9 * * *"), {"cron": "0 9 * * *", "day_or": True}, id="cron"),
        pytest.param(Schedule(slug="s", interval=timedelta(minutes=1)), {"interval": 60.0}, id="interval, in seconds"),
        pytest.param(
            Schedule(slug="s", interval=timedelta(minutes=1), anchor_date=NOON),
            {"interval": 60.0, "anchor_date": "2026-01-01T11:00:00+00:00"},
            id="anchor, in UTC",
        ),
        pytest.param(
            Schedule(slug="s", cron="* * * * *", active=False),
            {"cron": "* * * * *", "day_or": True, "active": False},
            id="activation, where it is set",
        ),
        pytest.param(
            Schedule(slug="s", rrule="FREQ=DAILY", note="without holidays"),
            {"rrule": "FREQ=DAILY"},
            id="notes stay here",
        ),
    ],
)
def test_schedules(schedule: Schedule, record: dict[str, Any]) -> None:
    """A schedule is its rule, its timezone and its parameters, by its slug."""
    made = desired_record(a_deployment(schedules=[schedule]))["schedules"]

    assert made == {"s": {"timezone": "UTC", "parameters": {}, **record}}


@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        pytest.param({"description": None}, "description", "", id="null description"),
        pytest.param({"description": "None"}, "description", "", id="the word None"),
        pytest.param({"tags": ["b", "", "a", "b"]}, "tags", ["a", "b"], id="tags"),
        pytest.param({"pull_steps": None}, "pull_steps", [], id="no pull steps"),
        pytest.param({"job_variables": None}, "job_variables", {}, id="no job variables"),
        pytest.param({"schedules": None}, "schedules", {}, id="no schedules"),
        pytest.param({"parameter_openapi_schema": None}, "parameter_openapi_schema", {}, id="no schema"),
        pytest.param({"global_concurrency_limit": {"limit": 3}}, "concurrency_limit", 3, id="limit"),
        pytest.param(
            {"concurrency_options": {"collision_strategy": "CANCEL_NEW"}},
            "collision_strategy",
            "CANCEL_NEW",
            id="collision",
        ),
    ],
)
def test_live(fields: dict[str, Any], key: str, value: Any) -> None:
    """What the server says, field by field."""
    assert live_deployment(answer(desired_record(a_deployment()), **fields), "add").record[key] == value


def test_schedules_without_a_slug_are_known_by_their_id() -> None:
    """Somebody made one in the UI: it is told apart from ours."""
    made_by_hand = {"id": "77", "slug": None, "active": True, "schedule": {"cron": "0 9 * * *"}}
    live = live_deployment(answer(desired_record(a_deployment()), schedules=[made_by_hand]), "add")

    assert live.record["schedules"] == {
        "id:77": {"active": True, "parameters": {}, "timezone": "UTC", "cron": "0 9 * * *", "day_or": True}
    }
    assert live.schedule_ids == {"id:77": "77"}


@pytest.mark.parametrize(
    ("live", "wanted", "compared"),
    [
        pytest.param(
            "DTSTART:20200101T000000\nRRULE:FREQ=DAILY", "RRULE:FREQ=DAILY", "RRULE:FREQ=DAILY", id="injected"
        ),
        pytest.param("DTSTART:20260101T000000\nFREQ=DAILY", "FREQ=DAILY", "FREQ=DAILY", id="injected, recent"),
        pytest.param(
            "DTSTART:20260101T090000\nRRULE:FREQ=DAILY",
            "DTSTART:20260101T090000\nRRULE:FREQ=DAILY",
            "DTSTART:20260101T090000\nRRULE:FREQ=DAILY",
            id="ours",
        ),
        pytest.param("dtstart:20200101T000000\nfreq=daily", "freq=daily", "freq=daily", id="lower case"),
    ],
)
def test_a_start_that_the_server_put_there_is_dropped(live: str, wanted: str, compared: str) -> None:
    """A rule without DTSTART gets one from the server, which is no difference; one of our own is compared."""
    assert without_injected_start(live, wanted) == compared


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(NOON, "2026-01-01T11:00:00Z", id="Z"),
        pytest.param(NOON, "2026-01-01T12:00:00+01:00", id="the same offset"),
        pytest.param(NOON, "2026-01-01T06:00:00-05:00", id="another offset"),
        pytest.param(NOON.astimezone(UTC), "2026-01-01T12:00:00+01:00", id="ours in UTC"),
        pytest.param(NOON, "2026-01-01T11:00:00", id="no offset, which Prefect reads as UTC"),
        pytest.param(None, "2026-11-20T12:34:56Z", id="the moment at which it was stored"),
    ],
)
def test_one_moment_in_two_spellings_is_no_difference(ours: datetime | None, theirs: str) -> None:
    """An interval's anchor is compared as a moment, and not at all where we set none."""
    desired = a_deployment(schedules=[Schedule(slug="s", interval=timedelta(hours=1), anchor_date=ours)])
    rule = {"interval": 3600, "anchor_date": theirs, "timezone": "UTC"}
    live = stored(desired, schedules=[{"id": "1", "slug": "s", "active": True, "parameters": {}, "schedule": rule}])

    assert isinstance(diff_deployment(desired, live), Unchanged)
