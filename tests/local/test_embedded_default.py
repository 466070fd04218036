"""`meta-prefect deploy` where no Prefect API is configured: everything that is needed is started, once, and stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

SEED = Path(__file__).parents[1] / "projects" / "first_flow"
Cli = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def user_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The PREFECT_HOME of somebody who has just installed the package."""
    return tmp_path_factory.mktemp("newcomer") / "home"


@pytest.fixture(scope="module")
def cli(user_home: Path) -> Generator[Cli]:
    """Run `meta-prefect` with no Prefect API configured; what it leaves running is stopped at the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "CI"))}
    environment |= {"PREFECT_HOME": str(user_home)}

    def start(*arguments: str, cwd: Path, **env: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "meta_prefect.cli", *arguments]
        return subprocess.Popen(
            command, cwd=cwd, env=environment | env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    yield start
    for what in ("worker", "server"):
        start(what, "stop", cwd=user_home).communicate(timeout=60)


@pytest.fixture(scope="module")
def project_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two files of the first example."""
    return shutil.copytree(SEED, tmp_path_factory.mktemp("first") / "first-flow")


def test_ci_starts_nothing(cli: Cli, project_folder: Path, user_home: Path) -> None:
    """In a CI job without a configured API a deploy fails, says what to set, and starts nothing."""
    out, err = (done := cli("deploy", cwd=project_folder, CI="1")).communicate(timeout=120)

    assert done.returncode == 1
    assert out == ""
    assert "no Prefect API configured" in err
    assert "--local" in err
    assert not (user_home / "meta-prefect" / "server" / "server.json").exists()


def test_a_dry_run_starts_nothing(cli: Cli, project_folder: Path, user_home: Path) -> None:
    """Without any API a dry run plans from scratch."""
    out, err = (done := cli("deploy", "--dry-run", cwd=project_folder)).communicate(timeout=120)

    assert done.returncode == 2, err
    assert "1 to create in dev" in out
    assert not (user_home / "meta-prefect" / "server" / "server.json").exists()


@pytest.mark.parametrize(
    ("file", "options", "said"),
    [
        ("deployments: {work: [{recipe: local_run_deployer, variables: {nam: x}}]}", (), "meta_prefect.yaml:2"),
        ("deployments: {work: [{recipe: local_run_deployer, variables: {name: x, parameters: {y: 1}}}]}", (), "'y'"),
        ("deployments: {work: [{recipe: local_run_deployer, variables: {name: x}}]}", ("wrk",), "matches 'wrk'"),
        (
            "deployments: {work: [{recipe: local_run_deployer, variables: {name: x}}]}",
            ("--expires", "3 moons"),
            "moons",
        ),
    ],
    ids=["a variable", "a flow's parameter", "a target", "an option"],
)
def test_no_server_is_started_in_vain(
    cli: Cli, tmp_path: Path, user_home: Path, file: str, options: tuple[str, ...], said: str
) -> None:
    """What is wrong without a server is said before one is started."""
    (tmp_path / "flows.py").write_text("from prefect import flow\n\n@flow\ndef work() -> None: ...\n")
    (tmp_path / "meta_prefect.yaml").write_text(f"project: vain\n{file}\n")
    _, err = (done := cli("deploy", *options, cwd=tmp_path)).communicate(timeout=120)
    assert (done.returncode, said in err, "starting" in err) == (1, True, False), err
    assert not (user_home / "meta-prefect" / "server" / "server.json").exists()


@pytest.fixture(scope="module")
def two_first_deploys(cli: Cli, project_folder: Path) -> list[tuple[int | None, str, str]]:
    """Two deploys by somebody who has nothing running, at the same moment."""
    started = [cli("deploy", cwd=project_folder, META_PREFECT__START_WORKER="true") for _ in range(2)]
    return [(one.wait(), *outputs) for one, outputs in [(one, one.communicate(timeout=280)) for one in started]]


def test_two_first_deploys_start_one_server_and_one_worker(
    two_first_deploys: list[tuple[int | None, str, str]], user_home: Path
) -> None:
    """Both succeed, and there is one server and one worker."""
    assert [code for code, _, _ in two_first_deploys] == [0, 0], two_first_deploys
    workers = list((user_home / "meta-prefect" / "workers").glob("*.json"))
    assert len(workers) == 1
    assert psutil.pid_exists(json.loads(workers[0].read_text())["pid"])
    with _client(user_home) as client:
        (pool,) = client.post("/work_pools/filter", json={}).json()
        online = client.post(f"/work_pools/{pool['name']}/workers/filter", json={}).json()
    assert [worker["status"] for worker in online] == ["ONLINE"]


def test_plain_prefect_commands_meet_the_same_server(
    two_first_deploys: list[tuple[int | None, str, str]], cli: Cli, user_home: Path
) -> None:
    """The active Prefect profile points at the server, so that `prefect …` finds the deployment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "deployment", "inspect", "add-two-numbers-flow/local-run-dev"],
        env=environment | {"PREFECT_HOME": str(user_home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "'entrypoint': 'flow.py:add_two_numbers_flow'" in done.stdout


def test_the_next_deploy_reuses_everything(
    two_first_deploys: list[tuple[int | None, str, str]], cli: Cli, project_folder: Path, user_home: Path
) -> None:
    """Later deploys use the server and the worker that run, and say where the UI is."""
    before = _pids(user_home)
    out, err = (done := cli("deploy", cwd=project_folder)).communicate(timeout=120)

    assert done.returncode == 0, err
    assert "updated add-two-numbers-flow/local-run-dev" in out
    assert "http://127.0.0.1:" in err
    assert _pids(user_home) == before


def _pids(home: Path) -> list[Any]:
    return [json.loads(file.read_text())["pid"] for file in sorted((home / "meta-prefect").glob("*/*.json"))]


def _client(home: Path) -> httpx.Client:
    state = json.loads((home / "meta-prefect" / "server" / "server.json").read_text())["extra"]
    user, _, password = state["auth_string"].partition(":")
    url = f"http://127.0.0.1:{state['port']}/api"
    answer = httpx.get(f"{url}/csrf-token", params={"client": "test"}, auth=(user, password)).raise_for_status()
    headers = {"Prefect-Csrf-Client": "test", "Prefect-Csrf-Token": answer.json()["token"]}
    return httpx.Client(base_url=url, auth=(user, password), headers=headers)
