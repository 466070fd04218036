"""The variables that all recipes have: each reaches the deployment by whichever recipe, and says nothing where it is left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeHost
from values import a_draft, a_flow

from meta_prefect.deploy import validate
from meta_prefect.engine.resolve import Draft
from meta_prefect.errors import ValidationFailed
from meta_prefect.implementations.common import CommonVariables
from meta_prefect.implementations.metadata import describer, namer, tags_resolver, versioneer
from meta_prefect.implementations.notification.triggers import DeploymentTriggers
from meta_prefect.interfaces.components import WorkQueue
from meta_prefect.interfaces.deployment import VersionRule
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.recipes.recipe import Recipe
from meta_prefect.recipes.registry import Recipes

Project = Callable[..., Path]
NEEDED: dict[str, dict[str, Any]] = {
    "docker_run_deployer": {"image": "shop:1"},
    "ecs_run_deployer": {},
    "kubernetes_run_deployer": {},
    "local_run_deployer": {},
    "process_run_deployer": {"work_pool": "team"},
    "work_pool_deployer": {"work_pool": "team"},
}
"""The recipes that have them, with what each needs besides."""

RECIPES = [pytest.param(name, id=name.removesuffix("_deployer")) for name in NEEDED]
SCRIPT = {"prefect.deployments.steps.run_shell_script": {"script": "make"}}
DAILY = {"cron": "0 9 * * *", "slug": "daily"}


def the_schedule(draft: Draft) -> Schedule:
    """The only schedule of a deployment."""
    (schedule,) = draft.deployment.schedules or []
    return schedule


def first_folder(draft: Draft) -> str:
    """Where the runs of a deployment start."""
    (step,) = draft.deployment.pull_steps[0].values()
    return step["directory"]


Case = tuple[dict[str, Any], Callable[[Draft], Any], Any]
CASES: dict[str, Case] = {
    "code": ({"code": {"image": "/srv/x"}}, lambda it: first_folder(it), "/srv/x"),
    "name": ({}, lambda it: it.deployment.name, "nightly-prod"),
    "env": ({"env": "stage"}, lambda it: it.deployment.name, "nightly-stage"),
    "name_pattern": ({"name_pattern": "{env}.{name}"}, lambda it: it.deployment.name, "prod.nightly"),
    "description": ({"description": "**Ours.**"}, lambda it: it.deployment.description, "**Ours.**"),
    "tags": ({"tags": ["Production", "V3"]}, lambda it: it.deployment.tags[-2:], ["Production", "V3"]),
    "version": ({"version": "7.1"}, lambda it: it.deployment.version, "7.1"),
    "version_strategy": (
        {"version_strategy": "increment-on-change"},
        lambda it: it.deployment.version,
        VersionRule.NEXT_ON_CHANGE,
    ),
    "parameters": ({"parameters": {"x": 3}}, lambda it: it.deployment.parameters, {"x": 3}),
    "enforce_parameter_schema": (
        {"enforce_parameter_schema": False},
        lambda it: it.deployment.enforce_parameter_schema,
        False,
    ),
    "job_variables": ({"job_variables": {"own": "x"}}, lambda it: it.deployment.job_variables["own"], "x"),
    "work_queue": (
        {"work_queue": "fast"},
        lambda it: (it.deployment.work_queue_name, [one.name for one in it.components if isinstance(one, WorkQueue)]),
        ("fast", ["fast"]),
    ),
    "pull": ({"pull": SCRIPT}, lambda it: it.deployment.pull_steps[1:], [SCRIPT]),
    "schedule": ({"schedule": DAILY}, lambda it: the_schedule(it).active, True),
    "holidays": ({"schedule": DAILY, "holidays": False}, lambda it: the_schedule(it).cron, "0 9 * * *"),
    "active_in": ({"schedule": DAILY, "active_in": "dev"}, lambda it: the_schedule(it).active, False),
    "active": ({"schedule": DAILY, "active": False}, lambda it: the_schedule(it).active, False),
    "paused": ({"paused": True}, lambda it: it.deployment.paused, True),
    "unique": (
        {"unique": True},
        lambda it: (it.deployment.concurrency_limit, it.deployment.collision_strategy),
        (1, "ENQUEUE"),
    ),
    "concurrency_limit": (
        {"concurrency_limit": {"limit": 3, "collision_strategy": "CANCEL_NEW", "grace_period_seconds": 90}},
        lambda it: (
            it.deployment.concurrency_limit,
            it.deployment.collision_strategy,
            it.deployment.grace_period_seconds,
        ),
        (3, "CANCEL_NEW", 90),
    ),
    "triggers": (
        {"triggers": {"expect": "order.placed"}},
        lambda it: [one.triggers[0].expect for one in it.components if isinstance(one, DeploymentTriggers)],
        [("order.placed",)],
    ),
    "smoke": ({"smoke": {"timeout": "5m"}}, lambda it: str(it.deployment.smoke), "within 5m"),
    "owns_all": ({"owns_all": "tags"}, lambda it: it.deployment.owns_all, {"tags"}),
    "allow": ({"allow": "unknown_parameters"}, lambda it: it.deployment.allowed, {"unknown_parameters"}),
}
"""For each variable: what is said, where it arrives, and as what."""


def found(name: str) -> Recipe:
    """An installed recipe."""
    return Recipes().find(name, where="")


def drafted(recipe: str, environment: str, **variables: Any) -> Draft:
    """A draft that a recipe has made for an environment."""
    builder = found(recipe).with_variables(name="nightly", **NEEDED[recipe], **variables)
    environment = variables.get("env", environment)
    draft = a_draft(environment=environment, flow=a_flow(parameter_schema={"properties": {"x": {"type": "integer"}}}))
    draft.builders = builder.single_builders(environment)
    for one in draft.builders:
        draft.apply(one)
    draft.complete(FakeHost())
    assert draft.errors == []
    return draft


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("variable", CASES)
def test_each_reaches_the_deployment(recipe: str, variable: str) -> None:
    """Whatever recipe deploys, what is said of a deployment holds."""
    said, arrives, expected = CASES[variable]

    assert arrives(drafted(recipe, "prod", **said)) == expected


def test_none_is_forgotten() -> None:
    """The table above has all variables, and all recipes that are installed and deploy flows as they come."""
    assert CASES.keys() == {field.name for field in dataclasses.fields(CommonVariables)}
    others = {
        "deployer",
        "decorated_flow_deployer",
    }  # the chain is made elsewhere: by bootstrap, and by the flow's code
    installed = {one.recipe_name for one in Recipes().all()} - others
    assert installed == NEEDED.keys()
    for name in installed:
        assert CASES.keys() <= found(name).variables_model.model_fields.keys()


@pytest.mark.parametrize("recipe", RECIPES)
def test_left_out_they_say_nothing(recipe: str) -> None:
    """The builders are those of before there were these variables, and what operators set stays theirs."""
    made = drafted(recipe, "prod")

    *first, where = made.builders
    assert first == [
        namer(name="nightly"),
        describer(),
        tags_resolver(),
        versioneer(strategy="increment"),
    ]
    assert where.title.startswith("run ")
    deployment = made.deployment
    assert (deployment.paused, deployment.concurrency_limit, deployment.work_queue_name) == (None, None, None)
    assert (deployment.schedules, deployment.parameters, deployment.enforce_parameter_schema) == (None, {}, True)


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_may_be_said_to_be_nobody_s(recipe: str) -> None:
    """No pull steps at all; schedules whose activation, and limits whose collisions, are left to operators."""
    made = drafted(recipe, "dev", pull=[], schedule=DAILY, active_in=None, concurrency_limit=3).deployment

    assert made.pull_steps == []
    assert [one.active for one in made.schedules or ()] == [None]
    assert (made.concurrency_limit, made.collision_strategy) == (3, None)


@pytest.mark.parametrize(
    ("holidays", "left_out"),
    [
        pytest.param({}, "holidays of US", id="left empty"),
        pytest.param({"holidays": None}, "holidays of US", id="nothing behind it"),
        pytest.param({"holidays": "DE"}, "holidays of DE", id="a country"),
        pytest.param({"holidays": {"country": "DE", "subdivision": "BY"}}, "holidays of DE-BY", id="an object"),
        pytest.param({"holidays": ["US", "NYSE"]}, "US", id="several"),
    ],
)
def test_holidays(holidays: dict[str, Any], left_out: str) -> None:
    """They are those of the US unless another calendar is named; a schedule's own come first."""
    schedule = the_schedule(drafted("local_run_deployer", "prod", schedule=DAILY, **holidays))
    own = the_schedule(drafted("local_run_deployer", "prod", schedule={**DAILY, "holidays": "FR"}))

    assert left_out in (schedule.note or "")
    assert "holidays of FR" in (own.note or "")


FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work(n: int = 1) -> None: ...
"""
FILE = """\
project: UNIQUE
deployments:
  UNIQUE:
    - recipe: local_run_deployer
      variables: VARIABLES
"""


@pytest.mark.parametrize(
    ("said", "column", "key", "told"),
    [
        pytest.param(
            "name_pattern: '{name}-{team}'", 28, "name_pattern", "holds more than {name} and {env}", id="pattern"
        ),
        pytest.param("name_pattern: x", 28, "name_pattern", "'x' has no place for {name}", id="pattern without name"),
        pytest.param("name_pattern: '{name'", 28, "name_pattern", "expected '}'", id="pattern that is none"),
        pytest.param("holidays: Atlantis, schedule: '@daily'", 28, "holidays", "Atlantis", id="calendar"),
        pytest.param("tags: [a, 3]", 38, "tags[1]", "should be a valid string", id="tag"),
        pytest.param("version: 1.5", 28, "version", "should be a valid string", id="version"),
        pytest.param("version_strategy: date", 28, "version_strategy", "'increment'", id="strategy"),
        pytest.param("parameters: {m: 1}", 41, "parameters.m", "the flow has no parameter 'm'", id="parameter"),
        pytest.param("parameters: {n: many}", 41, "parameters.n", "'many' is not of type 'integer'", id="value"),
        pytest.param("work_queue: a/b", 28, "work_queue", "holds /", id="queue"),
        pytest.param("paused: often", 28, "paused", "valid boolean", id="paused"),
        pytest.param("concurrency_limit: -1", 28, "concurrency_limit", "greater than or equal to 0", id="limit"),
        pytest.param(
            "concurrency_limit: {limit: 1, collision_strategy: DROP}",
            58,
            "concurrency_limit.collision_strategy",
            "'ENQUEUE' or 'CANCEL_NEW'",
            id="collision",
        ),
        pytest.param(
            "concurrency_limit: {limit: 1, grace_period_seconds: 5}",
            58,
            "concurrency_limit.grace_period_seconds",
            "greater than or equal to 60",
            id="grace period",
        ),
        pytest.param("unique: true, concurrency_limit: 2", 28, "unique", "give either", id="two limits"),
        pytest.param("pull: [{a.b: {}, c.d: {}}]", 35, "pull[0]", "a step has one key", id="two steps in one"),
        pytest.param(
            "pull: {prefect.deployments.steps.run_shell_script: {skript: make}}",
            80,
            "pull.'prefect.deployments.steps.run_shell_script'.skript",
            "Did you mean 'script'?",
            id="a step's input",
        ),
        pytest.param(
            "pull: {prefect.deployments.steps.run_shell: {script: make}}",
            35,
            "pull.'prefect.deployments.steps.run_shell'",
            "Did you mean 'run_shell_script'?",
            id="a step's name",
        ),
    ],
)
def test_what_does_not_fit(project: Project, unique: str, said: str, column: int, key: str, told: str) -> None:
    """It is refused at its line and key."""
    root = project(**{"flow.py": FLOW, "meta_prefect.yaml": FILE.replace("VARIABLES", f"{{name: n, {said}}}")})
    with pytest.raises(ValidationFailed) as failed:
        validate([str(root)])

    (error,) = failed.value.errors
    place = f"meta_prefect.yaml:5:{column}: deployments.{unique}[0].variables.{key}: "
    assert str(error).startswith(place), str(error)
    assert told in str(error)


def test_values_for_several_environments(project: Project, unique: str) -> None:
    """An entry counts in the environments that it names; what entries share is written once, by an anchor of YAML."""
    file = """
        project: UNIQUE
        deployments:
          UNIQUE:
            - recipe: local_run_deployer
              environments: [dev]
              variables: &shared {name: n, parameters: {n: 1}, tags: [team], paused: true}
            - recipe: local_run_deployer
              environments: [prod]
              variables: {<<: *shared, parameters: {n: 9}, paused: false, concurrency_limit: 4}
    """
    root = project(**{"flow.py": FLOW, "meta_prefect.yaml": file})

    def planned(environment: str) -> dict[str, Any]:
        plan = validate([str(root)], env=environment).plan
        assert plan is not None
        (change,) = [one for one in plan.changes if one.kind == "deployment"]
        return {field.path: field.after for field in change.fields}

    dev, prod = planned("dev"), planned("prod")

    assert (dev["parameters.n"], dev["paused"], dev.get("concurrency_limit")) == (1, True, None)
    assert (prod["parameters.n"], prod["paused"], prod["concurrency_limit"]) == (9, False, 4)
    assert ("team" in dev["tags"], "team" in prod["tags"]) == (True, True)
