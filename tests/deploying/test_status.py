"""How a project stands, as the command line tells it; fields one by one are in the tests of every field."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import Api, wait_until

from meta_prefect.deploy import deploy

CODE = """
    from prefect import flow
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import describer, versioneer

    @flow(name="UNIQUE")
    def work() -> None: ...

    common = versioneer(strategy="increment") | local_process()
"""
Project = Callable[..., Path]
Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def code(project: Project, *lines: str) -> Path:
    """A project whose one module ends in some lines."""
    text = CODE + "".join(f"    {line}\n" for line in lines)
    return project(**{"flows.py": text, "meta_prefect.yaml": "project: UNIQUE\n"})


def test_in_sync(server: Api, project: Project, unique: str, run_cli: Cli) -> None:
    """After a deploy everything is in sync, although the next deploy would count on: exit code 0."""
    root = code(project, "mine = common(work)")
    deploy([str(root)])

    done = run_cli("status", str(root))

    assert done.returncode == 0, done.stderr
    assert f"in sync: {unique}/mine-dev version 1, deployed 20" in done.stdout
    assert done.stdout.endswith("1 of 1 in sync in dev\n")


def test_every_way_of_not_being_in_sync(server: Api, project: Project, unique: str, run_cli: Cli) -> None:
    """Changed by hand, changed in code, deleted by hand, never deployed, no longer asked for: each is told, exit code 2."""
    names = ["drifted", "outdated", "missing", "orphan", "same"]
    root = code(project, *(f"{name} = common(work)" for name in names))
    deploy([str(root)])
    ids = {name: server.deployment(f"{unique}/{name}-dev")["id"] for name in names}
    server.patch(f"/deployments/{ids['drifted']}", description="by hand")
    server.patch(f"/deployments/{ids['same']}", paused=True)
    server.delete(f"/deployments/{ids['missing']}")
    code(
        project,
        *(f"{name} = common(work)" for name in ("drifted", "missing", "same", "new")),
        "outdated = (common | describer(text='in code'))(work)",
    )

    told = run_cli("status", str(root))
    status = json.loads(run_cli("status", str(root), "--output", "json").stdout)

    assert told.returncode == 2, told.stderr
    states = {one["deployment"].partition("/")[2]: one["state"] for one in status["deployments"]}
    assert states == {
        "drifted-dev": "drifted",
        "outdated-dev": "outdated",
        "missing-dev": "missing",
        "orphan-dev": "orphan",
        "same-dev": "in sync",
        "new-dev": "not deployed",
    }
    assert status["in_sync"] is False
    assert 'description: applied "", live "by hand", wanted "" (drift)' in told.stdout
    assert 'description: "" → "in code" (pending)' in told.stdout
    assert "paused: true (kept: set on the server, not by the recipe)" in told.stdout
    assert "1 of 6 in sync in dev" in told.stdout


def test_as_wanted_and_without_a_worker(server: Api, project: Project, unique: str, run_cli: Cli) -> None:
    """A deployment whose pool no worker serves is in sync, and its runs would not start: told in words, and by exit code 3.

    The plan says so as well, and when a worker was heard of last.
    """
    server.post("/work_pools/", name=unique, type="process")
    file = f"""
        project: UNIQUE
        deployments:
          UNIQUE:
            - recipe: process_run_deployer
              variables: {{name: mine, work_pool: {unique}}}
    """
    root = project(**{"flows.py": CODE, "meta_prefect.yaml": file})
    deploy([str(root)])

    done = run_cli("status", str(root))

    assert done.returncode == 3, done.stderr
    told = f"no worker of work pool {unique} is online"
    assert re.search(rf"\noffline: worker {unique}@\S+\n    {told}", done.stdout)
    assert done.stdout.endswith("1 of 1 in sync in dev; 1 offline\n")
    document = json.loads(run_cli("status", str(root), "--output", "json").stdout)
    assert (document["in_sync"], document["can_run"]) == (True, False)

    server.post(f"/work_pools/{unique}/workers/heartbeat", name="gone", heartbeat_interval_seconds=1)
    heard = rf"= worker \S+: {told}; the last one was heard of at 20\d\d-\d\d-\d\d \d\d:\d\dZ"

    def planned() -> Any:
        done = run_cli("plan", str(root), "--only-changed")
        return done if re.search(heard, done.stdout) else None

    done = wait_until(planned, what="the worker is gone", seconds=30)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(told) == 1


def test_without_a_server_there_is_nothing_to_compare_with(project: Project, run_cli: Cli, tmp_path: Path) -> None:
    """It says how to configure one."""
    nowhere = {"PREFECT_API_URL": "", "PREFECT_HOME": str(tmp_path / "home")}
    done = run_cli("status", str(code(project, "mine = common(work)")), env=nowhere)

    assert done.returncode == 1
    assert "no Prefect API configured" in done.stderr


def test_a_broken_project_is_an_error(server: Api, project: Project, run_cli: Cli) -> None:
    """Exit code 1, as for a plan."""
    done = run_cli("status", str(code(project, "mine = versioneer()(work)")))

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "no builder says where" in done.stderr
