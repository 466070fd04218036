"""A deploy leaves the scheduled runs of what it does not change as they are: their ids survive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support import Api, wait_until

from meta_prefect.deploy import deploy

CODE = """
    from prefect import flow
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import describer, versioneer
    from meta_prefect.implementations.schedule import scheduler

    @flow(name="UNIQUE")
    def work() -> None: ...

    def at(hour):
        return versioneer(version="1") | local_process() | scheduler(schedule=f"0 {hour} 1 * *", active=True)

"""
Project = Callable[..., Path]
NUMBER = 20
KEPT = "version kept at 1: nothing else changed; --bump writes it and lets Prefect create the scheduled runs anew"
FLOW = "from prefect import flow\n\n\n@flow(name='UNIQUE')\ndef work() -> None: ...\n"
FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: weekly, schedule: "0 9 * * 2"}
"""


def code(project: Project, *, description: str) -> Path:
    """A project with twenty deployments on monthly schedules, of which Prefect plans three runs each."""
    lines = [f"    d{number} = at({number})(work)\n" for number in range(NUMBER - 1)]
    last = f"    last = (at(23) | describer(text={description!r}))(work)\n"
    return project(**{"flows.py": CODE + "".join(lines) + last, "meta_prefect.yaml": "project: UNIQUE\n"})


def test_the_ids_of_scheduled_runs_survive(server: Api, project: Project, unique: str) -> None:
    """Sixty of sixty after an unchanged deploy; after one deployment was changed the fifty-seven of the other ones."""
    of_ours = {"flows": {"name": {"any_": [unique]}}, "limit": 200}

    def scheduled() -> dict[str, str]:
        return {one["id"]: one["deployment_id"] for one in server.post("/flow_runs/filter", **of_ours)}

    root = code(project, description="first")
    deploy([str(root)])
    before = wait_until(
        lambda: runs if len(runs := scheduled()) == 3 * NUMBER else None,
        what="three runs each are scheduled",
        seconds=60,
    )

    unchanged = deploy([str(root)])
    after = scheduled()
    code(project, description="second")
    changed = deploy([str(root)])
    last = server.deployment(f"{unique}/last-dev")["id"]
    kept = {run for run, deployment in before.items() if deployment != last}

    assert {one.action for one in unchanged.outcomes} == {"unchanged"}
    assert after.keys() == before.keys()
    assert [one.action for one in changed.outcomes].count("updated") == 1
    assert len(kept) == 57
    assert kept <= scheduled().keys()


def test_scheduled_runs_survive_the_default_recipe(server: Api, project: Project, unique: str) -> None:
    """Deployed twice unchanged to prod, a counted version stays and so do the scheduled runs; `bump` counts all the same."""
    root = [str(project(flow=FLOW, **{"meta_prefect.yaml": FILE}))]
    deploy(root, env="prod")
    of_ours = {"flows": {"name": {"any_": [unique]}}, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}

    def scheduled() -> set[str]:
        return {one["id"] for one in server.post("/flow_runs/filter", **of_ours)}

    before = wait_until(lambda: runs if len(runs := scheduled()) == 3 else None, what="three runs are scheduled")
    planned = deploy(root, env="prod", dry_run=True)
    again = deploy(root, env="prod")
    kept = scheduled()
    counted = deploy(root, env="prod", bump=True)

    assert planned.plan is not None
    assert not planned.plan.has_changes
    assert planned.count() == again.count() == "1 unchanged"
    assert again.remarks.count(KEPT) == 1
    assert kept == before
    assert counted.count() == "1 updated"
    assert server.deployment(f"{unique}/weekly-prod")["version"] == "2"
