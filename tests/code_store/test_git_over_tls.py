"""Code from a private repository over TLS: a worker runs the commit that was deployed, and its token is seen nowhere."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from code_store.git_server import GitServer, git, running_git_server, trusting_worker
from prefect.blocks.system import Secret
from support import Api, run_deployment, what_prefect_keeps

from meta_prefect.deploy import deploy

pytestmark = pytest.mark.stores

TOKEN = f"ghp_{secrets.token_hex(16)}"

FLOW = """
    from pathlib import Path

    from prefect import flow

    from meta_prefect.implementations.code import git_code
    from meta_prefect.implementations.infra import process
    from meta_prefect.implementations.metadata import namer

    @process(work_pool="UNIQUE")
    @git_code(repository="URL/shop.git", token="secret/UNIQUE")
    @namer(name="nightly")
    @flow(name="UNIQUE", log_prints=True)
    def add() -> None:
        print("This is the", Path("edition.txt").read_text(), "edition")
"""


@pytest.fixture
def remote(tmp_path: Path) -> Generator[GitServer]:
    """The server of the private repository."""
    folder = tmp_path / "remote"
    folder.mkdir()
    with running_git_server(folder, TOKEN) as server:
        yield server


@pytest.fixture
def shop(project: Any, remote: GitServer) -> Path:
    """A clone of the repository with one commit, whose edition is old, and that the server has too."""
    folder: Path = project(flow=FLOW.replace("URL", remote.url), **{"meta_prefect.yaml": "project: UNIQUE\n"})
    git(remote.folder, "init", "--quiet", "--bare", "--initial-branch", "main", "shop.git")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "remote", "add", "origin", str(remote.folder / "shop.git"))
    publish(folder, "old")
    return folder


def publish(folder: Path, edition: str) -> str:
    """Commit and push an edition; returns the commit."""
    (folder / "edition.txt").write_text(edition)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", edition)
    git(folder, "push", "--quiet", "origin", "main")
    return git(folder, "rev-parse", "HEAD")


def test_a_worker_runs_the_deployed_commit_and_the_token_is_seen_nowhere(
    server: Api, remote: GitServer, shop: Path, unique: str, tmp_path: Path, prefect_home: Path
) -> None:
    """Although the branch has moved on, the old edition runs; the token is in no deployment, log, artifact or database."""
    Secret(value=TOKEN).save(unique)  # pyright: ignore[reportUnknownMemberType, reportArgumentType, reportUnusedCoroutine]
    commit = git(shop, "rev-parse", "HEAD")
    deploy([str(shop)])
    deployment = server.deployment(f"{unique}/nightly-dev")
    clone = deployment["pull_steps"][0]["prefect.deployments.steps.git_clone"]
    assert clone["commit_sha"] == commit
    assert clone["credentials"]["access_token"] == "{{ prefect.blocks.secret." + unique + " }}"
    publish(shop, "new")

    log = tmp_path / "worker.log"
    with trusting_worker(unique, log, remote.certificate):
        state, logs = run_deployment(server, deployment)
    assert state["type"] == "COMPLETED", logs
    assert "This is the old edition" in logs
    kept = what_prefect_keeps(prefect_home)
    assert kept(unique), "what is kept can be found"
    assert not kept(TOKEN)
    assert TOKEN not in log.read_text() + logs + str(deployment)


def test_a_wrong_token_fails_the_run_and_is_seen_nowhere_either(
    server: Api, remote: GitServer, shop: Path, unique: str, tmp_path: Path, prefect_home: Path
) -> None:
    """The log tells that the repository could not be cloned, without what it was tried with."""
    wrong = f"ghp_{secrets.token_hex(16)}"
    Secret(value=wrong).save(unique)  # pyright: ignore[reportUnknownMemberType, reportArgumentType, reportUnusedCoroutine]
    deploy([str(shop)])
    log = tmp_path / "worker.log"
    with trusting_worker(unique, log, remote.certificate):
        state, logs = run_deployment(server, server.deployment(f"{unique}/nightly-dev"), told="git_clone")
    assert state["type"] in ("CRASHED", "FAILED")
    assert "Failed to clone repository" in log.read_text() + logs
    assert not what_prefect_keeps(prefect_home)(wrong)
    assert wrong not in log.read_text() + logs


def test_without_the_block_nothing_is_written(server: Api, shop: Path, unique: str) -> None:
    """A token that nobody has saved is missed while planning."""
    from meta_prefect.errors import ValidationFailed

    with pytest.raises(ValidationFailed, match=f"there is no block '{unique}' of type secret"):
        deploy([str(shop)])
    assert server.deployments_of(unique) == []
