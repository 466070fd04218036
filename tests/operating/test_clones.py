"""A clone beside the deployer: what it would move, and what it says of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from deployer_projects import GitProject, run_deployer
from support import Api

RunCli = Callable[..., subprocess.CompletedProcess[str]]
CLONE = "prefect.deployments.steps.git_clone"


@pytest.fixture(scope="module")
def deployed(server: Api, git_project: GitProject) -> GitProject:
    """A project in a repository, deployed to dev by its deployer."""
    from meta_prefect.cli import main

    with pytest.raises(SystemExit):
        main(["bootstrap", "--repository", git_project.url, "--revision", "main"])
    state, logs = run_deployer(server, "deploy-project", git_project.name, environment="dev")
    assert state["type"] == "COMPLETED", logs
    return git_project


def test_a_clone_moves_the_code_only_where_it_is_asked_to(server: Api, deployed: GitProject, run_cli: RunCli) -> None:
    """Status compares like with like, a plan names the move, a deploy refuses it before the first write, unless told to."""
    name = f"{deployed.name}/nightly-dev"
    commit = deployed.git("rev-parse", "HEAD")
    before = server.deployment(name)

    status = run_cli("status", "--env", "dev", cwd=deployed.clone)
    plan = run_cli("plan", "--env", "dev", cwd=deployed.clone)
    refused = run_cli("deploy", "--env", "dev", cwd=deployed.clone)
    untouched = server.deployment(name)
    moved = run_cli("deploy", "--env", "dev", "--local-code", cwd=deployed.clone)

    assert status.returncode == 0, status.stdout + status.stderr
    assert f"deployed from Git at {commit[:7]}" in status.stderr
    assert plan.returncode == 2
    first, *_ = [line for line in plan.stderr.splitlines() if line.startswith("note: ")]
    assert first.startswith(
        f"note: code moves from {deployed.url} @{commit[:7]} to the folder {deployed.clone} of host "
    )
    assert refused.returncode == 1
    assert "--remote" in refused.stderr
    assert "--local-code" in refused.stderr
    assert untouched["updated"] == before["updated"]
    assert moved.returncode == 0, moved.stderr
    assert CLONE not in server.deployment(name)["pull_steps"][0]


def test_a_commit_that_changes_no_file_of_the_project_is_no_change(server: Api, deployed: GitProject) -> None:
    """The deployer fetches anew, finds the live commit's files, and writes nothing."""
    run_deployer(server, "deploy-project", deployed.name, environment="prod", only_changed=True)
    before = server.deployment(f"{deployed.name}/nightly-prod")
    deployed.git("commit", "-q", "--allow-empty", "-m", "nothing of ours")
    deployed.git("push", "-q", "origin", "HEAD:main")

    told = "code unchanged since"
    _, logs = run_deployer(server, "deploy-project", deployed.name, told=told, environment="prod", only_changed=True)

    live_commit = before["pull_steps"][0][CLONE]["commit_sha"]
    assert f"code unchanged since {live_commit[:7]}" in logs
    assert server.deployment(f"{deployed.name}/nightly-prod")["updated"] == before["updated"]
