"""Policies in deploys to a real server: nothing is written of a denied plan, fixes are written, a deployer's policies hold."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from support import Api, run_deployment, wait_until

from meta_prefect.deploy import deploy

Files = Callable[..., Path]
RunCli = Callable[..., subprocess.CompletedProcess[str]]

FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work() -> str:
        '''Work.'''
        return "done"
"""
TEAM = """
    from collections.abc import Iterator
    from meta_prefect import policy
    from meta_prefect.interfaces.deployment import Deployment
    from meta_prefect.policies import FinishedDeployment, Violation

    @policy(level="fix")
    def team_tag(finished: FinishedDeployment) -> Deployment:
        '''All of ours can be found.'''
        finished.deployment.tags.append("team=etl")
        return finished.deployment
"""
DENIED = """
    project: UNIQUE
    policies: [described, team, concurrency_limited, {policy: names_match, pattern: "[a-z]+-dev"}]
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: nightly2}
        - recipe: local_run_deployer
          variables: {name: daily, unique: true}
"""
SOUND = """
    project: UNIQUE
    policies: [team, concurrency_limited]
    exempt:
      - {policy: concurrency_limited, until: 2999-01-31, because: of the move, deployments: "*/weekly-*"}
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: daily, unique: true}
        - recipe: local_run_deployer
          variables: {name: weekly}
"""
ENFORCED = "project: UNIQUE\ndeployments: {UNIQUE: [{recipe: local_run_deployer, variables: {name: daily}}]}\n"
SWITCHED_OFF = """
    project: UNIQUE
    exempt: [{policy: concurrency_limited, until: 2999-01-31, because: we say so}]
    deployments: {UNIQUE: [{recipe: local_run_deployer, variables: {name: daily}}]}
"""


def states_of(server: Api, task: str, run: str) -> set[str]:
    """How a task ended in the runs of a name; what Prefect records of tasks comes a moment after the run."""
    of = {"task_runs": {"name": {"any_": [task]}}, "flow_runs": {"name": {"any_": [run]}}}

    def ended() -> set[str]:
        states: set[str] = {one["state_type"] for one in server.post("/task_runs/filter", **of)}
        return set() if states & {None, "PENDING", "RUNNING"} else states

    return wait_until(ended, what=f"the end of {task} is recorded", seconds=30)


def test_a_denied_plan_writes_nothing_and_a_fix_is_shown_and_written(
    server: Api, project: Files, run_cli: RunCli, unique: str
) -> None:
    """All violations are told at once; once there are none, what a policy sets is in the plan and on the server."""
    root = project(flow=FLOW, team=TEAM, **{"meta_prefect.yaml": DENIED})

    refused = run_cli("deploy", str(root))

    assert refused.returncode == 1
    assert "policy names_match: the name 'nightly2-dev' does not match '[a-z]+-dev'" in refused.stderr
    assert "error: meta_prefect.yaml:6:" in refused.stderr
    assert refused.stderr.count("policy concurrency_limited: ") == 1
    assert server.deployments_of(unique) == []
    assert states_of(server, "policy names_match", f"deploy {unique} to dev") == {"FAILED"}

    project(**{"meta_prefect.yaml": SOUND})
    planned = deploy([str(root)], dry_run=True)
    done = deploy([str(root)])

    exempt = f"exempt from policy concurrency_limited until 2999-01-31, because of the move: {unique}/weekly-dev"
    both = f"tags set by policy team_tag: {unique}/daily-dev, {unique}/weekly-dev"
    assert {exempt, both} <= set(planned.remarks)
    assert {exempt, both} <= set(done.remarks)
    assert {"team=etl"} == {tag for one in server.deployments_of(unique) for tag in one["tags"] if tag[:4] == "team"}
    again = deploy([str(root)], dry_run=True)
    assert again.plan is not None
    assert not again.plan.has_changes, "what the policy sets is as wanted"


def test_what_a_deployer_enforces_no_project_switches_off(
    server: Api, project: Files, run_cli: RunCli, unique: str
) -> None:
    """They are fixed where nobody who starts a run can change them; the project's file and its exemptions do not count."""
    root = project(flow=FLOW, team=TEAM, **{"meta_prefect.yaml": ENFORCED})
    held_to = ["--policies", "concurrency_limited", "--policies", "{policy: names_match, pattern: '[a-z-]+'}"]
    unknown = run_cli("bootstrap", str(root), "--policies", "concurency_limited")
    own = run_cli("bootstrap", str(root), "--policies", "team:team_tag")
    assert "Did you mean 'concurrency_limited'?" in unknown.stderr
    assert (unknown.returncode, own.returncode) == (1, 1)

    done = run_cli("bootstrap", str(root), *held_to)

    assert done.returncode == 0, done.stderr
    assert "unchanged" in run_cli("bootstrap", str(root), *held_to).stdout
    deployer = server.deployment(f"deploy-project/{unique}")
    assert "held to the policies `concurrency_limited`, `names_match`" in deployer["description"]
    project(**{"meta_prefect.yaml": SWITCHED_OFF})
    assert run_cli("validate", str(root)).returncode == 0, "here it is advice that this project does not take"
    state, log = run_deployment(server, deployer)
    assert state["type"] == "FAILED"
    assert "policy concurrency_limited: any number of its runs happens at a time" in log
    form = server.deployment(f"local-run-deployer/{unique}")
    state, log = run_deployment(server, form, deployments=[{"flow": "flow.py:work", "variables": {"name": "other"}}])
    assert state["type"] == "FAILED"
    assert "policy concurrency_limited: any number of its runs happens at a time" in log
    assert server.deployments_of(unique) == []
