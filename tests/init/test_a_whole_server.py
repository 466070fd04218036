"""Thirty deployments by `prefect deploy`, with what operators have done since: taken over as they are, and run on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Api, wait_until

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]

MANY = 30
KINDS = ("process", "docker", "kubernetes")
FLOW = '''
@flow(name="{name}-{number}")
def work{number}(source: str = "a") -> None:
    """Work {number}."""
    print("worked on", source)
'''
SCHEDULES: tuple[list[dict[str, Any]], ...] = (
    [{"cron": "{number} 3 * * *", "timezone": "Europe/Berlin"}],
    [{"interval": 3600}, {"interval": 30}],
    [{"rrule": "FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=7"}, {"rrule": "FREQ=DAILY;UNTIL=20240101T000000"}],
    [],
)
"""In turn; among them some that Prefect takes and a deploy of ours refuses."""


def entry(name: str, number: int) -> dict[str, Any]:
    """What `prefect.yaml` says of a deployment; one has a job variable and a parameter that nothing knows."""
    kind = KINDS[number % len(KINDS)]
    image = {} if kind == "process" else {"image": "python:3.11"}
    odd = number == 6
    return {
        "name": f"nightly {number}",
        "entrypoint": f"part{number % 3}/flows.py:work{number}",
        "tags": [f"team-{number % 2}", "V3"],
        "parameters": {"source": f"s{number}", **({"gone": 1} if odd else {})},
        "work_pool": {"name": f"{name}-{kind}", "job_variables": {**image, **({"memory": "1Gi"} if odd else {})}},
        "schedules": json.loads(json.dumps(SCHEDULES[number % 4]).replace("{number}", str(number))),
        "enforce_parameter_schema": not odd,
    }


def prefect(*arguments: str, cwd: Path) -> str:
    """Run Prefect's own command line."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    return subprocess.run(command, cwd=cwd, env=os.environ, capture_output=True, text=True, check=True).stdout


def states(server: Api, name: str) -> dict[str, Any]:
    """What operators have set of each deployment, and what is not theirs: ids, tags, pauses, switches."""
    found = [one for number in range(MANY) for one in server.deployments_of(f"{name}-{number}")]
    return {
        one["name"]: (
            one["id"],
            one["paused"],
            one["parameters"],
            sorted((schedule["id"], schedule["active"]) for schedule in one["schedules"]),
        )
        for one in found
    }


@pytest.fixture
def root(server: Api, unique: str, tmp_path: Path) -> Iterator[Path]:
    """The folder of the flows, once they are deployed and operators have been there."""
    folder = tmp_path / unique
    for part in range(3):
        file = folder / f"part{part}" / "flows.py"
        file.parent.mkdir(parents=True)
        mine = (FLOW.format(name=unique, number=number) for number in range(part, MANY, 3))
        file.write_text("from prefect import flow\n\n" + "\n".join(mine))
    pull = [{"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}]
    entries = [entry(unique, number) for number in range(MANY)]
    (folder / "prefect.yaml").write_text(json.dumps({"name": unique, "pull": pull, "deployments": entries}))
    for kind in KINDS:
        prefect("work-pool", "create", f"{unique}-{kind}", "--type", kind, cwd=folder)
    prefect("deploy", "--all", cwd=folder)
    (folder / "prefect.yaml").unlink()
    for number in range(0, MANY, 3):
        (live,) = server.deployments_of(f"{unique}-{number}")
        server.post(f"/deployments/{live['id']}/pause_deployment")
    for number in range(0, MANY, 5):
        (live,) = server.deployments_of(f"{unique}-{number}")
        server.patch(f"/deployments/{live['id']}", tags=[*live["tags"], "vip"])
        for schedule in live["schedules"][:1]:
            server.patch(f"/deployments/{live['id']}/schedules/{schedule['id']}", active=False)
    yield folder
    for one in states(server, unique).values():
        server.post(f"/deployments/{one[0]}/pause_deployment")


def test_a_server_is_taken_over_as_it_is(
    server: Api, root: Path, unique: str, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """The file equals what is live; the plan marks and nothing else; pauses and switches stay; a worker runs them on."""
    before = states(server, unique)

    def run(*arguments: str, ends: int) -> str:
        done = run_cli(*arguments, cwd=root)
        assert done.returncode == ends, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    told = json.loads(run("init", "--from-server", "--pool", f"{unique}-*", "--yes", "--output", "json", ends=0))
    assert (len(told["equal"]), told["differences"], told["refused"], told["errors"]) == (MANY, [], {}, [])
    text = (root / "meta_prefect.yaml").read_text()
    for word in ("under_a_minute", "no_runs", "unknown_job_variables", "unknown_parameters"):
        assert word in text
    plan = json.loads(run("plan", "--adopt", "--output", "json", ends=2))
    fields = {
        field["path"] for one in plan["changes"] if one["kind"] == "deployment" for field in one.get("fields", ())
    }
    assert {path for path in fields if not path.endswith(".slug")} <= {
        "tags",
        "job_variables.env",
        "job_variables.env.META_PREFECT__ENV",
    }
    run("deploy", "--adopt", ends=0)
    run("status", ends=3)  # in sync, and no worker is online
    assert states(server, unique) == before
    vip = [one for number in range(0, MANY, 5) for one in server.deployments_of(f"{unique}-{number}")]
    assert all({"vip", "V3", f"meta-prefect={unique}"} <= set(one["tags"]) for one in vip)

    live = server.deployment(f"{unique}-21/nightly 21")
    began = server.post(f"/deployments/{live['id']}/create_flow_run")
    prefect("worker", "start", "-p", f"{unique}-process", "-t", "process", "--run-once", cwd=root)
    final = {"COMPLETED", "FAILED", "CRASHED"}
    path = f"/flow_runs/{began['id']}"
    state = wait_until(lambda: (now := server.get(path)["state_type"]) in final and now, what="the run ends")
    assert state == "COMPLETED"
