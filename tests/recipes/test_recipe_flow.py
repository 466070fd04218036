"""A recipe: a function that returns builders, as a Prefect flow."""

from __future__ import annotations

from typing import Any

import pytest
from prefect import Flow, flow
from values import sent

from deployer_flows import decorated_flow_deployer, local_run_deployer
from meta_prefect.errors import BuilderError, RecipeError
from meta_prefect.implementations.metadata import namer, tags_resolver, versioneer
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import Recipe, recipe


@recipe
def team_deployer(name: str, env: str | None = None, size: int = 1) -> FlowBuilderInterface:
    """Deploy the team's flows.

    As the team does.

    Args:
        name: What the deployment is for.
        env: Pins the environment.
        size: How large.
    """
    return namer(name=f"{name}-{env}-{size}") | tags_resolver()


@recipe(name="nightly jobs")
def named(text: str = "x") -> FlowBuilderInterface:
    """With a name of its own."""
    return namer(name=text)


def schema_of(made: Recipe) -> dict[str, Any]:
    """The schema from which the Prefect UI makes its form."""
    return made.parameters.model_dump_for_openapi()


def test_a_recipe_is_a_flow() -> None:
    """Its name is the function's, hyphenated, its description the docstring; it can be deployed by its entrypoint."""
    assert isinstance(team_deployer, Flow)
    assert (team_deployer.name, team_deployer.recipe_name) == ("team-deployer", "team_deployer")
    assert str(team_deployer.description).startswith("Deploy the team's flows.\n\nAs the team does.")
    assert team_deployer.summary == "Deploy the team's flows."
    assert team_deployer.entrypoint == f"{__name__}.team_deployer"
    assert team_deployer.isasync


def test_a_recipe_s_flow_may_have_another_name() -> None:
    """The project file asks for the function's name all the same."""
    assert (named.name, named.recipe_name) == ("nightly jobs", "named")


def test_the_form_lists_entries() -> None:
    """The flow's parameter is a list of entries, each with a flow and the recipe's variables, with titles and help."""
    schema = schema_of(team_deployer)
    entry, variables = schema["definitions"]["TeamDeployerEntry"], schema["definitions"]["TeamDeployerVariables"]

    assert schema["required"] == ["deployments"]
    assert schema["properties"]["deployments"]["items"] == {"$ref": "#/definitions/TeamDeployerEntry"}
    assert schema["properties"]["deployments"]["description"] == "The flows to deploy, each with its variables."
    assert entry["required"] == ["flow", "variables"]
    assert entry["properties"]["flow"]["title"] == "Flow"
    assert {name: field["title"] for name, field in variables["properties"].items()} == {
        "name": "Name",
        "env": "Env",
        "size": "Size",
    }
    assert variables["properties"]["size"]["description"] == "How large."


def test_variables_may_be_left_out_where_none_is_needed() -> None:
    """An entry is then its flow alone."""
    assert schema_of(named)["definitions"]["NamedEntry"]["required"] == ["flow"]
    checked: Any = named.entry_model.model_validate({"flow": "flow.py:add"})
    assert checked.variables == named.variables_model()


def test_the_context_is_optional_and_has_titles() -> None:
    """A recipe that is started alone makes its own context; every field of the form has a title."""
    schema = schema_of(team_deployer)
    fields = schema["definitions"]["DeployContext"]["properties"]

    assert schema["properties"]["context"]["default"] is None
    assert all(field.get("title") and field.get("description") for field in fields.values())


@pytest.mark.parametrize("made", [local_run_deployer, decorated_flow_deployer], ids=lambda made: made.name)
def test_the_forms_of_our_own_recipes_have_help(made: Recipe) -> None:
    """Each variable has a title and a help text."""
    fields = made.variables_model.model_json_schema()["properties"]

    assert all(field.get("title") and field.get("description") for field in fields.values())
    assert made.summary.endswith(".")


