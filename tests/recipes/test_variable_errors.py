"""What an entry with wrong variables is told."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from deployer_flows import local_run_deployer
from meta_prefect.implementations.metadata import namer
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import Recipe, recipe
from meta_prefect.recipes.variables import check_variables

EMPTY: dict[str, Any] = {}


class Limits(BaseModel):
    """A nested variable."""

    model_config = ConfigDict(extra="forbid")

    low: int
    high: int = 9


class Window(BaseModel):
    """Another form of it."""

    model_config = ConfigDict(extra="forbid")

    around: int


@recipe
def team(
    name: str,
    count: int = 1,
    limits: Limits | Window | Literal["none"] = "none",
    many: dict[str, int] = {},  # noqa: B006 - copied by the model
    steps: tuple[Limits, ...] = (),
) -> FlowBuilderInterface:
    """Deploy the team's flows."""
    return namer(name=f"{name}{count}{limits}{many}{steps}")


def told(values: dict[str, Any], of: Recipe = team) -> list[str]:
    """The errors, each with its place in the entry."""
    checked = check_variables(of.variables_model, values, of.recipe_name, lambda *place: "/".join(map(str, place)))
    return [] if isinstance(checked, BaseModel) else [str(error) for error in checked]


def test_variables_that_fit() -> None:
    """The model holds them, in the types of the signature."""
    values = {"name": "x", "limits": {"low": "1"}, "many": {"a": 1}, "steps": [{"low": 1}]}
    checked = check_variables(team.variables_model, values, "team", lambda *_: "")

    assert isinstance(checked, BaseModel)
    assert checked.model_dump()["limits"] == {"low": 1, "high": 9}
    assert checked.model_dump()["steps"] == ({"low": 1, "high": 9},)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            {},
            "variables: the recipe 'team' needs the variable 'name'\n  Add `name:` under `variables:`.",
            id="missing",
        ),
        pytest.param(
            {"name": "x", "cuont": 1},
            "variables/cuont: the recipe 'team' has no variable 'cuont'\n  Did you mean 'count'?",
            id="misspelt",
        ),
        pytest.param(
            {"name": "x", "zzz": 1},
            "variables/zzz: the recipe 'team' has no variable 'zzz'\n  Known: count, limits, many, name, steps.",
            id="unknown",
        ),
        pytest.param(
            {"name": 3},
            'variables/name: Input should be a valid string (got 3)\n  Put it in quotes: "3". Recipe: team.',
            id="wrong type",
        ),
        pytest.param(
            {"name": "x", "many": {"a": "b"}},
            "variables/many/a: Input should be a valid integer, unable to parse string as an integer (got 'b')"
            "\n  Recipe: team.",
            id="in a dictionary",
        ),
        pytest.param(
            {"name": "x", "steps": [EMPTY]}, "variables/steps/0: 'low' is missing (recipe 'team')", id="in a list"
        ),
        pytest.param(
            {"name": "x", "steps": [{"low": 1, "hihg": 2}]},
            "variables/steps/0/hihg: there is no key 'hihg'\n  Did you mean 'high'?",
            id="misspelt, in a list",
        ),
        pytest.param(
            {"name": "x", "limits": {"low": 1, "hihg": 2}},
            "variables/limits/hihg: there is no key 'hihg'\n  Did you mean 'high'?",
            id="misspelt, where several forms are allowed",
        ),
        pytest.param(
            {"name": "x", "limits": 5},
            "variables/limits: Input should be a valid dictionary or instance of Limits; or: Input should be a valid "
            "dictionary or instance of Window; or: Input should be 'none' (got 5)\n  Recipe: team.",
            id="none of several forms",
        ),
    ],
)
def test_variables_that_do_not_fit(values: dict[str, Any], message: str) -> None:
    """The place in the file, the value, and what was probably meant."""
    assert message in told(values)


def test_all_that_is_wrong_is_told() -> None:
    """Each mistake is an error of its own."""
    assert len(told({"count": "many", "zzz": 1})) == 3


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        pytest.param(
            {"rrul": "FREQ=DAILY"},
            "variables/schedule/rrul: there is no key 'rrul'\n  Did you mean 'rrule'?",
            id="a misspelt key of the only schedule",
        ),
        pytest.param(
            [{"cron": "0 9 * * *"}, {"cron": 5}],
            "variables/schedule/1/cron: Input should be a valid string (got 5)\n"
            '  Put it in quotes: "5". Recipe: local_run_deployer.',
            id="the second of two schedules",
        ),
        pytest.param(
            {"cron": "0 9 * * *", "holidays": {"contry": "US"}},
            "variables/schedule/holidays/contry: there is no key 'contry'\n  Did you mean 'country'?",
            id="deep in a schedule",
        ),
    ],
)
def test_schedules(schedule: Any, message: str) -> None:
    """A place is what the user wrote: no index where he wrote no list, no name of a type."""
    assert told({"name": "x", "schedule": schedule}, local_run_deployer) == [message]
