"""What has to happen so that a live deployment is as wanted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from server_answer import last_entry, stored
from values import a_deployment, a_flow

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import ABSENT, Record
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Change, Create, Unchanged, Update
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.diff import diff_deployment
from meta_prefect.plan.ledger import LedgerEntry
from meta_prefect.testing.stored import STORED_AT

DAILY = Schedule(slug="daily", rrule="RRULE:FREQ=DAILY", timezone="US/Pacific", parameters={"x": 1})
HOURLY = Schedule(slug="hourly", interval=timedelta(hours=1))
BY_HAND = {"id": "77", "slug": None, "active": True, "parameters": {}, "schedule": {"cron": "0 9 * * *"}}

NO_STEPS: list[Record] = []
STEP: Record = {"prefect.deployments.steps.set_working_directory": {"directory": "/srv/shop"}}
STORED_HOURLY: Record = {
    "active": True,
    "parameters": {},
    "timezone": "UTC",
    "interval": 3600.0,
    "anchor_date": STORED_AT.replace("Z", "+00:00"),
}


def updated(desired: Deployment, live: LiveDeployment, last: LedgerEntry | None = None) -> Update:
    """The change, which is to be an update."""
    change = diff_deployment(desired, live, last=last)
    assert isinstance(change, Update)
    return change


def fields(change: Change) -> dict[str, tuple[Any, Any]]:
    """Each field's before and after, by path; none for what is unchanged."""
    match change:
        case Create(fields=found) | Update(fields=found):
            return {field.path: (field.before, field.after) for field in found}
        case _:
            return {}


def test_a_new_deployment_is_created_with_all_that_is_wanted() -> None:
    """Where there is none, every field is shown as new, and the record is what is sent."""
    change = diff_deployment(a_deployment(parameters={"x": 1}, schedules=[DAILY]), None)

    assert isinstance(change, Create)
    assert str(change.subject) == "deployment add/nightly-dev"
    assert fields(change)["parameters.x"] == (ABSENT, 1)
    assert fields(change)["schedules.daily.timezone"] == (ABSENT, "US/Pacific")
    assert change.after["parameters"] == {"x": 1}
    assert "paused" not in change.after


def test_what_is_there_as_wanted_is_unchanged() -> None:
    """Nothing differs, and the reason says so."""
    change = diff_deployment(a_deployment(schedules=[DAILY, HOURLY]), stored(a_deployment(schedules=[DAILY, HOURLY])))

    assert isinstance(change, Unchanged)
    assert change.reason == "already as wanted"


