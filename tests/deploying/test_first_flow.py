"""The first five minutes: two files, one command, a run on a worker."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.settings import PREFECT_API_URL, get_current_settings
from support import LOCAL_RUN_STEPS, Api, run_deployment, wait_until

from meta_prefect.deploy import deploy
from meta_prefect.local.worker import local_pool_name, stop_worker, worker_status
from meta_prefect.report import Report

SEED = Path(__file__).parents[1] / "projects" / "first_flow"
NAME = "add-two-numbers-flow/local-run-dev"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with nothing but the two files."""
    return shutil.copytree(SEED, tmp_path_factory.mktemp("first") / "first-flow")


@pytest.fixture(scope="module")
def first(server: Api, folder: Path) -> Generator[Report]:
    """The first deploy, made from a shell whose environment holds things that are none of a run's business.

    Whatever other tests have made, it finds neither pool nor worker.
    """
    stop_worker()
    server.delete(f"/work_pools/{local_pool_name()}", missing_is_fine=True)
    with pytest.MonkeyPatch.context() as shell:
        shell.setenv("META_PREFECT__VERSION", "")
        shell.setenv("META_PREFECT__TAGS", "")
        shell.setenv("PREFECT__ONLY_OF_THE_SHELL", "1")
        yield deploy([str(folder)])


@pytest.fixture(scope="module")
def deployment(server: Api, first: Report) -> Any:
    """The deployment after the first deploy."""
    return server.deployment(NAME)


def test_the_first_deploy_creates_the_deployment(first: Report, deployment: Any) -> None:
    """The report names the deployment, and it is on the server at version 1 with its tags, entrypoint and code location."""
    assert [(one.deployment, one.action, one.version) for one in first.outcomes] == [(NAME, "created", "1")]
    assert deployment["version"] == "1"
    assert deployment["tags"] == ["env=dev", "meta-prefect=first-flow"]
    assert deployment["entrypoint"] == "flow.py:add_two_numbers_flow"
    assert deployment["description"].startswith(
        "Add two numbers.\n\nSchedule: mon wed fri sat 00:00 US/Pacific without holidays"
    )
    assert deployment["work_pool_name"] == local_pool_name()
    assert deployment["job_variables"] == {"meta_env": "dev"}


def test_its_schedule_leaves_out_holidays_and_is_inactive_in_dev(deployment: Any) -> None:
    """The rule is stored as written, without the federal holidays of this and the next year, and of 400 days at least."""
    (schedule,) = deployment["schedules"]
    start, rule, excluded = schedule["schedule"]["rrule"].splitlines()

    assert schedule["active"] is False
    assert schedule["schedule"]["timezone"] == "US/Pacific"
    assert start.startswith("DTSTART:")
    assert rule == "FREQ=DAILY;BYDAY=MO,WE,FR,SA"
    times = excluded.removeprefix("EXDATE:").split(",")
    assert all(time.endswith("T000000") for time in times)
    today = date.today()  # noqa: DTZ011 - a test is run by somebody somewhere
    last = max(today.year + 1, (today + timedelta(days=400)).year)
    assert {time[:4] for time in times} >= {str(today.year), str(today.year + 1)}
    assert max(times)[:4] <= str(last)


def test_its_pool_tells_runs_their_environment(server: Api, deployment: Any) -> None:
    """The pool's template is Prefect's own plus one variable, which becomes META_PREFECT__ENV in the run."""
    pool = server.get(f"/work_pools/{deployment['work_pool_name']}")

    assert pool["type"] == "process"
    template = pool["base_job_template"]
    assert template["job_configuration"]["env"] == {"META_PREFECT__ENV": "{{ meta_env }}"}
    assert {"meta_env", "env", "command", "working_dir"} <= template["variables"]["properties"].keys()


def test_the_workers_own_class_makes_a_job_with_the_environment(server: Api, deployment: Any) -> None:
    """A job made from the stored pool and deployment has META_PREFECT__ENV and the user's own variables."""
    import asyncio

    from prefect.workers.process import ProcessJobConfiguration

    template = server.get(f"/work_pools/{deployment['work_pool_name']}")["base_job_template"]
    variables = {**deployment["job_variables"], "env": {"MINE": "1"}}
    job = asyncio.run(ProcessJobConfiguration.from_template_and_values(template, variables))

    assert job.env["META_PREFECT__ENV"] == "dev"
    assert job.env["MINE"] == "1"


def test_a_run_sees_its_environment(server: Api, deployment: Any) -> None:
    """A run of the deployment completes on the worker; it logs its environment and its result."""
    state, logs = run_deployment(server, deployment, x=1, y=2)

    assert state["type"] == "COMPLETED", logs
    assert "env='dev'" in logs
    assert "out=3" in logs


def test_the_worker_is_clean(server: Api, first: Report) -> None:
    """The worker's process has nothing of the shell's META_PREFECT__* and PREFECT__* variables, and an own process group."""
    (worker,) = [one for one in worker_status() if one.pool == local_pool_name() and one.alive]
    process = psutil.Process(worker.record.pid)

    leaked = [name for name in process.environ() if name.startswith(("META_PREFECT__", "PREFECT__"))]
    assert leaked == []
    assert process.cwd() == str(get_current_settings().home)
    online = server.post(f"/work_pools/{worker.pool}/workers/filter")
    assert [(one["name"], one["status"]) for one in online] == [(worker.name, "ONLINE")]


