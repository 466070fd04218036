"""A plan says what a deploy does, in words and as JSON, with the exit codes that CI expects; two deploys take turns."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api, wait_until

from meta_prefect.deploy import deploy

CODE = """
    from prefect import flow
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import describer, tags_resolver, versioneer

    @flow(name="UNIQUE")
    def work() -> None: ...

    mine = (tags_resolver(tags=("a",)) | versioneer(VERSION) | local_process() | describer(text="DESCRIPTION"))(work)
"""
Project = Callable[..., Path]
Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def code(project: Project, *, version: str = "version='1'", description: str = "first") -> Path:
    """A project with one deployment in code."""
    text = CODE.replace("VERSION", version).replace("DESCRIPTION", description)
    return project(**{"flows.py": text, "meta_prefect.yaml": "project: UNIQUE\n"})


def test_the_exit_code_tells_whether_there_is_anything_to_do(server: Api, project: Project, run_cli: Cli) -> None:
    """2 before a deploy, 0 after it."""
    root = code(project)
    before = run_cli("plan", str(root))
    deploy([str(root)])
    after = run_cli("plan", str(root))

    assert (before.returncode, after.returncode) == (2, 0), before.stderr + after.stderr
    assert "+ deployment" in before.stdout
    assert 'description: "first"' in before.stdout
    assert "already as wanted" in after.stdout


def test_a_plan_writes_nothing_and_is_what_the_deploy_does(server: Api, project: Project, unique: str) -> None:
    """What a dry run says is what the deploy after it does, and until then nothing is on the server."""
    root = code(project)

    planned = deploy([str(root)], dry_run=True)
    untouched = server.deployments_of(unique)
    done = deploy([str(root)])

    assert untouched == []
    in_future = {"created": "to create"}
    assert [(one.deployment, one.action, one.version) for one in planned.outcomes] == [
        (one.deployment, in_future[one.action], one.version) for one in done.outcomes
    ]


def test_a_change_is_shown_field_by_field(server: Api, project: Project, unique: str) -> None:
    """An update names each field with its value before and after, and what becomes of scheduled runs."""
    deploy([str(code(project))])
    root = code(project, description="second")

    plan = deploy([str(root)], dry_run=True).plan

    assert plan is not None
    told: Any = json.loads(plan.as_json())
    (change,) = [one for one in told["changes"] if one["kind"] == "deployment"]
    assert told["has_changes"] is True
    assert change["action"] == "update"
    assert change["fields"] == [{"path": "description", "before": "first", "after": "second"}]
    assert change["scheduled_runs"] == "kept"  # there is no schedule


def test_a_counted_version_alone_is_no_change(server: Api, project: Project, unique: str) -> None:
    """The next integer is shown, but for the exit code there is nothing to do; `only_changed` leaves it alone."""
    root = code(project, version="strategy='increment'")
    deploy([str(root)])

    plan = deploy([str(root)], dry_run=True).plan
    left_alone = deploy([str(root)], only_changed=True)

    assert plan is not None
    assert plan.has_changes is False
    assert "next version" in {change.action for change in plan.changes}
    assert [outcome.action for outcome in left_alone.outcomes] == ["unchanged"]
    assert server.deployment(f"{unique}/mine-dev")["version"] == "1"


def test_adopt_takes_over_what_nobody_manages(server: Api, project: Project, unique: str) -> None:
    """With adopt a deployment of the same name that nobody manages becomes this project's, under its old id."""
    flow = server.post("/flows/", name=unique)
    theirs = server.post("/deployments/", name="mine-dev", flow_id=flow["id"], tags=["theirs"])

    report = deploy([str(code(project))], adopt=True)

    live = server.deployment(f"{unique}/mine-dev")
    assert [outcome.action for outcome in report.outcomes] == ["updated"]
    assert live["id"] == theirs["id"]
    assert f"meta-prefect={unique}" in live["tags"]


def test_deploys_of_one_project_take_turns(server: Api, project: Project, unique: str) -> None:
    """Two deploys at the same moment both succeed, one after the other, and leave no lock."""
    root = code(project, version="strategy='increment'")
    command = [sys.executable, "-m", "meta_prefect.cli", "deploy", str(root)]

    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [one.communicate(timeout=180) for one in both]

    assert [one.returncode for one in both] == [0, 0], outputs
    assert server.deployment(f"{unique}/mine-dev")["version"] == "2"
    assert server.get(f"/variables/name/meta-prefect-lock-{unique}-dev") is None


HOLD = """
import asyncio, os, sys
from meta_prefect.local.host import LocalHost
from meta_prefect.server import connect
from meta_prefect.state.lock import turn

async def hold():
    async with connect(LocalHost()) as server, turn(server, sys.argv[1], "dev"):
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


def test_the_lock_of_a_killed_deploy_is_broken(server: Api, project: Project, unique: str) -> None:
    """Somebody who was killed while deploying stops nobody: the next deploy sees that the process is gone."""
    lock = f"/variables/name/meta-prefect-lock-{unique}-dev"
    waiting = threading.Thread(target=deploy, args=([str(code(project))],))
    with subprocess.Popen([sys.executable, "-c", HOLD, unique], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waiting.start()
        held_by = server.get(lock)["value"]["pid"]
        holder.kill()

    wait_until(lambda: not waiting.is_alive(), what="the waiting deploy ends", seconds=60)
    assert held_by == holder.pid
    assert server.deployment(f"{unique}/mine-dev") is not None
    assert server.get(lock) is None


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_plan_of_a_broken_project_exits_with_1(server: Api, project: Project, run_cli: Cli, form: str) -> None:
    """An error in the project is exit code 1, not a plan."""
    root = project(**{"meta_prefect.yaml": "deployments: {x: [{recipe: nope}]}\n"})

    done = run_cli("plan", str(root), "--output", form)

    assert done.returncode == 1
    assert "nope" in done.stderr
    assert "Traceback" not in done.stderr
