"""What a command says of all that a deploy and its runs need, and of a deploy as a program reads it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def root(project: Callable[..., Path], unique: str) -> Path:
    """A project that deploys into a shared pool for which nobody works."""
    flow = f"from prefect import flow\n\n\n@flow(name='{unique}')\ndef work() -> None: ...\n"
    entry = f"{{recipe: process_run_deployer, variables: {{name: nightly, work_pool: {unique}}}}}"
    file = f"project: {unique}\ndeployments:\n  {unique}:\n    - {entry}\n"
    return project(**{"flows.py": flow, "meta_prefect.yaml": file})


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {one["about"]: one for one in json.loads(done.stdout)["findings"]}


def test_a_pool_without_a_worker_is_found(root: Path, server: Api, run_cli: Cli, unique: str) -> None:
    """Runs of what is deployed would wait for ever; the command that helps is named. The deploy has the same as JSON."""
    deployed = run_cli("deploy", "--output", "json", cwd=root)
    done = run_cli("doctor", "--output", "json", cwd=root)

    report = json.loads(deployed.stdout)
    assert (report["version"], report["environment"], report["dry_run"]) == (1, "dev", False)
    (outcome,) = report["outcomes"]
    assert (outcome["deployment"], outcome["action"]) == (f"{unique}/nightly-dev", "created")
    assert outcome["id"] == server.deployment(f"{unique}/nightly-dev")["id"]
    found = findings(done)
    assert done.returncode == 1
    assert found[f"work pool {unique}"]["verdict"] == "bad"
    assert f"prefect worker start -p {unique}" in found[f"work pool {unique}"]["hint"]
    assert {found[about]["verdict"] for about in ("versions", "recipes", "API", "project")} == {"good"}
    assert "permissions" not in found


@pytest.mark.parametrize(
    ("environment", "about", "said", "hint"),
    [
        pytest.param(
            {"PREFECT_API_URL": "http://127.0.0.1:9/api"}, "API", "does not answer", "PREFECT_API_URL", id="no API"
        ),
        pytest.param({}, "project", "2 errors", "meta-prefect validate", id="an unsound project"),
    ],
)
def test_what_is_bad_is_said_with_what_to_do(
    root: Path, server: Api, run_cli: Cli, environment: dict[str, str], about: str, said: str, hint: str
) -> None:
    """An API that is not there, and a project that cannot be deployed; what comes after it is looked at all the same."""
    if not environment:
        (root / "meta_prefect.yaml").write_text("deployments: {work: [{recipe: local_run_deployr}]}\n")
    found = findings(run_cli("doctor", "--output", "json", cwd=root, env=environment))[about]
    assert found["verdict"] == "bad"
    assert (said in found["said"], hint in found["hint"]) == (True, True), found
