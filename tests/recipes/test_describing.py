"""What the command line and editors can know about recipes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from deployer_flows import decorated_flow_deployer, local_run_deployer
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


def entry(**variables: Any) -> dict[str, Any]:
    """A project file with one entry."""
    return {"deployments": {"etl": [{"recipe": "local_run_deployer", "variables": variables}]}}


@pytest.mark.parametrize(
    ("file", "is_valid"),
    [
        pytest.param(entry(name="nightly"), True, id="sound"),
        pytest.param(entry(name="nightly", schedule=[{"cron": "0 9 * * *"}]), True, id="with a schedule"),
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
