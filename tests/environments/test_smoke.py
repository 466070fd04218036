"""Smoke runs: what would run otherwise runs once before its schedules are active; what fails leaves all as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from production import record
from support import Api, wait_until

from meta_prefect.deploy import deploy
from meta_prefect.errors import DeployFailed, ValidationFailed

CODE = """
    import time

    from prefect import flow

    @flow(name="UNIQUE")
    def work(n: int = 1, does: str = "nothing") -> int:
        if does == "fail":
            raise ValueError("the disk is full")
        if does == "hang":
            time.sleep(900)
        return n
"""
FILE = """
    project: UNIQUE
    environments:
      prod: {smoke: {parameters: {does: DOES, day: "for flows that have one"}, timeout: 5m}, defaults: {active: true}}
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables:
            {name: nightly, version: "1", parameters: {n: NUMBER}, description: TEXT, schedule: {cron: "0 9 * * *"}}
        - recipe: local_run_deployer
          variables: {name: untried, version: "1", smoke: false}
"""
FRESH = """
        - recipe: local_run_deployer
          variables: {name: fresh, paused: true, schedule: {cron: "0 9 * * *"}}
"""
Files = Callable[..., Path]


def written(project: Files, *, does: str = "nothing", number: int = 1, text: str = "Ours", more: str = "") -> Path:
    """The project, whose smoke run does something."""
    file = (FILE + more).replace("DOES", does).replace("NUMBER", str(number)).replace("TEXT", text)
    return project(flow=CODE, **{"meta_prefect.yaml": file})


def smoke_runs(server: Api, project: str) -> list[Any]:
    """The smoke runs of a project's flow, the last one first."""
    condition = {"flows": {"name": {"any_": [project]}}, "flow_runs": {"tags": {"all_": ["meta-prefect-smoke"]}}}
    return server.post("/flow_runs/filter", **condition, sort="START_TIME_DESC")


def test_what_stands_its_smoke_run_becomes_active_and_what_does_not_is_put_back(
    server: Api, project: Files, unique: str
) -> None:
    """Created, or with other runs, it runs once as part of the deploy; one that fails is quoted, and all is as it was."""
    name = f"{unique}/nightly-prod"
    planned = deploy([str(written(project))], env="prod", dry_run=True)
    first = deploy([str(written(project))], env="prod")

    gets_one = f"gets a smoke run, within 5m, before its schedules are active: {name}"
    assert gets_one in planned.remarks
    assert first.count() == "2 created"
    (run,) = smoke_runs(server, unique)
    assert (run["state"]["type"], run["parameters"]) == ("COMPLETED", {"n": 1, "does": "nothing"})
    assert run["parent_task_run_id"] is not None
    assert [one.smoke_run for one in first.outcomes] == [run["id"], None]
    made = server.deployment(name)
    assert ([one["active"] for one in made["schedules"]], made["paused"]) == ([True], False)
    assert "meta-prefect-smoke" not in made["tags"]

    deploy([str(written(project))], env="prod")
    other_text = deploy([str(written(project, text="Others"))], env="prod")
    assert other_text.count() == "1 updated, 1 unchanged"
    assert len(smoke_runs(server, unique)) == 1

    before = record(server, name)
    with pytest.raises(DeployFailed, match="the disk is full") as failed:
        deploy([str(written(project, does="fail", number=2, text="New", more=FRESH))], env="prod")
    report = failed.value.report
    outcome = next(one for one in report.outcomes if one.deployment == name)
    assert outcome.action == "failed"
    assert f"/runs/flow-run/{outcome.smoke_run}" in outcome.detail
    assert "(put back as it was)" in outcome.detail
    assert record(server, name) == before
    assert server.deployment(f"{unique}/fresh-prod") is None

    again = deploy([str(written(project, number=2, text="New", more=FRESH))], env="prod")
    assert again.count() == "1 created, 1 updated, 1 unchanged"
    fresh = server.deployment(f"{unique}/fresh-prod")
    assert ([one["active"] for one in fresh["schedules"]], fresh["paused"]) == ([True], True)
    assert server.deployment(name)["parameters"] == {"n": 2}


