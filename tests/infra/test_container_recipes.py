"""The recipes for containers: their variables, and what they make of them."""

from __future__ import annotations

from typing import Any

import pytest
from values import a_deployment

from deployer_flows import docker_run_deployer, ecs_run_deployer, kubernetes_run_deployer, process_run_deployer
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
