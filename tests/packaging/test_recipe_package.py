"""A package of recipes that was begun with ``init --package`` and installed beside a project works at once."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api

Run = Callable[..., str]

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed"),
]

TWO_MORE = '''

@recipe
def UNIQUE_hourly(cost_center: str) -> FlowBuilderInterface:
    """Deploy flows that run every hour."""
    every_hour = scheduler.model_validate({"schedule": {"cron": "0 * * * *", "timezone": "Europe/Berlin"}})
    return namer(name="hourly") | versioneer() | local_process() | every_hour | on_account(cost_center=cost_center)


@recipe
def UNIQUE_by_hand(name: str, cost_center: str) -> FlowBuilderInterface:
    """Deploy flows that somebody runs by hand."""
    return namer(name=name) | versioneer() | local_process() | on_account(cost_center=cost_center)
'''


@pytest.fixture
def package(server: Api, tmp_path: Path, unique: str) -> tuple[Path, Run]:
    """A package with three recipes, in an environment of its own that has everything else from this one; and its commands."""
    python = tmp_path / "venv" / "bin" / "python"

    def run(*command: object, cwd: Path = tmp_path, code: int = 0) -> str:
        done = subprocess.run(
            list(map(str, command)),
            cwd=cwd,
            env={**os.environ, "META_PREFECT__START_WORKER": "false"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    (found,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    # As site directories, so that what is editable there is here as well.
    lines = [f"import site; site.addsitedir({folder!r})\n" for folder in site.getsitepackages()]
    (found / "all_else.pth").write_text("".join(lines))

    def python_m(*arguments: object, **options: Any) -> str:
        return run(python, "-m", *arguments, **options)

    python_m("meta_prefect.cli", "init", "--package", unique)
    folder = tmp_path / unique
    recipes, project = folder / "src" / unique / "recipes.py", folder / "pyproject.toml"
    recipes.write_text(recipes.read_text() + TWO_MORE.replace("UNIQUE", unique))
    nightly = f'{unique}_nightly = "{unique}.recipes:{unique}_nightly"\n'
    more = nightly + nightly.replace("nightly", "hourly") + nightly.replace("nightly", "by_hand")
    project.write_text(project.read_text().replace(nightly, more))
    run("uv", "pip", "install", "--quiet", "--no-deps", "--python", python, "-e", folder)
    return folder, python_m


PROJECT: dict[str, Any] = {
    "project": "UNIQUE",
    "deployments": {
        "UNIQUE": [
            {"recipe": "UNIQUE_nightly", "variables": {"hour": 2, "cost_center": "4711"}},
            {"recipe": "UNIQUE_hourly", "variables": {"cost_center": "4711"}},
            {"recipe": "UNIQUE_by_hand", "variables": {"name": "by-hand", "cost_center": "4712"}},
        ]
    },
}


def test_installed_it_works_at_once(server: Api, package: tuple[Path, Run], project: Any, unique: str) -> None:
    """Its tests, types and style are sound; its recipes are listed, described and deployed; what its policy denies is not."""
    folder, python_m = package

    assert "5 passed" in python_m("pytest", "-q", cwd=folder)
    python_m("ruff", "check", ".", cwd=folder)
    python_m("pyright", "--pythonpath", sys.executable, cwd=folder)
    listed = python_m("meta_prefect.cli", "recipes")
    assert [name for name in ("nightly", "hourly", "by_hand") if f"{unique}_{name}: Deploy flows" not in listed] == []
    page = python_m("meta_prefect.cli", "recipes", "--package", unique, "--output", "markdown")
    assert f"## {unique}_nightly\n\nDeploy flows that run once a night" in page
    assert "| `hour` | integer | required | The hour of the day, 0 to 23, in Berlin. |" in page
    assert "local_run_deployer" not in page

    files = {"flows.py": f"from prefect import flow\n\n\n@flow(name='{unique}')\ndef work() -> None: ...\n"}
    root = project(**files, **{"meta_prefect.yaml": json.dumps(PROJECT)})
    python_m("meta_prefect.cli", "deploy", cwd=root)

    assert {one["name"] for one in server.deployments_of(unique)} == {"nightly-dev", "hourly-dev", "by-hand-dev"}
    assert [server.get(f"/variables/name/budget_{center}")["value"] for center in (4711, 4712)] == [10, 10]
    python_m("meta_prefect.cli", "plan", cwd=root)  # nothing more to do

    entry = {"recipe": "local_run_deployer", "variables": {"name": "unpaid"}}
    (root / "meta_prefect.yaml").write_text(json.dumps({"project": unique, "deployments": {unique: [entry]}}))
    for command in ("validate", "plan", "deploy"):
        assert "policy cost_center_named: it names no cost center" in python_m(
            "meta_prefect.cli", command, cwd=root, code=1
        )
    assert server.deployment(f"{unique}/unpaid-dev") is None
