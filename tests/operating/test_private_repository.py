"""A deployer whose project is in a private repository over https: a saved block opens it, and its secret is seen nowhere."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from code_store.git_server import GitServer, running_git_server, trusting_worker
from deployer_projects import GitProject, run_deployer
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from pydantic import SecretStr
from support import Api, run_deployment, what_prefect_keeps

pytestmark = pytest.mark.stores

TOKEN = f"ghp_{secrets.token_hex(16)}"
FILE = """
    project: UNIQUE
    recipes: [recipes]
    deployments:
      UNIQUE:
        - recipe: process_run_deployer
          variables: {name: nightly, work_pool: UNIQUE}
        - recipe: own
          environments: [prod]
          variables: {hour: 2}
"""


class HostCredentials(Block):
    """A user and a password, as blocks for Git hosts have them."""

    _block_type_slug = "host-credentials"

    username: str
    password: SecretStr


@dataclass(frozen=True)
class Private:
    """A project in a private repository.

    Attributes:
        project: Its clone; its name is also the block's and the pool's.
        url: Where the repository is.
        certificate: The certificate of its server.
        worker_log: The log of the worker that runs the deployer and what it deploys.
    """

    project: GitProject
    url: str
    certificate: Path
    worker_log: Path

    def bootstrap(self, token: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Bootstrap the deployer, on a host that trusts the server."""
        where = ["--recipe", "process_run_deployer", "--set", f"work_pool={self.project.name}"]
        command = ["bootstrap", "--repository", self.url, "--token", token, *where, *options]
        trust = {"GIT_SSL_CAINFO": str(self.certificate)}
        return subprocess.run(
            [sys.executable, "-m", "meta_prefect.cli", *command],
            env={**os.environ, **trust},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


def save(block: Block, name: str) -> None:
    """Save a block in place of what it holds so far."""
    block.save(name, overwrite=True)  # pyright: ignore[reportUnknownMemberType, reportUnusedCoroutine]


def secret(value: str) -> Block:
    """A secret block."""
    return Secret(value=value)  # pyright: ignore[reportArgumentType, reportUnknownVariableType]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Generator[GitServer]:
    """The server of the private repository."""
    with running_git_server(tmp_path_factory.mktemp("remote"), TOKEN) as started:
        yield started


@pytest.fixture(scope="module")
def private(server: Api, remote: GitServer, tmp_path_factory: pytest.TempPathFactory) -> Generator[Private]:
    """A project in a private repository with its deployer, and a worker that runs both."""
    folder, name = tmp_path_factory.mktemp("private"), f"t{uuid.uuid4().hex[:10]}"
    project = GitProject(folder, name, remote.folder / f"{name}.git", FILE)
    made = Private(project, f"{remote.url}/{name}.git", remote.certificate, folder / "worker.log")
    save(secret(TOKEN), name)
    done = made.bootstrap(f"secret/{name}")
    assert done.returncode == 0, done.stdout + done.stderr
    with trusting_worker(name, made.worker_log, remote.certificate):
        yield made


def test_the_deployer_fetches_and_deploys_what_a_block_opens(server: Api, private: Private, prefect_home: Path) -> None:
    """Its run deploys the newest commit, whose runs execute it when the branch has moved on; the token is seen nowhere."""
    name = private.project.name
    save(secret(TOKEN), name)
    commit = private.project.commit("the old edition")

    state, told = run_deployer(server, "deploy-project", name, environment="dev")

    assert state["type"] == "COMPLETED", told
    live = server.deployment(f"{name}/nightly-dev")
    clone = live["pull_steps"][0]["prefect.deployments.steps.git_clone"]
    assert (clone["repository"], clone["commit_sha"]) == (private.url, commit)
    assert clone["credentials"]["access_token"] == "{{ prefect.blocks.secret." + name + " }}"
    private.project.commit("the new edition")
    state, ran = run_deployment(server, live)
    assert state["type"] == "COMPLETED", ran
    assert "this is the old edition" in ran
    own = server.deployment(f"{name}-own/{name}")
    state, listed = run_deployment(server, own, deployments=[{"flow": "flow.py:work", "variables": {"hour": 7}}])
    assert state["type"] == "COMPLETED", listed
    kept = what_prefect_keeps(prefect_home)
    assert kept(commit), "what is kept can be found"
    assert not kept(TOKEN)
    assert TOKEN not in private.worker_log.read_text() + told + ran + listed


def test_a_token_that_opens_nothing_is_told_and_seen_nowhere(server: Api, private: Private, prefect_home: Path) -> None:
    """The run fails saying that the repository cannot be fetched and what to look at; nothing is written."""
    name, wrong = private.project.name, f"ghp_{secrets.token_hex(16)}"
    save(secret(wrong), name)

    state, told = run_deployer(server, "deploy-project", name, environment="prod")

    assert state["type"] == "FAILED"
    assert f"{private.url}: the project cannot be fetched" in state["message"]
    assert "does the token that the deployer names still open it?" in state["message"]
    assert "Traceback" not in state["message"]
    assert server.deployment(f"{name}/nightly-prod") is None
    assert not what_prefect_keeps(prefect_home)(wrong)
    assert wrong not in private.worker_log.read_text() + told


@pytest.mark.parametrize("flow", ["deploy-project", "check-drift", "prune", "rollback", "hold"])
def test_a_block_that_is_gone_is_named(server: Api, private: Private, flow: str) -> None:
    """Each flow of the deployer says which block is missing and how to mend it; nothing is written."""
    name = private.project.name
    save(secret(TOKEN), name)
    block = server.get(f"/block_types/slug/secret/block_documents/name/{name}")
    server.delete(f"/block_documents/{block['id']}")
    asked = {"deployment": f"{name}/nightly-prod"} if flow in ("rollback", "hold") else {"environment": "prod"}

    state, _ = run_deployer(server, flow, name, **asked)

    assert state["type"] == "FAILED"
    assert f"there is no block {name!r} of type secret, which is to open the repository" in state["message"]
    assert "Save it in the Prefect UI under Blocks" in state["message"]
    assert server.deployment(f"{name}/nightly-prod") is None


def test_a_block_for_a_git_host_opens_it_too(private: Private, unique: str, prefect_home: Path) -> None:
    """A block with a user and a password is resolved like a secret."""
    save(HostCredentials(username="oauth2", password=SecretStr(TOKEN)), unique)

    done = private.bootstrap(f"host-credentials/{unique}", "--dry-run")

    assert done.returncode == 2, done.stdout + done.stderr
    assert f"credentials block host-credentials-{unique}" in done.stdout
    assert "--plan" not in done.stdout, "`deploy` applies plans of deploys only"
    assert TOKEN not in done.stdout + done.stderr
    assert not what_prefect_keeps(prefect_home)(TOKEN)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("ghp_wrong", "the project cannot be fetched"),
        ("", "A secret holds the token alone"),
        (None, "of type secret, which is to open the repository"),
    ],
)
def test_bootstrapping_tells_what_does_not_open_it(
    server: Api, private: Private, unique: str, value: str | None, says: str
) -> None:
    """Whatever is wrong with the block, `bootstrap` ends with 1 and says so, and leaves what is there."""
    before = server.deployment(f"deploy-project/{private.project.name}")
    if value is not None:
        save(secret(value), unique)

    done = private.bootstrap(f"secret/{unique}")

    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "ghp_wrong" not in done.stdout + done.stderr
    assert server.deployment(f"deploy-project/{private.project.name}")["updated"] == before["updated"]
