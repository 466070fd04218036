"""The recipes for containers: their variables, and what they make of them."""

from __future__ import annotations

from typing import Any

import pytest
from texts import ADD_FLOW
from values import a_deployment

from deployer_flows import (
    docker_run_deployer,
    ecs_run_deployer,
    kubernetes_run_deployer,
    process_run_deployer,
    work_pool_deployer,
)
from meta_prefect.deploy import validate
from meta_prefect.errors import RecipeError
from meta_prefect.recipes import Recipe

RECIPES = [
    pytest.param(kubernetes_run_deployer, {"cpu_request": "500m", "memory_limit": "2Gi"}, id="kubernetes"),
    pytest.param(ecs_run_deployer, {"cpu": 512, "memory": 2048}, id="ecs"),
    pytest.param(docker_run_deployer, {"mem_limit": str(2 * 2**30)}, id="docker"),
]


@pytest.mark.parametrize(("recipe", "expected"), RECIPES)
def test_the_variables_reach_the_job(recipe: Recipe, expected: dict[str, Any]) -> None:
    """CPU, memory, image and variables of an entry become job variables in the recipe's own pool."""
    builder = recipe.with_variables(
        name="nightly", image="shop:1", cpu=0.5, memory=2, env_vars={"A": "1"}, work_pool="here", unique=True
    )
    made = builder.update_deployment(a_deployment())
    wanted = {**expected, "image": "shop:1", "env": {"A": "1"}, "meta_env": "dev"}
    assert made.job_variables | wanted == made.job_variables
    assert (made.work_pool_name, made.name, made.concurrency_limit) == ("here", "nightly-dev", 1)
    assert {component.kind for component in builder.requires} == {"work pool", "worker"}


@pytest.mark.parametrize(("recipe", "expected"), RECIPES)
@pytest.mark.parametrize(
    ("variables", "told"),
    [
        pytest.param({"memory": "12GB"}, "Did you mean 'Gi'?", id="memory"),
        pytest.param({"cpu": 0}, "CPU must be above 0", id="cpu"),
        pytest.param({"memroy": 1}, "Did you mean 'memory'?", id="misspelt"),
        pytest.param({"image": "a b"}, "is no reference to an image", id="image"),
    ],
)
def test_wrong_variables_are_refused(recipe: Recipe, expected: Any, variables: dict[str, Any], told: str) -> None:
    """A wrong value or name is refused before anything is planned, with what is meant."""
    with pytest.raises(RecipeError) as refusal:
        recipe.with_variables(**{"name": "nightly", "image": "shop:1", **variables})
    assert told in str(refusal.value)


def test_a_shared_process_pool_takes_no_amounts_and_no_image() -> None:
    """Processes have neither memory nor an image of their own: the recipe for them says so before anything is planned."""
    recipe: Recipe = process_run_deployer
    made = recipe.with_variables(name="nightly", work_pool="team", env_vars={"A": "1"}).update_deployment(
        a_deployment()
    )
    assert (made.work_pool_name, made.name, made.job_variables["env"]) == ("team", "nightly-dev", {"A": "1"})
    with pytest.raises(RecipeError, match="memory"):
        recipe.with_variables(name="nightly", work_pool="team", memory="12Gi")


def test_any_pool_takes_an_image_or_builds_one() -> None:
    """The image is a job variable of the pool that is named, its code is in it; one that is built is needed first."""
    recipe: Recipe = work_pool_deployer
    given = recipe.with_variables(name="n", work_pool="theirs", image="shop:1", job_variables={"cpu": 2})
    built = recipe.with_variables(name="n", work_pool="theirs", image="registry.example/shop", build={})

    made = given.update_deployment(a_deployment())
    assert (made.work_pool_name, made.job_variables["image"], made.job_variables["cpu"]) == ("theirs", "shop:1", 2)
    assert made.pull_steps == [{"prefect.deployments.steps.set_working_directory": {"directory": "."}}]
    assert "image" in {component.kind for component in built.requires}
    with pytest.raises(RecipeError, match="build"):
        recipe.with_variables(name="n", work_pool="theirs", build={"tags": 1})
    with pytest.raises(RecipeError, match="is no entrypoint"):
        recipe.with_variables(name="n", work_pool="theirs", entrypoint="flow.py")


@pytest.mark.parametrize("said", [{"image": "shop:latest"}, {"job_variables": {"image": "shop:latest"}}])
def test_an_image_of_any_pool_is_one_version(said: dict[str, Any]) -> None:
    """Named as a variable or among the job variables, it holds the code, and has a tag in production."""
    builder = work_pool_deployer.with_variables(name="n", work_pool="theirs", **said)

    made = builder.update_deployment(a_deployment())
    assert made.pull_steps == [{"prefect.deployments.steps.set_working_directory": {"directory": "."}}]
    with pytest.raises(RecipeError, match="does not say which version runs in prod"):
        builder.update_deployment(a_deployment(environment="prod"))


def test_limits_of_docker_need_no_package_here(project: Any) -> None:
    """The job template that Prefect ships has no place for CPUs, the one of prefect-docker has: our pools have it either way."""
    file = """
        project: UNIQUE
        deployments:
          UNIQUE:
            - recipe: docker_run_deployer
              variables: {name: nightly, image: "registry.example/shop:1.4.2", cpu: 0.5, memory: 1.5}
    """
    assert len(validate([str(project(flow=ADD_FLOW, **{"meta_prefect.yaml": file}))]).outcomes) == 1
