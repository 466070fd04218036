"""The scheduled redeploy: the branch's new commits, a rolling horizon of holidays, and nothing else."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deployer_projects import GitProject, run_deployer
from support import Api, run_deployment, unmarked

from deployer_flows import deploy_project
from meta_prefect.deploy import deploy
from meta_prefect.engine import context

RunCli = Callable[..., subprocess.CompletedProcess[str]]
EXDATES = re.compile(r"EXDATE[^\n]*|^RRULE:|\n")


@pytest.fixture(scope="module")
def deployer(server: Api, git_project: GitProject) -> GitProject:
    """A project in a repository, whose deployer is there."""
    from meta_prefect.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["bootstrap", "--repository", git_project.url, "--revision", "main", "--redeploy", "0 5 * * *"])
    assert ended.value.code == 0
    return git_project


def test_a_pushed_commit_is_live_after_the_redeploy(server: Api, deployer: GitProject) -> None:
    """The next scheduled redeploy deploys the branch's new commit, counts no version, and runs execute that very commit."""
    project = deployer.name
    schedules = server.deployment(f"deploy-project/{project}")["schedules"]
    (scheduled,) = [one["parameters"] for one in schedules if one["slug"] == "redeploy-dev"]
    run_deployer(server, "deploy-project", project, **scheduled)
    before = server.deployment(f"{project}/nightly-dev")
    commit = deployer.commit("the second commit")

    state, logs = run_deployer(server, "deploy-project", project, **scheduled)

    assert state["type"] == "COMPLETED", logs
    live = server.deployment(f"{project}/nightly-dev")
    assert live["pull_steps"][0]["prefect.deployments.steps.git_clone"]["commit_sha"] == commit
    assert live["version"] == before["version"] == "1"
    name = server.get(f"/flow_runs/{state['state_details']['flow_run_id']}")["name"]
    assert name == f"deploy {project} to dev @{commit[:7]}"
    deployer.commit("a later commit, which nobody deploys")
    _, ran = run_deployment(server, live)
    assert "this is the second commit" in ran


def test_deploy_remote_follows_and_ends_as_the_run_does(deployer: GitProject, run_cli: RunCli) -> None:
    """`deploy --remote` prints the run's log, and its exit code is the run's: also where the branch does not exist."""
    done = run_cli("deploy", "--remote", "--env", "prod", "--dry-run", cwd=deployer.clone)
    assert done.returncode == 0, done.stderr
    assert f"Project {deployer.name}: 1 deployment asked for in prod" in done.stderr

    failed = run_cli("deploy", "--remote", "--revision", "mian", cwd=deployer.clone)
    assert failed.returncode == 1
    assert "there is no branch or tag 'mian'" in failed.stdout
    assert "Did you mean 'main'?" in failed.stdout

    refused = run_cli("deploy", "--remote", "--env", "moon", cwd=deployer.clone)
    assert refused.returncode == 1
    assert "Choose among dev, prod" in refused.stderr


def test_a_project_without_a_deployer_says_how_to_make_one(folder_project: Path, run_cli: RunCli) -> None:
    """`deploy --remote` without a deployer names the command that makes one."""
    done = run_cli("deploy", "--remote", cwd=folder_project)
    assert done.returncode == 1
    assert "meta-prefect bootstrap" in done.stderr


def test_a_year_later_only_the_horizon_moves(
    server: Api, folder_project: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redeploy a year on adds the holidays of the next year to the schedule, and changes nothing else of the deployment."""
    deploy([str(folder_project)], env="prod")
    before = unmarked(server.deployment(f"{unique}/nightly-prod"))
    later = datetime.now(UTC) + timedelta(days=365)
    monkeypatch.setattr(context, "clock", lambda: later)

    report = asyncio.run(deploy_project(path=str(folder_project), environment="prod", only_changed=True))

    after = unmarked(server.deployment(f"{unique}/nightly-prod"))
    differing = {key for key in before if before[key] != after[key]} - {"schedules"}
    # What the server says of its own: when it was written and polled, and whether a worker is there.
    assert differing <= {"updated", "last_polled", "status"}
    (one,), (other,) = before["schedules"], after["schedules"]
    assert one["id"] == other["id"]
    rules = [schedule["schedule"]["rrule"] for schedule in (one, other)]
    assert EXDATES.sub("", rules[0]) == EXDATES.sub("", rules[1])
    days = [set(re.findall(r"\d{8}(?=T)", rule.partition("EXDATE")[2])) for rule in rules]
    assert max(days[1]) > max(days[0])
    assert [outcome.action for outcome in report.outcomes] == ["updated"]
    again = asyncio.run(deploy_project(path=str(folder_project), environment="prod", only_changed=True))
    assert [outcome.action for outcome in again.outcomes] == ["unchanged"]
    assert server.deployment(f"{unique}/nightly-prod")["updated"] == after["updated"]
