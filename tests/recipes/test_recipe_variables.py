"""From a function's signature to the variables of a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field

from meta_prefect.errors import RecipeError
from meta_prefect.implementations.metadata import namer
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.interfaces.variable_group import VariableGroup
from meta_prefect.recipes import recipe
from meta_prefect.recipes.variables import variables_model

if TYPE_CHECKING:
    from pathlib import Path as UnreadablePath


class Odd:
    """A class that pydantic knows nothing of."""


def team_deployer(  # noqa: D417 - help is optional
    name: str,
    worker_count: int = 2,
    size: Literal["s", "l"] = "s",
    schema: str | None = None,
    copy: bool = False,
) -> FlowBuilderInterface:
    """Deploy the team's flows.

    All of them.

    Args:
        name: What the deployment is for.
        worker_count: How many workers.
            At least one.
        schema: Where tables go.
    """
    return namer(name=f"{name}{worker_count}{size}{schema}{copy}")


def test_the_form() -> None:
    """Annotations and defaults make the fields, names their titles, the docstring their help; no key is ignored."""
    assert variables_model(team_deployer).model_json_schema() == {
        "title": "TeamDeployerVariables",
        "description": "Variables of team_deployer.",
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": {
            "name": {"title": "Name", "description": "What the deployment is for.", "type": "string"},
            "worker_count": {
                "title": "Worker count",
                "description": "How many workers.\nAt least one.",
                "type": "integer",
                "default": 2,
            },
            "size": {"title": "Size", "type": "string", "enum": ["s", "l"], "default": "s"},
            "schema": {
                "title": "Schema",
                "description": "Where tables go.",
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "default": None,
            },
            "copy": {"title": "Copy", "type": "boolean", "default": False},
        },
    }


def test_any_good_name_is_good() -> None:
    """Names that pydantic's models use themselves are no different from others; the function gets what was given."""
    made = recipe(team_deployer)
    (builder,) = made.builders(made.variables_model.model_validate({"name": "x", "schema": "raw", "copy": True}), "dev")

    assert builder == namer(name="x2srawTrue")


def test_an_annotation_may_say_it_itself() -> None:
    """Bounds, title and help of `Annotated[…, Field(…)]` hold."""

    def scaled(
        count: Annotated[int, Field(ge=1, title="Copies", description="How many.")] = 1,
        depth: Annotated[int, Field(le=9)] = 3,
    ) -> FlowBuilderInterface:
        """Scale.

        Args:
            count: Not this text.
            depth: How deep.
        """
        return namer(name=f"{count}{depth}")

    assert variables_model(scaled).model_json_schema()["properties"] == {
        "count": {"title": "Copies", "description": "How many.", "type": "integer", "minimum": 1, "default": 1},
        "depth": {"title": "Depth", "description": "How deep.", "type": "integer", "maximum": 9, "default": 3},
    }


def test_a_recipe_without_variables() -> None:
    """There is nothing to fill in."""

    def plain() -> FlowBuilderInterface:
        return namer(name="plain")

    assert variables_model(plain).model_fields == {}


def takes_args(*names: str) -> Any:
    """Any number of names."""


def takes_kwargs(**names: str) -> Any:
    """Any names."""


def takes_by_position(name: str, /) -> Any:
    """By position only."""


def takes_anything(name) -> Any:  # type: ignore[no-untyped-def] # pyright: ignore[reportUnknownParameterType, reportMissingParameterType]
    """Without annotation."""


def takes_odd(name: Odd) -> Any:
    """Of a class of its own."""


def takes_function(name: Callable[[], int]) -> Any:
    """A function."""


def takes_unreadable(name: UnreadablePath) -> Any:
    """With an annotation that is not there at run time."""


def takes_private(_name: str) -> Any:
    """With a name that begins with an underscore."""


def takes_field(name: str = Field(default="x")) -> Any:
    """With a field for a default."""


REFUSED: dict[Callable[..., Any], str] = {
    takes_args: "takes *names; a recipe names its variables",
    takes_kwargs: "takes **names; a recipe names its variables",
    takes_by_position: "takes 'name' by position only",
    takes_anything: "the variable 'name' has no type annotation\n  Write it as `name: str`",
    takes_odd: "the variable 'name' is of a type that cannot be checked: Unable to generate",
    takes_function: "the variable 'name' has no JSON form: Cannot generate a JsonSchema",
    takes_unreadable: "an annotation cannot be read: name 'UnreadablePath' is not defined\n  Import what",
    takes_private: "Fields must not use names with leading underscores",
    takes_field: "the default of 'name' is a Field, which a plain call",
}


@pytest.mark.parametrize(("function", "message"), REFUSED.items(), ids=lambda it: getattr(it, "__name__", ""))
def test_signatures_that_are_no_list_of_variables(function: Callable[..., Any], message: str) -> None:
    """The decorator says at once what is wrong with which variable of which recipe."""
    with pytest.raises(RecipeError) as refused:
        recipe(function)
    assert str(refused.value).startswith(f"recipe {function.__name__}: {message}")


@dataclass(frozen=True, kw_only=True)
class Team(VariableGroup):
    """Who is behind it.

    Attributes:
        team: The team to ask.
        pager: Its number.
    """

    team: str
    pager: Annotated[str | None, Field(title="Pager number")] = None


@dataclass(frozen=True, kw_only=True)
class OnCall(Team):
    """Who is behind it, at night too.

    Attributes:
        hours: When.
    """

    hours: tuple[int, ...] = (0, 24)


def with_a_group(size: int = 1, *, team: OnCall) -> FlowBuilderInterface:
    """Deploy.

    Args:
        size: How big.
        team: Who is behind it.
    """
    return namer(name=f"{size} {team.team} {team.hours}")


def test_a_group_of_variables() -> None:
    """Each field is a variable with its help and default, the needed ones first; the function gets the group."""
    made = recipe(with_a_group)

    fields = made.variables_model.model_fields
    assert list(fields) == ["team", "size", "pager", "hours"]
    assert (fields["team"].is_required(), fields["team"].description) == (True, "The team to ask.")
    assert (fields["pager"].title, fields["pager"].description) == ("Pager number", "Its number.")
    builder = made.with_variables(team="data", hours=[8, 9])
    assert builder.as_entry() == {"team": "data", "hours": [8, 9]}
    assert builder.single_builders("dev") == (namer(name="1 data (8, 9)"),)


def test_a_group_that_repeats_a_variable() -> None:
    """Which of the two is meant could not be said."""

    def twice(pager: str, more: Team) -> FlowBuilderInterface:
        return namer(name=f"{pager}{more}")

    with pytest.raises(RecipeError, match="takes 'pager' twice: by itself, and in a group of variables"):
        recipe(twice)
