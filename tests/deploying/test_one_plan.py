"""A deploy plans once: its builders are seen in its own run, and each recipe's run carries out its part of the plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support import Api, wait_until

from meta_prefect.deploy import deploy
from meta_prefect.engine.progress import Silent, reporting_to
from meta_prefect.errors import DeployFailed, ValidationFailed
from meta_prefect.flows import ProjectModules
from meta_prefect.recipes.registry import Recipes
from meta_prefect.report import Report

Project = Callable[..., Path]

RECIPES = """
    import pathlib
    from typing import Annotated

    from pydantic import Field, SecretStr

    from meta_prefect import recipe
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import namer, versioneer
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

    HERE = pathlib.Path(__file__).parent


    class counting(FlowBuilderInterface):
        def update_deployment(self, deployment):
            with (HERE / "built").open("a") as out:
                out.write(f"{deployment.name}\\n")
            if (HERE / f"refuse-{deployment.name}").exists():
                raise RuntimeError("it is not in the mood")
            return deployment

        def after_deployment(self, deployment):
            with (HERE / "acted").open("a") as out:
                out.write(f"{deployment.name}\\n")


    @recipe
    def UNIQUE_deployer(name: str, key: Annotated[SecretStr, Field(min_length=12)]) -> FlowBuilderInterface:
        '''Deploy in the team's way.'''
        return namer(name=name) | counting() | versioneer(strategy="increment") | local_process()


    if (HERE / "retried").exists():
        UNIQUE_deployer = UNIQUE_deployer.with_options(retries=1)
"""
FILE = """
    project: UNIQUE
    recipes: [team_recipes]
    deployments:
      UNIQUE:
        - {recipe: UNIQUE_deployer, variables: {name: a, key: open-sesame-please}}
        - {recipe: UNIQUE_deployer, variables: {name: b, key: open-sesame-please}}
"""
FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work() -> None: ...
"""


@pytest.fixture
def root(project: Project) -> Path:
    """A project with a recipe of its own, whose variables a run's parameters do not show as they are."""
    return project(**{"flow.py": FLOW, "team_recipes.py": RECIPES, "meta_prefect.yaml": FILE})


def tasks_of(server: Api, run_id: str, count: int) -> dict[str, str]:
    """The tasks of a run with the types of their states."""

    def recorded() -> dict[str, str] | None:
        found: list[dict[str, Any]] = server.post("/task_runs/filter", flow_runs={"id": {"any_": [run_id]}})
        told: dict[str, str] = {one["name"]: one["state"]["type"] if one["state"] else "" for one in found}
        return told if len(told) >= count and not set(told.values()) & {"", "PENDING", "RUNNING"} else None

    return wait_until(recorded, what=f"{count} tasks are recorded", seconds=30)


def lines(root: Path, name: str) -> list[str]:
    """What builders have noted."""
    return (root / name).read_text().splitlines()


def test_builders_run_once_and_in_the_deploys_own_run(server: Api, root: Path) -> None:
    """A plan shows each kind of builder as a step; a deploy as well, and its recipe's run has no second of them."""
    planned = deploy([str(root)], dry_run=True)
    done = deploy([str(root)])

    steps = {"name", "counting", "resolve version", "run as a local process"}
    assert planned.run_id is not None
    assert done.run_id is not None
    assert tasks_of(server, planned.run_id, 6).keys() == {"read project", *steps, "plan"}
    assert tasks_of(server, done.run_id, 7).keys() >= {"read project", *steps, "plan"}
    assert lines(root, "built") == ["a-dev", "b-dev"] * 2
    (child,) = server.post("/flow_runs/filter", flow_runs={"parent_flow_run_id": {"any_": [done.run_id]}})
    assert not steps & tasks_of(server, child["id"], 4).keys()
    shown = child["parameters"]
    assert [one["variables"]["name"] for one in shown["deployments"]] == ["a", "b"]
    assert shown["context"]["deploy_id"]
    assert "sesame" not in str(shown)


