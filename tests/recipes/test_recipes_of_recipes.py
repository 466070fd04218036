"""Recipes made of others: with variables fixed, defaulted or required, or with variables of their own beside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from values import a_deployment

from deployer_flows import docker_run_deployer, kubernetes_run_deployer
from meta_prefect import recipe
from meta_prefect.deploy import validate
from meta_prefect.errors import RecipeError, ValidationFailed
from meta_prefect.implementations.common import CommonVariables
from meta_prefect.implementations.infra import local_process
from meta_prefect.implementations.metadata import tags_resolver
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import Recipe
from meta_prefect.recipes.describing import describe


def made(by: Recipe, environment: str = "dev", **variables: Any) -> Deployment:
    """What a recipe makes of a deployment."""
    deployment = a_deployment(environment=environment)
    for builder in by.builders(by.with_variables(**variables).variables, environment):
        deployment = builder.update_deployment(deployment)
    return deployment


etl = kubernetes_run_deployer.preset("etl", namespace="etl", image="shop:1", tags="etl", defaults={"cpu": 2})
small = etl.preset("small", cpu="500m")
pinned = docker_run_deployer.preset("pinned", image="shop:1", env="prod")


def test_a_preset_is_a_recipe_with_variables_fixed_and_defaulted() -> None:
    """It has a name and a place of its own, lacks what is fixed, and makes what the recipe makes with those values."""
    assert (etl.recipe_name, etl.entrypoint) == ("etl", f"{__name__}.etl")
    fields = etl.variables_model.model_fields
    assert {"namespace", "image", "tags"}.isdisjoint(fields)
    assert fields["cpu"].default == "2"
    assert fields["memory"].description == kubernetes_run_deployer.variables_model.model_fields["memory"].description
    assert "`kubernetes_run_deployer` with namespace='etl', image='shop:1'" in (etl.description or "")
    assert [one.name for one in describe(etl).variables if one.required] == ["name"]

    whole = made(kubernetes_run_deployer, name="a", namespace="etl", image="shop:1", tags="etl", cpu=2)
    assert made(etl, name="a") == whole
    other = made(etl, name="a", cpu=1).job_variables
    assert other["cpu_request"] != whole.job_variables["cpu_request"], "an entry may say otherwise"


def test_a_preset_may_be_narrowed_again_and_pin_its_environment() -> None:
    """What was a default is fixed then; a fixed environment is pinned, as an entry pins it."""
    assert "cpu" not in small.variables_model.model_fields
    assert made(small, name="a") == made(etl, name="a", cpu="500m")
    assert pinned.environment(pinned.with_variables(name="a").variables) == "prod"
    assert made(pinned, name="a", environment="prod").name == "a-prod"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"namspace": "x"}, "there is no variable 'namspace'\n  Did you mean 'namespace'?"),
        ({"defaults": {"namspace": "x"}}, "there is no variable 'namspace'"),
        ({"image": "NO IMAGE"}, "image: 'NO IMAGE' is no reference to an image"),
        ({"cpu": 1, "defaults": {"cpu": 2}}, "'cpu' is both fixed and a default"),
    ],
)
def test_what_does_not_fit_a_preset_is_refused_where_it_is_made(values: dict[str, Any], message: str) -> None:
    """An unknown variable with the nearest one, a wrong value as in an entry."""
    with pytest.raises(RecipeError) as raised:
        kubernetes_run_deployer.preset("x", **values)

    assert message in str(raised.value)
    with pytest.raises(RecipeError, match="no name in Python"):
        kubernetes_run_deployer.preset("not a name")


@recipe(extends=docker_run_deployer, requires_variables=("description", "memory"))
def team_docker(base: FlowBuilderInterface, team: str, cpu: str = "2") -> FlowBuilderInterface:
    """Deploy in containers of a team.

    Args:
        base: What the other recipe makes.
        team: Who answers for it.
        cpu: CPUs of each run.
    """
    return base | tags_resolver(tags=(f"team={team}", f"cpu={cpu}"))


@recipe(requires_variables=("description",))
def local(common: CommonVariables) -> FlowBuilderInterface:
    """Deploy here."""
    return common.around(local_process())


def test_a_recipe_may_extend_another_ones_variables() -> None:
    """It has all of them and its own, of which one may take another's place; what it requires has no default any more."""
    fields = team_docker.variables_model.model_fields
    assert {"team", "image", "networks", "schedule"} <= fields.keys()
    assert {name for name in ("team", "description", "memory", "image", "cpu") if fields[name].is_required()} == {
        "team",
        "description",
        "memory",
        "image",
    }
    given = {"name": "a", "description": "x", "memory": "1Gi", "image": "shop:1"}
    deployment = made(team_docker, team="etl", **given)
    assert deployment.tags[-2:] == ["team=etl", "cpu=2"]
    base = made(docker_run_deployer, cpu="2", **given)
    assert (deployment.name, deployment.job_variables) == (base.name, base.job_variables)
    assert made(team_docker.preset("etl_docker", team="etl"), **given) == deployment
    with pytest.raises(RecipeError, match="description"):
        local.with_variables(name="a")


def test_such_recipes_are_named_in_the_project_file(project: Callable[..., Path]) -> None:
    """A preset of a project's module is found by its name; an entry that gives what is fixed is refused with its line."""
    recipes = (
        "from deployer_flows import docker_run_deployer\n\n\netl = docker_run_deployer.preset('etl', image='shop:1')\n"
    )
    file = "project: UNIQUE\nrecipes: [recipes]\ndeployments: {UNIQUE: [{recipe: etl, variables: {name: nightly}}]}\n"
    flow = "from prefect import flow\n\n\n@flow(name='UNIQUE')\ndef work() -> None: ...\n"
    root = project(flow=flow, recipes=recipes, **{"meta_prefect.yaml": file})

    (outcome,) = validate([str(root)]).outcomes

    assert outcome.recipe == "etl"
    project(**{"meta_prefect.yaml": file.replace("name: nightly", "name: nightly, image: 'x:1'")})
    with pytest.raises(ValidationFailed, match=r"meta_prefect.yaml:3:\d+: .*image: 'image' is fixed by the recipe"):
        validate([str(root)])
