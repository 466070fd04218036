"""What a run says of itself in a list of runs, and what Python gets from it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from support import Api, wait_until

from deployer_flows import check_drift, deploy_project, prune, rollback
from meta_prefect.deploy import deploy
from meta_prefect.report import Report

Project = Callable[..., Path]
Cli = Callable[..., "subprocess.CompletedProcess[str]"]

FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work(x: int) -> None: ...
"""
FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: a, schedule: "0 9 * * *"}
        - recipe: local_run_deployer
          variables: {name: b, schedule: "0 9 * * *"}
"""
NOTE = "scheduled runs will fail (no value for x)"


@pytest.fixture
def root(project: Project) -> Path:
    """A project with two deployments whose scheduled runs lack a value."""
    return project(**{"flow.py": FLOW, "meta_prefect.yaml": FILE})


def messages(server: Api, unique: str) -> list[str]:
    """What the runs about a project say in their states, the newest last."""
    condition = {"flow_runs": {"tags": {"all_": [f"project={unique}"]}}, "sort": "START_TIME_ASC"}
    return [
        run["state"]["message"].partition("; of components")[0] for run in server.post("/flow_runs/filter", **condition)
    ]


def change(server: Api, name: str) -> None:
    server.patch(f"/deployments/{server.deployment(name)['id']}", description="changed by hand")


def test_runs_say_what_they_did(server: Api, root: Path, unique: str) -> None:
    """Each run ends in a state with the sentence of its report, and gives Python the report itself."""
    name = f"{unique}/a-dev"
    done: Any = [
        deploy([str(root)], dry_run=True),
        deploy([str(root)]),
        deploy([str(root)], only_changed=True),
        asyncio.run(check_drift(path=str(root))),
    ]
    change(server, name)
    found = asyncio.run(check_drift(path=str(root), policy="heal"))
    nothing = asyncio.run(prune(path=str(root)))
    back = asyncio.run(rollback(deployment=name, path=str(root)))

    # A plan says as well what it would do with the pool and its worker, where they are not there yet.
    assert [one.in_one_line.partition(";")[0] for one in done[:3]] == [
        "2 to create in dev",
        "2 created in dev",
        "2 unchanged in dev",
    ]
    assert messages(server, unique) == [
        "2 to create in dev",
        "2 created in dev",
        "2 unchanged in dev",
        "no drift in 2 deployments",
        f"healed 1 of 2 deployments: {name}",
        "nothing to do in dev",
        f"updated {name}: rolled back to version 1: description",  # as the heal found it
    ]
    assert [one.deployment for one in found.drifted] == [name]
    assert (nothing.outcomes, back.outcomes[0].action) == ((), "updated")
    recipes = server.post("/flow_runs/filter", flows={"name": {"any_": ["local-run-deployer"]}}, sort="START_TIME_DESC")
    assert recipes[0]["state"]["message"] == "1 updated in dev"
    restored = server.post("/flow_runs/filter", flows={"name": {"any_": ["rollback"]}}, sort="START_TIME_DESC")
    assert restored[0]["state"]["message"] == f"updated {name}: rolled back to version 1: description"


def test_a_flow_around_it_gets_the_report(server: Api, root: Path) -> None:
    """A flow of yours that deploys a project goes on with the report, and may ask for the state as well."""

    @flow
    async def around() -> tuple[Report, Any]:
        report = await deploy_project(path=str(root))
        again: Any = deploy_project(path=str(root), only_changed=True, return_state=True)
        return report, await again

    del server
    report, state = asyncio.run(around())

    assert report.in_one_line == "2 created in dev"
    assert state.message == "2 unchanged in dev"


def test_a_dry_run_speaks_of_what_is_to_come(server: Api, root: Path, unique: str, run_cli: Cli) -> None:
    """No word of a dry run says that something was done: not the text, the report's page, nor its description."""
    done = run_cli("deploy", str(root), "--dry-run")

    page = server.get(f"/artifacts/report-{unique}-dev/latest")
    plan = run_cli("plan", str(root))
    assert done.returncode == plan.returncode == 2
    assert done.stdout.startswith(f"+ 2 deployments, each with\n    {unique}/a-dev, {unique}/b-dev\n")
    above = [one.stdout.partition("; planned in ")[0] for one in (done, plan)]
    assert above[0] == above[1]
    assert "2 to create in dev" in done.stdout
    assert "2 to create" in page["description"]
    assert "| to create |" in page["data"]
    assert "created" not in f"{done.stdout}{page['description']}{page['data']}"


def test_notes_are_said_once_and_not_again(root: Path, unique: str, run_cli: Cli) -> None:
    """A note names its deployments in one line; where nothing but the version changes a deploy is silent, and a plan is not."""
    both = f"note: {NOTE}: {unique}/a-dev, {unique}/b-dev"

    first = run_cli("deploy", str(root))
    again = run_cli("deploy", str(root))
    plan = run_cli("plan", str(root))

    assert [line for line in first.stderr.splitlines() if NOTE in line] == [both]
    assert NOTE not in again.stdout + again.stderr
    assert [line for line in plan.stderr.splitlines() if NOTE in line] == [both]


def test_the_log_says_once_what_deployments_have_in_common(server: Api, root: Path, unique: str) -> None:
    """A deploy that finds nothing to do logs that once, however many deployments it looked at."""
    deploy([str(root)])
    run_id = deploy([str(root)], only_changed=True).run_id
    condition = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC"}

    def log() -> list[str]:
        lines = [line["message"] for line in server.post("/logs/filter", **condition)]
        return lines if any(line.startswith("Finished") and "unchanged" in line for line in lines) else []

    told = wait_until(log, what="the log arrives")

    assert not [line for line in told if f"{unique}/" in line]
    assert "\n".join(told).count("= 2 deployments: already as wanted") == 1