def test_the_deploy_is_a_flow_of_flows(server: Api, first: Report) -> None:
    """The API shows the deploy with its builders, and one child run of its recipe, all named for what they do, all completed."""
    assert first.run_url is not None
    parent_id = first.run_url.rpartition("/")[2]
    parent = server.get(f"/flow_runs/{parent_id}")
    assert parent["name"] == "deploy first-flow to dev"

    tasks = _task_names(server, parent_id, count=9)
    (child_task,) = [name for name in tasks if name.startswith("local-run-deployer")]
    assert tasks == {"read project", *LOCAL_RUN_STEPS, "plan", child_task}
    (child,) = server.post("/flow_runs/filter", flow_runs={"parent_flow_run_id": {"any_": [parent_id]}})
    assert child["name"] == "local_run_deployer to dev: 1"
    pool, worker = f"work pool {local_pool_name()}", next(one.name for one in worker_status())
    assert _task_names(server, child["id"], count=6) >= {
        "compare with the plan",
        f"ensure {pool}",
        f"ensure worker {worker}",
        f"wait for worker {worker}",
        f"apply {NAME}",
    }
    assert {parent["state"]["type"], child["state"]["type"]} == {"COMPLETED"}


def _task_names(server: Api, flow_run_id: str, *, count: int) -> set[str]:
    """Read the names of a run's tasks once they are recorded, and see that all have completed."""
    query = {"flow_runs": {"id": {"any_": [flow_run_id]}}}

    def recorded() -> list[Any]:
        runs: list[dict[str, Any]] = server.post("/task_runs/filter", **query)
        done = [one for one in runs if one["state"] and one["state"]["type"] == "COMPLETED"]
        return runs if len(runs) == len(done) >= count else []

    return {one["name"] for one in wait_until(recorded, what=f"{count} task runs are recorded", seconds=30)}


def test_a_report_and_a_plan_are_left_as_artifacts(server: Api, first: Report) -> None:
    """The plan can be read, and the report links to the deployment."""
    plan = server.get("/artifacts/plan-first-flow-dev/latest")
    assert f"+ deployment {NAME}" in plan["data"]
    report = server.get("/artifacts/report-first-flow-dev/latest")
    assert NAME in report["data"]
    assert "created" in report["data"]


def test_a_second_deploy_is_the_next_version_and_nothing_more(server: Api, folder: Path, deployment: Any) -> None:
    """Deploying again gives the next version; deployment, pool and worker process are the same ones, nothing is left over."""
    pools = server.post("/work_pools/filter")
    workers = worker_status()
    before = server.deployment(NAME)

    again = deploy([str(folder)])

    after = server.deployment(NAME)
    assert [(one.action, one.detail) for one in again.outcomes] == [("updated", "version")]
    assert int(after["version"]) == int(before["version"]) + 1
    assert after["id"] == deployment["id"]
    assert [pool["id"] for pool in server.post("/work_pools/filter")] == [pool["id"] for pool in pools]
    assert [one.record.pid for one in worker_status()] == [one.record.pid for one in workers]
    assert len(server.deployments_of("add-two-numbers-flow")) == len({NAME})


@pytest.fixture
def prod(server: Api, folder: Path, first: Report, monkeypatch: pytest.MonkeyPatch) -> Generator[Any]:
    """The deployment for prod, asked for by the environment variable; removed afterwards."""
    monkeypatch.setenv("META_PREFECT__ENV", "prod")
    monkeypatch.setenv("META_PREFECT__TAGS", " etl, ,daily,etl ")
    deploy([str(folder)])
    made = server.deployment("add-two-numbers-flow/local-run-prod")
    yield made
    server.delete(f"/deployments/{made['id']}")


def test_prod_stands_beside_dev_with_an_active_schedule(server: Api, prod: Any) -> None:
    """META_PREFECT__ENV=prod makes a second deployment beside the first, active and tagged, and its runs see `prod`."""
    assert prod["version"] == "1"
    assert prod["tags"] == ["daily", "env=prod", "etl", "meta-prefect=first-flow"]
    assert [schedule["active"] for schedule in prod["schedules"]] == [True]
    assert server.deployment(NAME)["tags"] == ["env=dev", "meta-prefect=first-flow"]
    state, logs = run_deployment(server, prod, x=1, y=2)
    assert state["type"] == "COMPLETED", logs
    assert "env='prod'" in logs


def test_a_scheduled_run_really_appears(server: Api, project: Callable[..., Path], unique: str) -> None:
    """The server that our dependencies give creates runs for an active schedule; some versions of them silently do not."""
    root = project(
        flow="""
            from prefect import flow

            @flow(name="UNIQUE")
            def work() -> None: ...
        """,
        **{
            "meta_prefect.yaml": """
                project: UNIQUE
                deployments:
                  UNIQUE:
                    - recipe: local_run_deployer
                      variables: {name: yearly, schedule: {cron: "0 0 * * *", active: true, holidays: false}}
            """
        },
    )
    deploy([str(root)])
    live = server.deployment(f"{unique}/yearly-dev")
    query = {"deployments": {"id": {"any_": [live["id"]]}}, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    assert wait_until(lambda: server.post("/flow_runs/filter", **query), what="scheduled runs", seconds=60)
    server.delete(f"/deployments/{live['id']}")


def test_the_settings_in_force_are_the_sessions(server: Api) -> None:
    """The tests talk to their own server on loopback and to no other."""
    assert PREFECT_API_URL.value() == server.url
    assert server.url.startswith("http://127.0.0.1:")
