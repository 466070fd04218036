"""The system of docker/compose.yaml, started by hand from its own settings, deploys a project and runs it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from containers.composed import SECRETS, ComposedSystem, composed_services, composed_system
from support import run_deployment, wait_until

pytestmark = pytest.mark.stores

FLOWS = 12

FLOW = """
    import os

    from prefect import flow

    @flow(name="add")
    def add(x: int = 1, y: int = 2) -> int:
        print("in", os.environ["META_PREFECT__ENV"])
        return x + y
"""

ENTRY = """
    - recipe: process_run_deployer
      variables: {{name: nightly-{number}, work_pool: team, schedule: {{cron: "0 3 * * *", timezone: Europe/Berlin}}}}
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Generator[ComposedSystem]:
    """The system, and the folder of a project that its workers and its deployer share."""
    project = tmp_path_factory.mktemp("project")
    with composed_system(project) as running:
        yield running


def write_project(folder: Path, name: str, count: int) -> None:
    """A project with a number of deployments of one flow."""
    import textwrap

    (folder / "flow.py").write_text(textwrap.dedent(FLOW).replace('"add"', f'"{name}"'))
    entries = "".join(textwrap.dedent(ENTRY).format(number=number) for number in range(count))
    document = f"project: {name}\ndeployments:\n  {name}:{textwrap.indent(entries, '    ')}"
    (folder / "meta_prefect.yaml").write_text(document)


def deployments_of(system: ComposedSystem, flow: str) -> list[Any]:
    """The deployments of a flow, asked for through the gateway."""
    return system.api.deployments_of(flow)


@pytest.mark.parametrize(("server", "how"), [("server-1", signal.SIGTERM), ("server-2", signal.SIGKILL)])
def test_a_deploy_survives_the_loss_of_a_server_and_its_flows_run(
    system: ComposedSystem, unique: str, server: str, how: signal.Signals
) -> None:
    """One of the two servers stops, or dies, while deployments are written: all of them are there, and a worker runs one.

    The project's deployer is there as well, and run from the UI it deploys to ``prod``.
    """
    write_project(system.project, unique, FLOWS)
    deployer = system.start("deployer")
    wait_until(lambda: len(deployments_of(system, unique)) >= 1, what="the first deployment is written")
    assert len(deployments_of(system, unique)) < FLOWS, "the deploy is not over yet"
    system.stop(server, how)

    assert deployer.wait(timeout=180) == 0, system.log("deployer")
    made = deployments_of(system, unique)
    assert len(made) == FLOWS
    system.wait_for("worker")
    state, logs = run_deployment(system.api, made[0], x=40, y=2)
    assert state["type"] == "COMPLETED", logs
    state, logs = run_deployment(system.api, system.api.deployment(f"deploy-project/{unique}"), environment="prod")
    assert state["type"] == "COMPLETED", logs
    assert len(deployments_of(system, unique)) == 2 * FLOWS

    system.start(server)
    system.wait_for(server)


def test_every_service_that_speaks_to_prefect_gets_its_secrets_from_files(system: ComposedSystem) -> None:
    """No secret is in a setting or an argument of a process; who has none is refused."""
    for service in composed_services():
        if service in system.running:
            seen = subprocess.run(
                ["ps", "-o", "args=", "--pid", str(system.running[service].pid)], capture_output=True, text=True
            ).stdout
            assert not any(secret in seen for secret in SECRETS.values())
            assert not any(secret in str(system.environment(service)) for secret in SECRETS.values())
    import httpx

    url = f"http://127.0.0.1:{system.ports['gateway']}/api"
    assert httpx.get(f"{url}/health").is_success
    assert httpx.post(f"{url}/deployments/filter", json={}).status_code == httpx.codes.UNAUTHORIZED


def test_the_services_schedule_runs_of_what_was_deployed(system: ComposedSystem, unique: str) -> None:
    """The services' own process makes the scheduled runs: in ``prod`` the schedule is active."""
    write_project(system.project, unique, 1)
    environment = {**system.environment("deployer"), "META_PREFECT__ENV": "prod"}
    done = subprocess.run(
        system.command("deployer"), env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    scheduled = {"flows": {"name": {"any_": [unique]}}, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    wait_until(lambda: system.api.post("/flow_runs/filter", **scheduled), what="runs are scheduled", seconds=60)
