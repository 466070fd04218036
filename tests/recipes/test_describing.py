"""What the command line and editors can know about recipes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from deployer_flows import (
    decorated_flow_deployer,
    docker_run_deployer,
    ecs_run_deployer,
    kubernetes_run_deployer,
    local_run_deployer,
    process_run_deployer,
)
from meta_prefect.recipes import Recipe
from meta_prefect.recipes.describing import describe, project_schema

SCHEMA = project_schema([local_run_deployer, decorated_flow_deployer])


def test_a_recipe_is_described_for_whoever_wants_to_use_it() -> None:
    """Its variables with type, default and help, its chain and an example are there."""
    told = describe(local_run_deployer)
    variables = {variable.name: variable for variable in told.variables}

    assert told.origin == "deployer_flows.local_run.local_run_deployer"
    assert variables["name"].required
    assert variables["unique"].type == "boolean"
    assert variables["unique"].help.startswith("Whether only one run happens at a time")
    assert told.builders[:2] == ("name", "describe")
    assert told.example.startswith("- recipe: local_run_deployer")


@pytest.mark.parametrize(
    "recipe", [docker_run_deployer, ecs_run_deployer, kubernetes_run_deployer, process_run_deployer]
)
def test_the_builders_of_every_recipe_are_told(recipe: Recipe) -> None:
    """Required variables have an example that the recipe takes, so that its chain and its entry can be shown."""
    told = describe(recipe)

    assert any(step.startswith("run ") for step in told.builders)
    assert yaml.safe_load(told.example)[0]["variables"].keys() == {one.name for one in told.variables if one.required}


def entry(**variables: Any) -> dict[str, Any]:
    """A project file with one entry."""
    return {"deployments": {"etl": [{"recipe": "local_run_deployer", "variables": variables}]}}


@pytest.mark.parametrize(
    ("file", "is_valid"),
    [
        pytest.param(entry(name="nightly"), True, id="sound"),
        pytest.param(entry(name="nightly", schedule=[{"cron": "0 9 * * *"}]), True, id="with a schedule"),
        pytest.param(entry(name="nightly", schedule="0 9 * * 1-5"), True, id="a schedule in short"),
        pytest.param(entry(name="nightly", schedules=["every hour", {"cron": "@daily"}]), True, id="several schedules"),
        pytest.param(
            entry(
                name="nightly",
                schedules={
                    "interval": "every 15 minutes",
                    "holidays": [
                        {"country": "BR", "categories": "optional", "excepted_dates": "2026-12-24"},
                        {"extra_dates": ["2026-11-27", {"2026-12-31": "Inventory"}]},
                    ],
                    "on_holiday": "previous_business_day",
                    "freeze": "2026-12-20 to 2027-01-03",
                },
            ),
            True,
            id="one schedule with everything in short",
        ),
        pytest.param(
            entry(name="nightly", schedules=[{"interval": 900, "freeze": ["2026-12-24", {"from": "a", "to": "b"}]}]),
            True,
            id="short forms in a list",
        ),
        pytest.param(
            entry(
                name="nightly",
                name_pattern="{env}-{name}",
                tags="team",
                holidays=["DE", {"market": "NYSE"}],
                concurrency_limit=3,
                pull={"prefect.deployments.steps.run_shell_script": {"script": "make"}},
                triggers={"expect": "orders.placed", "match_related": {"prefect.resource.role": "shop"}, "within": 60},
            ),
            True,
            id="what all recipes have, in short",
        ),
        pytest.param(
            entry(
                name="nightly",
                concurrency_limit={"limit": 3, "collision_strategy": "CANCEL_NEW"},
                triggers=[{"type": "sequence", "triggers": [{"expect": ["a"]}, {"expect": ["b"]}], "within": "1 hour"}],
            ),
            True,
            id="what all recipes have, in full",
        ),
        pytest.param(entry(name="nightly", concurrency_limit={"most": 3}), False, id="a limit has no such key"),
        pytest.param(entry(name="nightly", triggers={"posture": "Lazy"}), False, id="a trigger has no such posture"),
        pytest.param(
            entry(name="nightly", schedules=[{"cron": "@daily", "zone": "UTC"}]), False, id="a field is unknown"
        ),
        pytest.param(entry(name="nightly", schedule={"on_holiday": "jump"}), False, id="a choice is unknown"),
        pytest.param(entry(name="nightly", schedule={"freeze": 3}), False, id="a freeze is a number"),
        pytest.param(entry(), False, id="a variable is missing"),
        pytest.param(entry(name="nightly", shedule="x"), False, id="a variable is unknown"),
        pytest.param({"deployment": {}}, False, id="a key is unknown"),
    ],
)
def test_editors_know_the_variables_of_each_recipe(file: dict[str, Any], is_valid: bool) -> None:
    """The schema of the project file accepts what the recipe accepts, and refuses what it refuses."""
    Draft202012Validator.check_schema(SCHEMA)
    validator: Any = Draft202012Validator(SCHEMA)
    assert validator.is_valid(file) == is_valid
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_editors_explain_schedules_under_both_names() -> None:
    """``schedule`` and ``schedules`` complete the same typed fields; forms in the UI keep to one name and the full form."""
    properties = SCHEMA["$defs"]["local_run_deployer variables"]["properties"]
    full, text = SCHEMA["$defs"]["ScheduleSpec"]["anyOf"]
    form = local_run_deployer.variables_model.model_json_schema()

    assert properties["schedules"] == properties["schedule"]
    assert {"$ref": "#/$defs/ScheduleSpec"} in properties["schedule"]["anyOf"]
    assert {"rrule", "cron", "interval", "timezone", "holidays", "on_holiday", "freeze"} <= full["properties"].keys()
    assert text == {"type": "string"}
    assert "schedules" not in form["properties"]
    assert form["$defs"]["ScheduleSpec"]["type"] == "object"
