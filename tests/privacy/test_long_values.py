"""However large a value is, and wherever it stands: an error quotes a short piece of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meta_prefect.deploy import validate
from meta_prefect.errors import DeployFailed, MetaPrefectError, ValidationFailed

HUGE = "A1 b" * 20_000
FLOW = 'from prefect import flow\n\n@flow(name="UNIQUE")\ndef work(x: int = 1) -> None: ...\n'
GOOD: dict[str, Any] = {"recipe": "local_run_deployer", "variables": {"name": "good"}}


def entry(**changes: Any) -> dict[str, Any]:
    """A project of one entry."""
    return {"project": "UNIQUE", "deployments": {"UNIQUE": [{**GOOD, **changes}]}}


def variables(**given: Any) -> dict[str, Any]:
    """A project of one entry with these variables."""
    return entry(variables={"name": "good", **given})


PROJECTS: dict[str, Any] = {
    "a key": {**entry(), HUGE: 1},
    "the project's name": {**entry(), "project": HUGE},
    "a recipe module": {**entry(), "recipes": [HUGE]},
    "recipe modules": {**entry(), "recipes": HUGE},
    "patterns": {**entry(), "flows": {HUGE: HUGE}},
    "a flow": {"project": "UNIQUE", "deployments": {HUGE: [GOOD]}},
    "no entries": {"project": "UNIQUE", "deployments": {"UNIQUE": HUGE}},
    "a key of an entry": entry(**{HUGE: 1}),
    "a recipe": entry(recipe=HUGE),
    "a recipe's path": entry(recipe=f"os.{'a' * 100_000}"),
    "an entrypoint": entry(entrypoint=HUGE),
    "a file": entry(entrypoint=f"{'a' * 100_000}.py:work"),
    "a function": entry(entrypoint=f"flow.py:{'a' * 100_000}"),
    "environments": entry(environments=HUGE),
    "variables": entry(variables=HUGE),
    "an unknown variable": variables(**{HUGE: 1}),
    "a variable of another type": variables(unique=HUGE),
    "a deployment's name": variables(name=f"{HUGE}/"),
    "a schedule": variables(schedule=HUGE),
    "an rrule": variables(schedule={"rrule": f"FREQ=DAILY;{HUGE}"}),
    "a cron expression": variables(schedule={"cron": f"{HUGE} * * * *"}),
    "an interval": variables(schedule={"interval": HUGE}),
    "a time zone": variables(schedule={"cron": "0 9 * * *", "timezone": HUGE}),
    "a country": variables(schedule={"cron": "0 9 * * *", "holidays": HUGE}),
    "a calendar file": variables(schedule={"cron": "0 9 * * *", "holidays": {"ics": HUGE}}),
    "a calendar": variables(schedule={"cron": "0 9 * * *", "holidays": {"python": f"{HUGE}:x"}}),
    "a key of a schedule": variables(schedule={"cron": "0 9 * * *", HUGE: 1}),
}


@pytest.mark.parametrize("written", PROJECTS.values(), ids=PROJECTS.keys())
def test_no_error_of_a_project_is_long(project: Callable[..., Path], written: Any) -> None:
    """Its message, place and hint together are what somebody can read."""
    root = project(**{"flow.py": FLOW, "meta_prefect.yaml": json.dumps(written)})

    with pytest.raises((ValidationFailed, DeployFailed, MetaPrefectError)) as refused:
        validate((str(root),))

    errors = getattr(refused.value, "errors", (refused.value,))
    assert errors
    assert max(len(str(error)) for error in errors) < 3000
