"""A project of several files that a deployer takes from Git: each part's runs take their code from the part's own folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api, run_deployment

SAMPLE = Path(__file__).parents[1] / "projects" / "monorepo"

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(600)]


@pytest.fixture
def repository(tmp_path: Path, unique: str) -> str:
    """The address of a repository with the sample in a folder of it, under a name of its own."""
    clone = tmp_path / "clone"
    root = shutil.copytree(SAMPLE, clone / "all")
    for file in (one for one in root.rglob("*") if one.suffix in (".py", ".yaml")):
        text = file.read_text().replace("project: monorepo", f"project: {unique}")
        for flow in ("invoice", "dispatch"):
            named = text.replace("@flow(log", f'@flow(name="{flow}-{unique}", log') if f"def {flow}" in text else text
            text = named.replace(f"{flow}:\n", f"{flow}-{unique}:\n")
        file.write_text(text)
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "-q", "-m", "all"],
    ):
        subprocess.run(["git", "-C", str(clone), *command], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(clone), str(tmp_path / "bare.git")], check=True)
    return (tmp_path / "bare.git").as_uri()


def test_a_deployer_from_git_deploys_all_parts(
    server: Api, repository: str, unique: str, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """One run of the deployer deploys both; a run of each finds its module, and the helpers beside it, in the clone."""
    done = run_cli("bootstrap", "--repository", repository, "--revision", "main", "--subfolder", "all")
    assert done.returncode == 0, done.stderr

    state, log = run_deployment(server, server.deployment(f"deploy-project/{unique}"))

    assert state["type"] == "COMPLETED", log
    for name in (f"invoice-{unique}/billing-dev", f"dispatch-{unique}/shipping-dev"):
        live: Any = server.deployment(name)
        assert any("git_clone" in step for one in live["pull_steps"] for step in one), live["pull_steps"]
        state, log = run_deployment(server, live)
        assert state["type"] == "COMPLETED", log
    again, log = run_deployment(server, server.deployment(f"deploy-project/{unique}"), only_changed=True)
    assert again["type"] == "COMPLETED", log
    assert "2 unchanged" in again["message"] or "2 unchanged" in log, again["message"]