def test_a_step_in_which_a_builder_raised_is_red(server: Api, root: Path, unique: str) -> None:
    """The others go on, and the deploy says what is wrong with the one that it refused."""
    (root / "refuse-b-dev").touch()

    with pytest.raises(ValidationFailed, match="it is not in the mood"):
        deploy([str(root)], dry_run=True)

    condition = {"tags": {"all_": [f"project={unique}"]}, "name": {"like_": "plan "}}
    (run,) = server.post("/flow_runs/filter", flow_runs=condition)
    tasks = tasks_of(server, run["id"], 6)
    assert {name for name, state in tasks.items() if state == "FAILED"} == {"counting"}
    assert lines(root, "built") == ["a-dev", "b-dev"]


class _Meddling(Silent):
    """Does something at one moment of a deploy."""

    def __init__(
        self, *, planned: Callable[[], Any] | None = None, at_the_end: Callable[[], Any] | None = None
    ) -> None:
        self._planned, self._at_the_end = planned, at_the_end

    def plan(self, names: Sequence[str]) -> None:
        """The plan is made, and nothing is written yet."""
        del names
        if self._planned is not None:
            self._planned()

    def step(self, text: str) -> None:
        """Of the steps, only the one after all the writes is of interest."""
        if self._at_the_end is not None and text.startswith("wait until"):
            self._at_the_end()


def test_what_somebody_changes_after_the_plan_is_not_overwritten(server: Api, root: Path, unique: str) -> None:
    """It is reported as moved, with what to do; the other one is written."""
    deploy([str(root)])
    name = f"{unique}/a-dev"

    def pause() -> None:
        server.patch(f"/deployments/{server.deployment(name)['id']}", paused=True)

    with reporting_to(_Meddling(planned=pause)), pytest.raises(DeployFailed) as failed:
        deploy([str(root)])

    report = failed.value.report
    assert {one.deployment: one.action for one in report.outcomes} == {name: "failed", f"{unique}/b-dev": "updated"}
    assert report.failed[0].detail == (
        f"deployment {name}: has been changed on the server since this deploy was planned\n"
        "  Nothing of it was written. Deploy again: the plan then starts from what is there now."
    )
    assert [server.deployment(f"{unique}/{one}-dev")["version"] for one in "ab"] == ["1", "2"]


def test_a_retry_of_a_recipes_run_sees_what_is_done(server: Api, root: Path, unique: str) -> None:
    """Its first attempt is lost once all is written: the second one finds it as planned, and lets builders act again."""
    (root / "retried").touch()
    failures = [RuntimeError("lost")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    with reporting_to(_Meddling(at_the_end=fail_once)):
        report = deploy([str(root)])

    assert [one.detail for one in report.outcomes] == ["already as wanted; its builders have acted"] * 2
    assert [server.deployment(f"{unique}/{one}-dev")["version"] for one in "ab"] == ["1", "1"]
    assert lines(root, "built") == ["a-dev", "b-dev"]
    assert sorted(lines(root, "acted")) == ["a-dev", "a-dev", "b-dev", "b-dev"]


def test_a_recipe_that_is_started_alone_plans_for_itself(
    server: Api, root: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Python it takes entries, and resolves, compares and writes them in its own run."""
    monkeypatch.chdir(root)
    recipe = Recipes(["team_recipes"], ProjectModules(root).load_module).find(f"{unique}_deployer", where="here")
    entry = {"flow": "flow.py:work", "variables": {"name": "c", "key": "open-sesame-please"}}

    report: Report = recipe(deployments=[entry], environment="prod")

    assert [(one.deployment, one.action) for one in report.outcomes] == [(f"{unique}/c-prod", "created")]
    assert server.deployment(f"{unique}/c-prod")["tags"] == ["env=prod", f"meta-prefect={unique}"]
    (run,) = server.post("/flow_runs/filter", flow_runs={"tags": {"all_": [f"project={unique}"]}})
    assert {"counting", "compare with the server", f"apply {unique}/c-prod"} <= tasks_of(server, run["id"], 6).keys()
