"""Two real projects: a package with recipe, builder and component of its own, and a loose script with its deployments in code."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from planning import left_to_do
from support import Api, run_deployment, wait_until

from meta_prefect.deploy import deploy
from meta_prefect.report import Report

PROJECTS = Path(__file__).parents[1] / "projects"


def deployed(folder: Path, name: str) -> tuple[Path, Report]:
    """Copy a sample project and deploy it."""
    root = shutil.copytree(PROJECTS / name, folder / name)
    return root, deploy([str(root)])


@pytest.fixture(scope="module")
def warehouse(server: Api, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """The package, deployed."""
    return deployed(tmp_path_factory.mktemp("package"), "warehouse")


@pytest.fixture(scope="module")
def scripts(server: Api, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """The script, deployed."""
    return deployed(tmp_path_factory.mktemp("loose"), "scripts")


def names(report: Report) -> set[str]:
    """What a report is about."""
    return {outcome.deployment for outcome in report.outcomes}


def test_file_and_code_are_one_project(warehouse: tuple[Path, Report]) -> None:
    """Deployments that the file asks for and those of decorated flows are in one report; each recipe ran once."""
    _, report = warehouse

    assert names(report) == {"extract/nightly-dev", "load/nightly-dev", "load/by-hand-dev", "transform/nightly-dev"}
    assert {outcome.action for outcome in report.outcomes} == {"created"}


def test_right_after_a_deploy_there_is_nothing_to_do(
    server: Api, warehouse: tuple[Path, Report], scripts: tuple[Path, Report]
) -> None:
    """No default of the server is a difference."""
    assert left_to_do(warehouse[0]) == left_to_do(scripts[0]) == []


def test_each_recipe_runs_once_for_all_of_its_deployments(server: Api, warehouse: tuple[Path, Report]) -> None:
    """One child run per recipe, whatever the number of its deployments."""
    parent = (warehouse[1].run_url or "").rpartition("/")[2]
    children = server.post("/flow_runs/filter", flow_runs={"parent_flow_run_id": {"any_": [parent]}})

    assert sorted(child["name"] for child in children) == ["local_run_deployer to dev: 1", "nightly to dev: 3"]


def test_the_experts_opinion_is_deployed(server: Api, warehouse: tuple[Path, Report]) -> None:
    """Name, tags, schedule and owner of a deployment are what the team's recipe says."""
    live = server.deployment("extract/nightly-dev")

    assert {"nightly", "owner=ingest", "env=dev", "meta-prefect=warehouse"} == set(live["tags"])
    assert live["entrypoint"] == "warehouse/flows.py:extract"
    (schedule,) = live["schedules"]
    assert schedule["schedule"]["timezone"] == "America/New_York"


def test_a_component_of_ones_own_is_ensured(server: Api, warehouse: tuple[Path, Report]) -> None:
    """The expert's kind of component is written once for the deployments that share it, and is seen in the report."""
    assert server.get("/variables/name/owner_ingest")["value"] == "ingest"
    assert dict(warehouse[1].components)["note owner_ingest"] == "created"


def test_what_a_builder_does_afterwards_is_a_task(server: Api, warehouse: tuple[Path, Report]) -> None:
    """`after_deployment` is seen in the UI as a task of its own, with the deployment's id in its log."""
    name = "owned by after transform/nightly-dev"
    query = {"task_runs": {"name": {"any_": [name]}}}
    (run,) = wait_until(lambda: server.post("/task_runs/filter", **query), what="the task is recorded", seconds=30)
    logs = {"logs": {"task_run_id": {"any_": [run["id"]]}}}
    told = wait_until(lambda: server.post("/logs/filter", **logs), what="its log", seconds=30)
    assert server.deployment("transform/nightly-dev")["id"] in str(told)


def test_a_stable_version_makes_the_second_deploy_a_no_op(server: Api, warehouse: tuple[Path, Report]) -> None:
    """Deployments with a version of their content are untouched by a second deploy; counted ones get the next version."""
    before = {name: server.deployment(name)["updated"] for name in names(warehouse[1])}

    again = deploy([str(warehouse[0])])

    actions = {outcome.deployment: outcome.action for outcome in again.outcomes}
    assert actions.pop("load/by-hand-dev") == "updated"
    assert set(actions.values()) == {"unchanged"}
    assert {name: server.deployment(name)["updated"] for name in actions} == {name: before[name] for name in actions}


def test_one_flow_carries_several_deployments(server: Api, scripts: tuple[Path, Report]) -> None:
    """Each module-level name is a deployment of its own, and entrypoints name objects that a worker can load."""
    assert names(scripts[1]) == {"report/board-dev", "report/board-once-dev", "report/team-dev"}
    board: Any = server.deployment("report/board-dev")
    assert board["entrypoint"] == "report.py:board"
    assert board["parameters"] == {"audience": "board", "copies": 7}
    assert board["job_variables"] == {"env": {"TONE": "formal"}, "meta_env": "dev"}
    assert server.deployment("report/board-once-dev")["global_concurrency_limit"]["limit"] == 1


@pytest.mark.parametrize("name", ["report/team-dev", "transform/nightly-dev"])
def test_they_run_on_a_worker(
    server: Api, warehouse: tuple[Path, Report], scripts: tuple[Path, Report], name: str
) -> None:
    """Runs of deployments in code load their decorated flow on the worker and complete."""
    state, logs = run_deployment(server, server.deployment(name))

    assert state["type"] == "COMPLETED", logs


FOUR = """
    from prefect import flow

    from deployer_flows import local_run_deployer
    from meta_prefect.implementations.infra import local_process


    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        return n


    third = local_run_deployer.with_variables(name="third")(work)
    fourth = local_process()(work)
"""
FOUR_FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - {recipe: local_run_deployer, entrypoint: "flows.py:work", variables: {name: first}}
        - {recipe: local_run_deployer, entrypoint: "flows.py:work", variables: {name: second}}
"""


def test_one_flow_four_deployments(server: Api, project: Any, unique: str) -> None:
    """Two deployments of the file and two in code are one plan and one run per recipe, and each runs on a worker."""
    report = deploy([str(project(**{"flows.py": FOUR, "meta_prefect.yaml": FOUR_FILE}))])

    assert names(report) == {f"{unique}/{name}-dev" for name in ("first", "second", "third", "fourth")}
    parent = (report.run_url or "").rpartition("/")[2]
    children = server.post("/flow_runs/filter", flow_runs={"parent_flow_run_id": {"any_": [parent]}})
    assert sorted(child["name"] for child in children) == [
        "decorated_flow_deployer to dev: 1",
        "local_run_deployer to dev: 3",
    ]
    for name in names(report):
        state, logs = run_deployment(server, server.deployment(name))
        assert state["type"] == "COMPLETED", logs
