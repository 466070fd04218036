"""What is live, in the words of a project file: only what is not the default, and in a form that somebody would have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meta_prefect.flows import find_flows
from meta_prefect.init.live import flow_of, found_deployment
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.deployment_record import LiveDeployment, live_deployment

FLOW = "from prefect import flow\n\n\n@flow\ndef etl(limit: int = 1) -> None:\n    '''Move orders.'''\n"


def live(root: Path, **answer: Any) -> LiveDeployment:
    """A deployment as the server has it, made of the folder's flow."""
    steps = [{"prefect.deployments.steps.set_working_directory": {"directory": str(root)}}]
    same = {"id": "1", "name": "nightly", "entrypoint": "flows/all.py:etl", "work_pool_name": "p", "pull_steps": steps}
    return live_deployment({**same, "work_queue_name": "default", "description": "Move orders.", **answer}, "etl")


def said(root: Path, *automations: Record, **answer: Any) -> dict[str, Any]:
    """What the project file says of it, beside its name and pool."""
    (root / "flows").mkdir(exist_ok=True)
    (root / "flows" / "all.py").write_text(FLOW)
    flows = find_flows(root)
    found = live(root, **answer)
    flow = flow_of(found, root, flows)
    assert flow is not None
    made = found_deployment(found, flow, root, flows, "Move orders.", automations)
    return {key: value for key, value in made.variables.items() if key not in ("name", "work_pool")}


def schedule(**rule: Any) -> Record:
    """A schedule as the server answers with it."""
    return {"id": "s1", "active": True, "parameters": {}, "slug": "x", "schedule": rule}


STEP = "prefect.deployments.steps.set_working_directory"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param({}, {}, id="what is the default is not said"),
        pytest.param({"description": "None"}, {"description": ""}, id="no description, where the flow has one"),
        pytest.param({"version": "17"}, {}, id="a count is counted on"),
        pytest.param({"version": "0f" * 16}, {"version_strategy": "prefect"}, id="the hash that Prefect makes"),
        pytest.param({"version": "1.4"}, {"version": "1.4"}, id="a version that somebody chose"),
        pytest.param({"pull_steps": []}, {"pull": []}, id="no steps at all"),
        pytest.param(
            {"job_variables": {"image": "a:1"}, "pull_steps": [{STEP: {"directory": "."}}]},
            {"job_variables": {"image": "a:1"}},
            id="code in the image",
        ),
        pytest.param({"enforce_parameter_schema": False}, {"enforce_parameter_schema": False}, id="a switch"),
        pytest.param({"paused": True}, {}, id="a pause is the operator's"),
        pytest.param({"global_concurrency_limit": {"limit": 2}}, {"concurrency_limit": 2}, id="a limit"),
        pytest.param(
            {
                "global_concurrency_limit": {"limit": 2},
                "concurrency_options": {"collision_strategy": "CANCEL_NEW", "grace_period_seconds": 90},
            },
            {"concurrency_limit": {"limit": 2, "collision_strategy": "CANCEL_NEW", "grace_period_seconds": 90}},
            id="a limit and what happens above it",
        ),
        pytest.param(
            {"entrypoint": "services/shop/flows/all.py:etl"},
            {"entrypoint": "services/shop/flows/all.py:etl"},
            id="a folder of a repository",
        ),
        pytest.param(
            {"schedules": [schedule(cron="0 3 * * *", timezone=None)]},
            {"schedules": [{"cron": "0 3 * * *", "slug": "x"}]},
            id="cron",
        ),
        pytest.param(
            {"schedules": [schedule(interval=90.5)]}, {"schedules": [{"interval": 90.5, "slug": "x"}]}, id="interval"
        ),
        pytest.param(
            {
                "schedules": [
                    {**schedule(rrule="DTSTART:20200101T000000\nFREQ=DAILY"), "slug": None, "id": str(i)}
                    for i in range(2)
                ]
            },
            {"schedules": [{"rrule": "FREQ=DAILY", "slug": "rrule"}, {"rrule": "FREQ=DAILY", "slug": "rrule-2"}]},
            id="rrules without a name",
        ),
    ],
)
def test_a_record_is_said_in_short(tmp_path: Path, answer: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each field of the record, as far as it says something."""
    assert said(tmp_path, **answer) == expected


def automation(name: str, **changes: Any) -> Record:
    """An automation that runs the deployment, as the server answers with it."""
    event: Record = {"type": "event", "match": {}, "match_related": {}, "after": [], "expect": ["a"], "for_each": []}
    trigger: Record = {**event, "posture": "Reactive", "threshold": 1, "within": 0.0}
    action: Record = {"type": "run-deployment", "deployment_id": "1", "parameters": None, "schedule_after": 0.0}
    return {"name": name, "description": "", "trigger": trigger, "actions": [action], **changes}


def test_triggers_keep_the_names_that_they_have(tmp_path: Path) -> None:
    """One whose number is its place needs no name; what somebody else has made stays beside the project."""
    first = automation("nightly__automation_1")
    third = automation(
        "nightly__automation_3",
        trigger={"type": "compound", "require": "any", "within": 60.0, "triggers": [first["trigger"]]},
    )
    assert said(tmp_path, third, first, automation("by hand"))["triggers"] == [
        {"expect": ["a"]},
        {
            "name": "nightly__automation_3",
            "type": "compound",
            "require": "any",
            "within": 60.0,
            "triggers": [{"expect": ["a"]}],
        },
    ]


def test_a_flow_of_another_name_is_not_taken_for_the_deployment_s(tmp_path: Path) -> None:
    """The file is there, but what is in it has become another flow: to deploy it would make another deployment."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "all.py").write_text(FLOW.replace("@flow", "@flow(name='renamed')"))
    assert flow_of(live(tmp_path), tmp_path, find_flows(tmp_path)) is None