BASE: dict[str, Any] = {
    "parameters": {"x": 1, "deep": {"a": 1, "b": 2}},
    "job_variables": {"env": {"STAGE": "dev"}, "stream_output": True},
    "schedules": [DAILY, HOURLY],
}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"description": "New."}, {"description": ("", "New.")}, id="description"),
        pytest.param({"version": "2"}, {"version": ("1", "2")}, id="version"),
        pytest.param(
            {"tags": ["meta-prefect=shop", "env=dev", "team"]},
            {"tags": (["env=dev", "meta-prefect=shop"], ["env=dev", "meta-prefect=shop", "team"])},
            id="tags",
        ),
        pytest.param({"entrypoint": "new.py:add"}, {"entrypoint": ("flow.py:add", "new.py:add")}, id="entrypoint"),
        pytest.param({"work_pool_name": "big"}, {"work_pool_name": ("pool", "big")}, id="pool"),
        pytest.param({"work_queue_name": "fast"}, {"work_queue_name": ("default", "fast")}, id="queue"),
        pytest.param({"paused": True}, {"paused": (False, True)}, id="paused"),
        pytest.param({"concurrency_limit": 2}, {"concurrency_limit": (None, 2)}, id="limit"),
        pytest.param(
            {"collision_strategy": "CANCEL_NEW"}, {"collision_strategy": (None, "CANCEL_NEW")}, id="collision"
        ),
        pytest.param(
            {"enforce_parameter_schema": False}, {"enforce_parameter_schema": (True, False)}, id="schema enforcement"
        ),
        pytest.param({"pull_steps": [STEP]}, {"pull_steps": (NO_STEPS, [STEP])}, id="pull steps, as a whole"),
        pytest.param(
            {"parameters": {"x": 2, "deep": {"a": 1, "c": 3}}},
            {"parameters.x": (1, 2), "parameters.deep.b": (2, ABSENT), "parameters.deep.c": (ABSENT, 3)},
            id="parameters, key by key",
        ),
        pytest.param(
            {"job_variables": {"env": {"STAGE": "prod"}, "stream_output": True}},
            {"job_variables.env.STAGE": ("dev", "prod")},
            id="job variables, key by key",
        ),
        pytest.param(
            {"job_variables": {"env": {"STAGE": "dev"}, "stream_output": 1}},
            {"job_variables.stream_output": (True, 1)},
            id="true is not 1",
        ),
        pytest.param(
            {"flow": a_flow(parameter_schema={"properties": {"x": {"type": "integer"}}})},
            None,
            id="parameter schema",
        ),
        pytest.param(
            {"schedules": [DAILY.model_copy(update={"timezone": "UTC"}), HOURLY]},
            {"schedules.daily.timezone": ("US/Pacific", "UTC")},
            id="a schedule's timezone",
        ),
        pytest.param(
            {"schedules": [DAILY.model_copy(update={"parameters": {"x": 2}}), HOURLY]},
            {"schedules.daily.parameters.x": (1, 2)},
            id="a schedule's parameters",
        ),
        pytest.param(
            {"schedules": [DAILY.model_copy(update={"active": False}), HOURLY]},
            {"schedules.daily.active": (True, False)},
            id="a schedule's activation",
        ),
        pytest.param(
            {"schedules": [DAILY]},
            {"schedules.hourly": (STORED_HOURLY, ABSENT)},
            id="a schedule that goes",
        ),
    ],
)
def test_each_field_is_shown_with_before_and_after(changed: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """Exactly what differs is reported, by its path."""
    before = a_deployment(**BASE)
    shown = fields(updated(a_deployment(**{**BASE, **changed}), stored(before), last_entry(before)))

    if expected is None:
        assert all(path.startswith("parameter_openapi_schema.") for path in shown)
        return
    assert shown == expected


def test_a_schedule_that_changes_its_kind() -> None:
    """From a rule to a cron expression: the one goes, the other comes, under the same slug."""
    cron = Schedule(slug="daily", cron="0 9 * * *", timezone="US/Pacific", parameters={"x": 1})
    shown = fields(updated(a_deployment(schedules=[cron]), stored(a_deployment(schedules=[DAILY]))))

    assert shown == {
        "schedules.daily.rrule": ("DTSTART:20200101T000000\nRRULE:FREQ=DAILY", ABSENT),
        "schedules.daily.cron": (ABSENT, "0 9 * * *"),
        "schedules.daily.day_or": (ABSENT, True),
    }


def test_schedules_are_told_apart_by_slug_alone() -> None:
    """Their order means nothing."""
    change = diff_deployment(a_deployment(schedules=[HOURLY, DAILY]), stored(a_deployment(schedules=[DAILY, HOURLY])))

    assert isinstance(change, Unchanged)


def test_an_empty_list_removes_all_schedules() -> None:
    """Those that somebody made by hand as well: the recipe has set the field."""
    change = updated(a_deployment(schedules=[]), stored(a_deployment(), schedules=[BY_HAND]))

    assert list(fields(change)) == ["schedules.id:77"]
    assert change.after["schedules"] == {}


def test_no_list_leaves_them_to_the_operator() -> None:
    """A recipe that says nothing about schedules keeps those that are there."""
    assert isinstance(diff_deployment(a_deployment(), stored(a_deployment(), schedules=[BY_HAND])), Unchanged)


@pytest.mark.parametrize(
    "on_the_server",
    [
        pytest.param({"paused": True}, id="paused"),
        pytest.param({"work_queue_name": "fast"}, id="queue"),
        pytest.param({"global_concurrency_limit": {"limit": 7}}, id="limit"),
        pytest.param({"concurrency_options": {"collision_strategy": "CANCEL_NEW"}}, id="collision"),
        pytest.param({"labels": {"a": "b"}}, id="labels"),
    ],
)
def test_the_operator_s_fields_are_kept(on_the_server: dict[str, Any]) -> None:
    """What the recipe does not set is no difference, and is part of what will be there after a change of something else."""
    before = stored(a_deployment(), **on_the_server)

    assert isinstance(diff_deployment(a_deployment(), before), Unchanged)
    change = updated(a_deployment(description="New."), before)
    assert fields(change) == {"description": ("", "New.")}
    assert change.after == {**before.record, "description": "New."}


def test_a_schedule_that_the_operator_stopped_stays_stopped() -> None:
    """Activation that the recipe does not set is kept, also where the schedule itself changes; a new one is active."""
    live = stored(a_deployment(schedules=[DAILY]))
    live.record["schedules"]["daily"]["active"] = False
    assert isinstance(diff_deployment(a_deployment(schedules=[DAILY]), live), Unchanged)

    changed = DAILY.model_copy(update={"timezone": "UTC"})
    after = updated(a_deployment(schedules=[changed, HOURLY]), live).after["schedules"]
    assert (after["daily"]["active"], after["daily"]["timezone"], after["hourly"]["active"]) == (False, "UTC", True)


def test_limit_zero_removes_a_limit() -> None:
    """A recipe that wants no limit says 0; the limit of the UI goes."""
    live = stored(a_deployment(), global_concurrency_limit={"limit": 7})

    assert fields(updated(a_deployment(concurrency_limit=0), live)) == {"concurrency_limit": (7, None)}


def test_a_schedule_s_note_is_told() -> None:
    """What a schedule has to say is for whoever deploys, whether anything changes or not."""
    desired = a_deployment(schedules=[DAILY.model_copy(update={"note": "holidays until 2027 are left out"}), HOURLY])

    for live in (None, stored(desired)):
        assert "holidays until 2027 are left out" in diff_deployment(desired, live).remarks


def test_scheduled_runs_that_cannot_succeed_are_told() -> None:
    """A schedule of a flow that needs a parameter without a value is worth a remark: its runs will fail."""
    schema = {"properties": {"x": {"type": "integer"}}, "required": ["x"]}
    flow = a_flow(parameter_schema=schema)
    daily = DAILY.model_copy(update={"parameters": {}})
    unfilled = a_deployment(flow=flow, parameters={}, schedules=[daily])
    filled = a_deployment(flow=flow, parameters={"x": 1}, schedules=[daily])

    assert "no value for x" in diff_deployment(unfilled, None).remarks[-1]
    assert diff_deployment(filled, None).remarks == ()
