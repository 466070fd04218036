"""A recipe with its variables: a builder like any other."""

from __future__ import annotations

from typing import Any

import pytest
from prefect import flow
from values import built, sent

from deployer_flows import local_run_deployer
from meta_prefect.errors import RecipeError
from meta_prefect.implementations.metadata import describer, namer, tags_resolver
from meta_prefect.interfaces.components import Component, WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import Chain, FlowBuilderInterface, builders_of, flatten
from meta_prefect.recipes import recipe
from meta_prefect.recipes.recipe import RecipeBuilder


class Acting(FlowBuilderInterface):
    """Requires a pool, and notes for which deployments it acted."""

    acted: list[str]

    def __init__(self, name: str) -> None:
        self.name = name
        self.acted = ACTED

    @property
    def requires(self) -> list[Component]:
        """A pool."""
        return [WorkerPool(name=self.name)]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Use the pool."""
        deployment.work_pool_name = self.name
        return deployment

    def after_deployment(self, deployment: Deployment) -> None:
        """Note it."""
        self.acted.append(f"{self.name} {deployment.full_name}")


ACTED: list[str] = []


@recipe
def team(name: str, extra: Any = None, env: str | None = None) -> FlowBuilderInterface:
    """Deploy the team's flows."""
    del extra
    return namer(name=name) | tags_resolver(tags=("team",)) | Acting(f"pool-{env}")


@flow
def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


def test_one_flow_many_deployments() -> None:
    """Each gives a new flow that carries the recipe with its own variables."""
    dev = local_run_deployer.with_variables(name="local-run", env="dev")(add)
    prod = local_run_deployer.with_variables(name="local-run", env="prod")(add)

    assert builders_of(add) == ()
    entries = [
        builder.as_entry()
        for made in (dev, prod)
        for builder in builders_of(made)
        if isinstance(builder, RecipeBuilder)
    ]
    assert entries == [{"name": "local-run", "env": "dev"}, {"name": "local-run", "env": "prod"}]


def test_as_a_decorator() -> None:
    """It stands above `@flow`, beside other builders."""

    @describer(text="Ours.")
    @team.with_variables(name="nightly")
    @flow
    def nightly() -> str:
        return "done"

    assert [type(builder) for builder in builders_of(nightly)] == [RecipeBuilder, describer]
    assert nightly.fn() == "done"


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_it_does_what_the_recipe_s_builders_do(environment: str) -> None:
    """Applied as one builder, it applies them all, for the deployment's environment."""
    made = built(team.with_variables(name="nightly"), environment=environment, tags=[])

    assert (made.name, made.tags, made.work_pool_name) == (
        f"nightly-{environment}",
        [f"env={environment}", "team"],
        f"pool-{environment}",
    )


def test_it_composes() -> None:
    """Builders around it override it, and it overrides those within."""
    recipe_builder = team.with_variables(name="nightly")

    assert built(recipe_builder | namer(name="outer")).name == "outer-dev"
    assert built(namer(name="inner") | recipe_builder).name == "nightly-dev"
    assert flatten(Chain(describer(), recipe_builder)) == (describer(), recipe_builder)


def test_it_requires_what_its_builders_require() -> None:
    """Components come along; the entry's environment decides where it pins one."""
    pools = [component.name for component in team.with_variables(name="x", env="prod").requires]

    assert pools == ["pool-prod"]


def test_it_acts_afterwards() -> None:
    """So do its builders' actions."""
    builder = team.with_variables(name="nightly")
    ACTED.clear()
    builder.after_deployment(built(builder))

    assert ACTED == ["pool-dev add/nightly-dev"]


def test_a_decorated_flow_survives_cloudpickle() -> None:
    """A flow that carries a recipe still travels to other processes."""
    returned = sent(team.with_variables(name="nightly")(add))

    assert returned.fn(1, 2) == 3
    assert [repr(builder) for builder in builders_of(returned)] == [
        "team.with_variables(TeamVariables(name='nightly', extra=None, env=None))"
    ]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param(
            {}, "team.with_variables: the recipe 'team' needs the variable 'name'\n  Add `name:`", id="missing"
        ),
        pytest.param(
            {"name": 3}, "team.with_variables(name=…): Input should be a valid string (got 3)", id="wrong type"
        ),
        pytest.param(
            {"nam": "x"},
            "team.with_variables: the recipe 'team' needs the variable 'name'; "
            "team.with_variables(nam=…): the recipe 'team' has no variable 'nam'\n"
            "  Add `name:` under `variables:`. Did you mean 'name'?",
            id="misspelt: two mistakes, one error",
        ),
        pytest.param(
            {"name": "x", "extra": object()}, "team.with_variables: a variable has no JSON form", id="unserialisable"
        ),
    ],
)
def test_variables_are_checked_where_they_are_written(variables: dict[str, Any], message: str) -> None:
    """A mistake shows when the module is loaded, and names the call."""
    with pytest.raises(RecipeError) as refused:
        team.with_variables(**variables)
    assert str(refused.value).startswith(message)
