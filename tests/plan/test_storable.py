"""What cannot travel as JSON is refused before anything is written."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import FakeHost
from pydantic import SecretStr
from values import a_deployment, a_draft, a_flow

from meta_prefect.interfaces.schedules import Schedule

INFINITE = a_flow(parameter_schema={"properties": {"x": {"type": "number", "default": float("inf")}}})
ANYTHING = a_flow(parameter_schema={"properties": {"x": {}}})

UNSTORABLE: dict[str, tuple[dict[str, Any], str]] = {
    "infinity": ({"parameters": {"x": float("inf")}}, "parameters.x: inf cannot be stored"),
    "not a number": (
        {"job_variables": {"limits": [1.0, float("nan")]}},
        "job_variables.limits[1]: nan cannot be stored",
    ),
    "a secret": ({"parameters": {"x": SecretStr("hunter2")}}, "parameters.x: a SecretStr would be stored as asterisks"),
    "a nested secret": (
        {"parameters": {"x": {"token": [SecretStr("hunter2")]}}},
        "parameters.x.token[0]: a SecretStr would be stored as asterisks",
    ),
    "a schedule's": (
        {"schedules": [Schedule(slug="s", cron="0 3 * * *", parameters={"x": float("-inf")})]},
        "parameters of schedule 's'.x: -inf cannot be stored",
    ),
    "a default of the flow": ({"flow": INFINITE}, "the flow's default inf cannot be stored"),
}


@pytest.mark.parametrize(("fields", "said"), UNSTORABLE.values(), ids=UNSTORABLE.keys())
def test_what_json_cannot_hold_is_refused_with_its_place(fields: dict[str, Any], said: str) -> None:
    """One sentence per value, which names its place and never the secret."""
    draft = a_draft()
    draft.deployment = a_deployment(**{"flow": ANYTHING, **fields})
    draft.complete(FakeHost())

    (error,) = draft.errors
    assert said in str(error)
    assert "hunter2" not in str(error)
