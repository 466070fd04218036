"""Checking what strangers propose, beside secrets: no code of the project runs, and what that leaves unchecked is said."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]

HOSTILE = {
    "flows.py": "open('ran', 'w')\nfrom prefect import flow\nimport recipes\n\n@flow\ndef work(x: int) -> None: ...\n",
    "recipes.py": "open('ran', 'w')\nfrom meta_prefect import recipe\n\n@recipe\ndef own(name: str): ...\n",
    "prefect.toml": "[logging]\nconfig_path = 'logging.yml'\n",
    "logging.yml": "version: 1\nfilters: {evil: {(): builtins.open, file: ran, mode: w}}\n",
    "yaml.py": "open('ran', 'w')\n",
}
SOUND = """
recipes: [recipes]
deployments:
  work:
    - {recipe: own, variables: {anything: 1}}
    - {recipe: local_run_deployer, variables: {name: "$env:SECRET_NAME"}}
    - {recipe: local_run_deployer, variables: {name: nightly, schedule: {cron: "0 6 * * *"}}}
"""
WRONG = """
recipes: [recipes]
deployments:
  wrk:
    - {recipe: ownn}
  work:
    - {recipe: local_run_deployer, variables: {nam: nightly}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project all of whose files do harm when they are run."""
    for name, text in HOSTILE.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def checked(run_cli: Cli, root: Path, file: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Check it, as the program does that is installed: beside secrets, with the project's folder not among its modules."""
    (root / "meta_prefect.yaml").write_text(file)
    environment = {"PYTHONSAFEPATH": "1", "SECRET_NAME": "never-said"}
    done = run_cli("validate", "--sources-only", *options, cwd=root, env=environment)
    assert not (root / "ran").exists()
    assert "never-said" not in done.stdout + done.stderr
    return done


def test_what_is_sound_is_said_with_what_only_code_would_tell(run_cli: Cli, root: Path) -> None:
    """Own recipes, variables that the environment fills, and builders on flows are left, each with its place."""
    done = checked(run_cli, root, SOUND, "--output", "json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [one["recipe"] for one in said["entries"]] == ["own", "local_run_deployer", "local_run_deployer"]
    assert said["unchecked"] == [
        "meta_prefect.yaml:5:7: deployments.work[0]: the recipe 'own' is code of the project",
        "meta_prefect.yaml:6:7: deployments.work[1]: its variables name environment variables",
        "flows.py: flows here may carry builders, which are code",
    ]


def test_what_is_wrong_is_found_all_the_same(run_cli: Cli, root: Path) -> None:
    """A flow, a recipe and a variable that are not there, with what is near, as annotations."""
    done = checked(run_cli, root, WRONG, "--output", "github")
    assert done.returncode == 1
    assert [line.partition("::")[2].partition("::")[0].split(",col")[0] for line in done.stdout.splitlines()] == [
        f"error file=meta_prefect.yaml,line={line}" for line in (5, 5, 7, 7)
    ]
    assert all(text in done.stdout for text in ("Did you mean 'work'?", "Did you mean 'own'?", "nam"))
