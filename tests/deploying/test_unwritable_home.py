"""A PREFECT_HOME that cannot be written, or not even entered, as in a container with a read-only root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from prefect.settings import get_current_settings
from support import Api, as_ordinary_user

PROJECT = """
project: UNIQUE
deployments:
  job:
    - {recipe: local_run_deployer, variables: {name: UNIQUE}}
"""
FLOW = "from prefect import flow\n\n@flow\ndef job() -> None: ...\n"

NOT_READ = "note: PREFECT_HOME cannot be read, so no Prefect profile is used: {home}: permission denied\n"
NOT_YOURS = "may not be read by the user with the id"


COMMANDS = """
import contextlib, io, json, sys
from meta_prefect.cli.program import main

for command in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(command)
        except SystemExit as ended:
            code = ended.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""
"""Runs commands one after the other: loading Prefect for each of them would take most of the time."""


class Shell:
    """A shell of an ordinary user in a project's folder, with a home.

    Args:
        home: PREFECT_HOME.
        folder: The project's folder.
        environment: What else is set.
    """

    def __init__(self, home: Path, folder: Path, environment: dict[str, str]) -> None:
        self.home = home
        self._folder = folder
        self._environment = environment | {"PREFECT_HOME": str(home)}

    def run(self, *commands: str) -> list[tuple[int, str, str]]:
        """Run `meta-prefect` several times; returns each exit code, output and errors."""
        done = subprocess.run(
            as_ordinary_user(sys.executable, "-c", COMMANDS),
            input=json.dumps([command.split() for command in commands]),
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.fixture(params=["missing in a read-only folder", "shut"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Path]:
    """A home that this user cannot write."""
    (top := tmp_path / "top").mkdir()
    top.chmod(0 if request.param == "shut" else 0o555)
    yield top / "home" if request.param.startswith("missing") else top
    top.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, unique: str) -> Path:
    """A project of one deployment."""
    (root := tmp_path / "project").mkdir()
    (root / "meta_prefect.yaml").write_text(PROJECT.replace("UNIQUE", unique))
    (root / "flow.py").write_text(FLOW)
    return root


def environment_of(**more: str) -> dict[str, str]:
    """The environment of the tests, without a Prefect API."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | more


def test_with_an_api_nothing_is_missing(server: Api, home: Path, folder: Path, unique: str) -> None:
    """Where a Prefect API is configured every command does its work, and the home stays as it is."""
    api = get_current_settings().api
    secret = {"PREFECT_API_AUTH_STRING": api.auth_string.get_secret_value()} if api.auth_string else {}
    shell = Shell(
        home, folder, environment_of(PREFECT_API_URL=server.url, META_PREFECT__START_WORKER="false", **secret)
    )
    note = NOT_READ.format(home=home) if home.exists() else ""
    name = f"job/{unique}-dev"

    plan, deployed, status, history = shell.run("plan", "deploy", "status", f"history {name}")
    assert (plan[0], "1 to create in dev" in plan[1]) == (2, True), plan
    assert (deployed[0], f"created {name} version 1" in deployed[1]) == (0, True), deployed
    assert server.deployment(name)["name"] == f"{unique}-dev"
    assert (status[0], "1 of 1 in sync in dev; 1 offline" in status[1], status[2]) == (3, True, note), status
    assert (history[0], "version 1  created" in history[1], history[2]) == (0, True, note)
    assert note or not home.exists()


def test_without_an_api_the_path_and_the_reason_are_named(home: Path, folder: Path) -> None:
    """What has to write, or to read what it may not, says where and why; what has nothing to read finds nothing."""
    shell = Shell(home, folder, environment_of(META_PREFECT__START_WORKER="false"))
    is_shut = home.exists()

    deployed, status, stopped = shell.run("deploy --local", "server status", "worker stop")
    assert deployed[0] == 1
    if is_shut:
        assert f"error: {home}/meta-prefect/server/server.json: {NOT_YOURS}" in deployed[2]
    else:
        assert f"error: {home}: cannot be written: permission denied\n" in deployed[2]
        assert "or set PREFECT_HOME to a folder elsewhere." in deployed[2]
    for (code, out, err), nothing, file, none in (
        (status, "No Prefect server runs", "server/server.json", 1),
        (stopped, "No worker runs", "workers", 0),
    ):
        assert (f"{home}/meta-prefect/{file}: {NOT_YOURS}" if is_shut else nothing) in out + err
        assert code == (1 if is_shut else none)
