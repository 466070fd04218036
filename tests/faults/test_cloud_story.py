"""The whole story of a project on Prefect Cloud, on the double of it, where a deploy meets the limits of its plan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from cloud_double import CloudDouble, Limits
from support import Api, wait_until

pytestmark = pytest.mark.faults

FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work(n: int = 1, token: str = "") -> int:
        '''Work.'''
        return n
"""
NUMBER = 30
TOKEN = "a-value-for-nobody"
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cloud(server: Api) -> Generator[CloudDouble]:
    """The double: 50 requests, whatever their paths, and 100 lines of logs; then two seconds in place of a minute.

    That is a fifth of what the smallest plan allows, so that thirty deployments meet it.
    """
    limits = Limits(requests=50, logs=100, seconds=2, paths=())
    with CloudDouble(server.url, os.environ.get("PREFECT_API_AUTH_STRING"), limits) as double:
        yield double


@pytest.fixture
def root(project: Callable[..., Path]) -> Path:
    """A project of many deployments, whose environment has a word of its own; one value of each looks like a secret."""
    asks = f"schedule: '0 9 * * *', parameters: {{token: {TOKEN}}}"
    entries = "\n".join(
        f"        - {{recipe: local_run_deployer, variables: {{name: n{number}, {asks}}}}}" for number in range(NUMBER)
    )
    head = "    project: UNIQUE\n    environments: {dev: {called: cloudy}}\n    deployments:\n      UNIQUE:\n"
    return project(flow=FLOW, **{"meta_prefect.yaml": f"{head}{entries}\n"})


@pytest.fixture
def on_cloud(cloud: CloudDouble, root: Path, tmp_path: Path) -> Generator[Cli]:
    """Run `meta-prefect` for that project as a user of Cloud does; workers that it starts end with the test."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API_")}
    environment = {**others, "PREFECT_HOME": str(tmp_path / "home"), **cloud.environment}

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "meta_prefect.cli", *arguments]
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert cloud.key not in done.stdout + done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return done

    yield run
    run("worker", "stop")


@pytest.mark.timeout(600)
def test_the_story(server: Api, cloud: CloudDouble, on_cloud: Cli, unique: str) -> None:
    """Deploy, plan, status, a run, a rollback, drift, a deployer; and once more after all runs and artifacts are gone."""
    first = on_cloud("deploy")
    assert f"{NUMBER} created in dev" in first.stdout
    assert "takes no more requests for now: going on in" in first.stderr
    assert f"{NUMBER} " in on_cloud("plan").stdout.splitlines()[-2]
    assert f"{NUMBER} of {NUMBER} in sync" in on_cloud("status").stdout

    assert server.get("/block_types/slug/secret/block_documents/name/meta-prefect-sealing-key") is not None
    name = f"{unique}/n0-cloudy"
    run = server.post(f"/deployments/{server.deployment(name)['id']}/create_flow_run")
    wait_until(lambda: server.get(f"/flow_runs/{run['id']}")["state"]["type"] == "COMPLETED", what="the run ends")

    on_cloud("deploy", "--bump", "--select", "*n0*")
    assert "version 1" in on_cloud("rollback", name, "--no-hold").stdout
    server.patch(f"/deployments/{server.deployment(name)['id']}", description="by hand")
    assert f"drifted: {name}" in on_cloud("status", code=2).stdout
    assert f"created deploy-project/{unique}" in on_cloud("bootstrap").stdout
    assert cloud.traffic.refused > 0

    cloud.retain_nothing()
    status = json.loads(on_cloud("status", "--output", "json", code=2).stdout)
    assert [one["deployment"] for one in status["deployments"] if one["state"] != "in sync"] == [name]
    assert f"updated {name}" in on_cloud("deploy", "--only-changed", "--local-code").stdout
    assert on_cloud("status").returncode == 0
    on_cloud("bootstrap", "--remove")


def test_a_deploy_outlasts_a_server_that_stands_still(cloud: CloudDouble, on_cloud: Cli) -> None:
    """Nothing is lost, and it is said for how long it stood still."""
    cloud.limits = Limits(requests=10**6, logs=10**6)

    def stand_still() -> None:
        wait_until(lambda: sum(one == "POST /deployments/" for one in cloud.traffic.asked) > 5, what="some are written")
        cloud.stands_still = True
        time.sleep(13)
        cloud.stands_still = False

    thread = threading.Thread(target=stand_still)
    thread.start()
    done = on_cloud("deploy")
    thread.join()
    assert f"{NUMBER} created in dev" in done.stdout
    assert "has not answered for 10 seconds; still waiting" in done.stderr
    assert "answers again" in done.stderr