@pytest.mark.parametrize("ends", ["nothing", "fail"])
@pytest.mark.faults
def test_the_next_deploy_finishes_what_a_killed_one_has_begun(
    server: Api, project: Files, unique: str, ends: str
) -> None:
    """On trial when the deploy was killed, it runs once more; what was there before all that is known still."""
    name = f"{unique}/nightly-prod"
    deploy([str(written(project))], env="prod")
    before = record(server, name)
    root = written(project, does="hang", number=2, more=FRESH)
    command = [sys.executable, "-m", "meta_prefect.cli", "deploy", str(root), "--env", "prod"]
    killed = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def hanging() -> list[Any]:
        runs = [one for one in smoke_runs(server, unique) if one["state"]["type"] == "RUNNING"]
        return runs if len(runs) == 2 else []

    first = wait_until(hanging, what="both smoke runs hang", seconds=180)
    killed.kill()
    killed.wait()
    trial = server.deployment(name)
    assert ([one["active"] for one in trial["schedules"]], trial["parameters"]) == ([False], {"n": 2})
    assert "meta-prefect-smoke" in trial["tags"]

    root = written(project, does=ends, number=2, more=FRESH)
    if ends == "fail":
        with pytest.raises(DeployFailed, match="the disk is full"):
            deploy([str(root)], env="prod")
        assert record(server, name) == before
        assert server.deployment(f"{unique}/fresh-prod") is None
    else:
        assert deploy([str(root)], env="prod").count() == "2 updated, 1 unchanged"
        settled = record(server, name)
        assert settled == {**before, "parameters": {"n": 2}}
        assert server.deployment(f"{unique}/fresh-prod")["paused"] is True
        assert deploy([str(root)], env="prod", only_changed=True).count() == "3 unchanged"
    for run in first:
        path = f"/flow_runs/{run['id']}"
        wait_until(lambda path=path: server.get(path)["state"]["type"] == "CANCELLED", what="it is cancelled")


@pytest.mark.thorough
def test_what_hangs_and_what_no_worker_takes_is_cancelled_and_put_back(
    server: Api, project: Files, unique: str
) -> None:
    """Both at once, each within its time."""
    server.post("/work_pools/", name=f"{unique}-pool", type="process", base_job_template={})
    own = "smoke: {parameters: {does: hang}, timeout: 1m}"
    waiting = """
        - recipe: process_run_deployer
          variables: {name: waiting, work_pool: UNIQUE-pool, code: local, smoke: {timeout: 1m}}
    """
    name = f"{unique}/nightly-prod"
    deploy([str(written(project))], env="prod")
    before = record(server, name)
    root = written(project, number=2, more=waiting.rstrip())
    file = root / "meta_prefect.yaml"
    file.write_text(file.read_text().replace("name: nightly,", f"name: nightly, {own},"))

    with pytest.raises(DeployFailed) as failed:
        deploy([str(root)], env="prod")

    report = failed.value.report
    told = {one.deployment: one.detail for one in report.failed}
    assert "its smoke run was not through after 1m, and is cancelled: it was Running" in told[name]
    assert f"does a worker of work pool '{unique}-pool' take runs?" in told[f"{unique}/waiting-prod"]
    assert record(server, name) == before
    assert server.deployment(f"{unique}/waiting-prod") is None
    states = {one["state"]["type"] for one in smoke_runs(server, unique)}
    assert states == {"COMPLETED", "CANCELLED"}


def test_a_smoke_run_needs_what_its_flow_needs(project: Files) -> None:
    """Known before anything is written: a parameter without a value, or that the flow does not take."""
    code = CODE.replace("n: int = 1", "n: int")
    root = project(
        flow=code, **{"meta_prefect.yaml": FILE.replace("parameters: {n: NUMBER}, ", "smoke: {parameters: {m: 1}}, ")}
    )
    with pytest.raises(ValidationFailed) as failed:
        deploy([str(root)], env="prod", dry_run=True)
    told = str(failed.value)
    assert "the flow has no parameter 'm'" in told
    assert "has no value for the parameter 'n', which its flow needs" in told
