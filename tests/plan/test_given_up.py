"""What a recipe no longer sets, and what it never set: last applied, live and wanted are compared."""

from __future__ import annotations

from typing import Any

import pytest
from server_answer import last_entry, stored
from values import a_deployment

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Unchanged, Update
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.diff import diff_deployment, needs_history

DAILY = Schedule(slug="daily", cron="0 9 * * *")
PAUSED = DAILY.model_copy(update={"active": False})


def changes(then: Record, now: Record, live: LiveDeployment | None = None) -> dict[str, Any]:
    """What a plan changes where a recipe set these fields at its last deploy, and sets those now."""
    before, wanted = a_deployment(**then), a_deployment(**now)
    change = diff_deployment(wanted, live or stored(before), last=last_entry(before))
    return {one.path: one.after for one in change.fields} if isinstance(change, Update) else {}


@pytest.mark.parametrize(
    ("then", "field", "default"),
    [
        pytest.param({"concurrency_limit": 1}, "concurrency_limit", None, id="a limit"),
        pytest.param(
            {"concurrency_limit": 1, "collision_strategy": "CANCEL_NEW"}, "collision_strategy", None, id="a strategy"
        ),
        pytest.param({"paused": True}, "paused", False, id="a pause"),
        pytest.param({"work_queue_name": "urgent"}, "work_queue_name", "default", id="a queue"),
        pytest.param(
            {"schedules": [DAILY.model_copy(update={"active": False})]},
            "schedules.daily.active",
            True,
            id="an activation",
        ),
    ],
)
def test_what_a_recipe_gives_up_goes_back_to_its_default(then: Record, field: str, default: Any) -> None:
    """A field that the last deploy set, that nobody changed since, and that the recipe no longer sets."""
    kept: Record = {"schedules": [DAILY]} if "schedules" in then else {}

    assert changes(then, kept)[field] == default


def test_schedules_that_a_recipe_gives_up_are_removed_and_others_kept() -> None:
    """The recipe's schedules go; one that somebody has added since stays."""
    mine = a_deployment(schedules=[DAILY])
    added = {"id": "x", "slug": "theirs", "active": True, "parameters": {}, "schedule": {"cron": "0 1 * * *"}}
    ours = {"id": "y", "slug": "daily", "active": True, "parameters": {}, "schedule": {"cron": "0 9 * * *"}}
    live = stored(mine, schedules=[added, ours])

    change = diff_deployment(a_deployment(), live, last=last_entry(mine))

    assert isinstance(change, Update)
    assert list(change.after["schedules"]) == ["theirs"]


@pytest.mark.parametrize(
    ("then", "now"),
    [
        pytest.param({"paused": True}, {"paused": False}, id="a pause that was lifted"),
        pytest.param({"work_queue_name": "urgent"}, {"work_queue_name": "slow"}, id="another queue"),
    ],
)
def test_what_somebody_changed_since_is_theirs(then: Record, now: Record) -> None:
    """A field that was set by the recipe, changed by an operator, and is no longer set by the recipe is kept."""
    assert changes(then, {}, stored(a_deployment(**then), **now)) == {}


@pytest.mark.parametrize("field", [{"paused": True}, {"work_queue_name": "urgent"}], ids=str)
def test_without_a_ledger_everything_is_kept(field: Record) -> None:
    """Where the last deploy is not known nothing is taken back, and the plan says what is kept."""
    change = diff_deployment(a_deployment(), stored(a_deployment(), **field))

    assert isinstance(change, Unchanged)
    assert change.kept == field


@pytest.mark.parametrize(
    ("wanted", "answer", "kept"),
    [
        pytest.param({}, {"paused": True}, {"paused": True}, id="a pause"),
        pytest.param({"paused": True}, {"paused": True}, {}, id="one that the recipe sets"),
        pytest.param({}, {"global_concurrency_limit": {"limit": 3}}, {"concurrency_limit": 3}, id="a limit"),
        pytest.param(
            {"collision_strategy": "ENQUEUE"},
            {"concurrency_options": {"collision_strategy": "ENQUEUE", "grace_period_seconds": 90}},
            {"grace_period_seconds": 90},
            id="a grace period",
        ),
        pytest.param({}, {"labels": {"prefect.flow.id": "f", "team": "a"}}, {"labels.team": "a"}, id="a label"),
        pytest.param(
            {"schedules": [DAILY]},
            {
                "schedules": [
                    {
                        "id": "y",
                        "slug": "daily",
                        "active": False,
                        "max_scheduled_runs": 5,
                        "parameters": {},
                        "schedule": {"cron": "0 9 * * *"},
                    }
                ]
            },
            {"schedules.daily.active": False, "schedules.daily.max_scheduled_runs": 5},
            id="a schedule's activation and number of runs",
        ),
    ],
)
def test_what_operators_set_is_said_to_be_kept(wanted: Record, answer: Record, kept: Record) -> None:
    """Each field that somebody has set and the recipe has not is named with its value, and nothing is to be done."""
    desired = a_deployment(**wanted)
    live = stored(desired, **answer)

    change = diff_deployment(desired, live)

    assert isinstance(change, Unchanged)
    assert change.kept == kept
    assert needs_history(desired, live) is bool(kept)
