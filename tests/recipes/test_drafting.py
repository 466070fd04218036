"""Where a recipe's builders stand among those that a flow carries."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from values import a_context

from deployer_flows import decorated_flow_deployer, local_run_deployer
from meta_prefect.engine.drafts import DeploymentRequest, draft
from meta_prefect.engine.resolve import Draft
from meta_prefect.errors import ConfigurationError
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.implementations.infra import kubernetes, local_process
from meta_prefect.implementations.metadata import describer, namer
from meta_prefect.interfaces.components import Component, WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import Recipe, recipe


class pool_per_environment(FlowBuilderInterface):  # noqa: N801 - used like a function
    """Runs each environment in a pool of its own."""

    def __init__(self, env: str | None) -> None:
        self.env = env

    @property
    def requires(self) -> list[Component]:
        """The environment's pool."""
        return [WorkerPool(name=f"pool-{self.env}")]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Nothing more to say."""
        return deployment


@recipe
def base(name: str, env: str | None = None) -> FlowBuilderInterface:
    """What all teams do."""
    return namer(name=name) | pool_per_environment(env)


@recipe
def team(name: str) -> FlowBuilderInterface:
    """What this team does beside."""
    return base.with_variables(name=name) | describer(text="The team's.")


FLOWS = '''
    """Flows, bare and with builders."""

    from deployer_flows import local_run_deployer
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import describer, namer
    from prefect import flow


    @flow
    def bare(x: int) -> int:
        """Return x."""
        return x

    described = describer(text="Mine.")(bare)
    local = describer(text="Outer.")(local_run_deployer.with_variables(name="a")(namer(name="inner")(bare)))
    broken = 3


    @describer(text="Mine.")
    @flow
    def own_name() -> None:
        """Nothing."""
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project."""
    (tmp_path / "flows.py").write_text(textwrap.dedent(FLOWS))
    return tmp_path


def drafted(root: Path, flow: str, made: Recipe, environment: str = "dev", **variables: Any) -> Draft:
    """The draft for an entry."""
    request = DeploymentRequest(made, f"flows.py:{flow}", made.variables_model.model_validate(variables), "here")
    begun = draft(request, a_context(source=str(root), environment=environment), ProjectFlows(root, from_source=False))
    assert isinstance(begun, Draft), begun
    return begun


def kinds(begun: Draft) -> list[str]:
    """The kinds of builders, in the order in which they apply."""
    return [type(builder).__name__ for builder in begun.builders]


def test_the_facts_of_the_flow_are_taken(root: Path) -> None:
    """Name, docstring, parameters and file are the flow's; the deployment is the context's."""
    begun = drafted(root, "bare", decorated_flow_deployer, "prod")
    facts = begun.deployment.flow

    assert (facts.name, facts.description, facts.entrypoint) == ("bare", "Return x.", "flows.py:bare")
    assert list(facts.parameter_schema["properties"]) == ["x"]
    assert facts.file == str(root / "flows.py")
    assert (begun.deployment.environment, begun.errors) == ("prod", [])


def test_a_recipe_comes_after_the_builders_that_a_flow_carries(root: Path) -> None:
    """What is asked for by name overrides what the flow says of itself."""
    begun = drafted(root, "described", local_run_deployer, name="nightly")

    assert kinds(begun) == ["describer", "namer", "describer", "tags_resolver", "versioneer", "local_process"]
    assert begun.builders[1] == namer(name="nightly")


def test_a_recipe_that_the_flow_carries_stands_where_it_stands(root: Path) -> None:
    """Builders below it are overridden by it, builders above it override it; the entry's variables count."""
    begun = drafted(root, "local", local_run_deployer, name="b")

    assert begun.builders[:2] == (namer(name="inner"), namer(name="b"))
    assert begun.builders[-2:] == (local_process(), describer(text="Outer."))


def test_another_recipe_that_the_flow_carries_is_kept(root: Path) -> None:
    """It is taken apart into its builders, and the one that is asked for overrides."""
    begun = drafted(root, "local", base, name="c")

    assert "local_process" in kinds(begun)
    assert kinds(begun)[-3:] == ["describer", "namer", "pool_per_environment"]
    assert begun.builders[-2] == namer(name="c")


@pytest.mark.parametrize(
    ("flow", "name"),
    [
        pytest.param("described", "described-prod", id="the module-level name"),
        pytest.param("own_name", "default-prod", id="the flow's own name says nothing more"),
        pytest.param("bare", "", id="a flow without builders is named by its recipe alone"),
    ],
)
def test_a_flow_in_code_names_its_deployment(root: Path, flow: str, name: str) -> None:
    """Where no builder gives a name, the flow's place in its module does."""
    assert drafted(root, flow, decorated_flow_deployer, "prod").deployment.name == name


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_recipe_that_builds_on_another(root: Path, environment: str) -> None:
    """The inner recipe is taken apart for the environment in force, so that what it requires is the environment's too."""
    begun = drafted(root, "bare", team, environment, name="nightly")

    assert kinds(begun) == ["namer", "pool_per_environment", "describer"]
    assert [component.name for builder in begun.builders for component in builder.requires] == [f"pool-{environment}"]


def test_an_entry_s_environment_is_the_deployment_s(root: Path) -> None:
    """An entry that pins its environment is deployed to that one."""
    begun = drafted(root, "bare", base, "dev", name="nightly", env="prod")

    assert begun.deployment.environment == "prod"
    assert [component.name for component in begun.builders[1].requires] == ["pool-prod"]


def test_a_flow_that_cannot_be_loaded_is_returned_as_an_error(root: Path) -> None:
    """The others can be planned all the same, and all errors are shown at once."""
    request = DeploymentRequest(
        base, "flows.py:broken", base.variables_model.model_validate({"name": "x"}), "meta_prefect.yaml:3"
    )
    error = draft(request, a_context(source=str(root)), ProjectFlows(root, from_source=False))

    assert isinstance(error, ConfigurationError)
    assert error.where == "meta_prefect.yaml:3"
    assert "not a flow" in error.message


def test_a_request_is_an_entry_again() -> None:
    """What is sent to the recipe's run is what was said, no more."""
    variables = base.variables_model.model_validate({"name": "nightly"})

    assert DeploymentRequest(base, "flow.py:add", variables, "here").as_entry() == {
        "flow": "flow.py:add",
        "variables": {"name": "nightly"},
    }


@recipe
def cluster(cpu: float) -> FlowBuilderInterface:
    """Hand a variable on to a builder that checks it."""
    return kubernetes(image="shop:1", cpu=cpu)


def test_a_recipe_whose_builders_refuse_its_variables(root: Path) -> None:
    """What a builder says of a value that a recipe hands on is told in one line, with the place where it was asked for."""
    request = DeploymentRequest(cluster, "flows.py:bare", cluster.variables_model(cpu=0), "meta_prefect.yaml:3")

    error = draft(request, a_context(source=str(root)), ProjectFlows(root, from_source=False))

    assert isinstance(error, ConfigurationError)
    assert error.where == "meta_prefect.yaml:3: recipe cluster"
    assert error.message.startswith("cpu: ")
    assert "\n" not in error.message