def test_with_options_gives_a_recipe() -> None:
    """Options of the flow change; the recipe is the same, and the original is untouched."""
    made = team_deployer.with_options(name="patient", retries=3)

    assert type(made) is Recipe
    assert (made.name, made.retries) == ("patient", 3)
    assert (made.recipe_name, made.function) == (team_deployer.recipe_name, team_deployer.function)
    assert made.with_variables(name="x").recipe is made
    assert (team_deployer.name, team_deployer.retries) == ("team-deployer", 0)


def test_a_recipe_survives_cloudpickle() -> None:
    """A process that got it asks it for the same builders."""
    returned: Recipe = sent(team_deployer)

    assert type(returned) is Recipe
    variables = returned.variables_model.model_validate({"name": "x"})
    assert returned.builders(variables, "dev") == (namer(name="x-dev-1"), tags_resolver())


@pytest.mark.parametrize(
    ("variables", "environment", "name", "pinned"),
    [
        pytest.param({}, "dev", "x-dev-1", None, id="the one that is deployed to"),
        pytest.param({}, "prod", "x-prod-1", None, id="whatever it is"),
        pytest.param({"env": None}, "prod", "x-prod-1", None, id="left empty"),
        pytest.param({"env": "prod"}, "dev", "x-prod-1", "prod", id="pinned"),
    ],
)
def test_the_variable_env_gets_the_environment(
    variables: dict[str, Any], environment: str, name: str, pinned: str | None
) -> None:
    """A recipe that takes `env` always gets one: the entry's, else the deploy's."""
    checked = team_deployer.variables_model.model_validate({"name": "x", **variables})

    assert team_deployer.builders(checked, environment)[0] == namer(name=name)
    assert team_deployer.environment(checked) == pinned


def test_a_default_environment_pins_nothing() -> None:
    """`env: str = "dev"` in a recipe does not send a deploy to prod back to dev."""

    @recipe
    def careless(env: str = "dev") -> FlowBuilderInterface:
        return namer(name=env)

    checked = careless.variables_model()
    assert careless.environment(checked) is None
    assert careless.builders(checked, "prod") == (namer(name="prod"),)


def test_a_recipe_without_env_is_not_given_one() -> None:
    """The environment is in the deployment that its builders get."""
    assert named.builders(named.variables_model(), "prod") == (namer(name="x"),)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        pytest.param(None, "returned None, which is no builder", id="forgot to return"),
        pytest.param([namer(name="x")], "returned [namer(", id="a list"),
        pytest.param(KeyError("size"), "KeyError: 'size'", id="raises"),
    ],
)
def test_a_mistake_in_the_function_names_the_recipe(result: Any, message: str) -> None:
    """What an expert's function does wrong is an error, never a traceback."""

    @recipe
    def broken() -> FlowBuilderInterface:
        if isinstance(result, Exception):
            raise result
        return result

    with pytest.raises(BuilderError) as refused:
        broken.builders(broken.variables_model(), "dev")
    assert str(refused.value).startswith(f"recipe broken: {message}")


def test_an_error_of_the_recipe_s_own_stays() -> None:
    """A recipe may refuse its variables in its own words."""

    @recipe
    def picky(size: int) -> FlowBuilderInterface:
        raise RecipeError(f"{size} is too large", hint="Take 9 at most.")

    with pytest.raises(RecipeError, match="10 is too large\n  Take 9 at most"):
        picky.builders(picky.variables_model.model_validate({"size": 10}), "dev")


@flow
def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


@pytest.mark.parametrize(
    ("thing", "what"),
    [pytest.param(add, "the flow 'add'", id="a flow"), pytest.param(versioneer(), "versioneer\\(", id="a builder")],
)
def test_a_recipe_is_no_decorator_without_variables(thing: Any, what: str) -> None:
    """`@team_deployer` above a flow is told at once what to write instead; nothing is run."""
    with pytest.raises(RecipeError, match=f"takes a list of entries, not {what}") as refused:
        team_deployer(thing)
    assert refused.value.hint == "To decorate a flow, write `team_deployer.with_variables(…)`."
