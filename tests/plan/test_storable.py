"""What cannot travel as JSON is refused before anything is written."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import FakeHost
from pydantic import BaseModel, SecretBytes, SecretStr
from values import a_deployment, a_draft, a_flow

from meta_prefect.flows.parameters import parameter_form
from meta_prefect.interfaces.schedules import Schedule

INFINITE = a_flow(parameter_schema={"properties": {"x": {"type": "number", "default": float("inf")}}})


PASSWORD = SecretStr("hunter2")


def defaults(password: SecretStr = PASSWORD, empty: SecretBytes | None = None) -> None:
    """A flow's function."""


class Login(BaseModel):
    """A parameter's type."""

    password: SecretStr = PASSWORD


def nested(login: Login, name: str = "*****") -> None:
    """Another one's."""


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
    "a secret as the flow's default": (
        {"flow": a_flow(parameter_schema=parameter_form(defaults))},
        "parameter schema.properties.password.default: the flow's default is a secret",
    ),
    "a secret in a default of a parameter's type": (
        {"flow": a_flow(parameter_schema=parameter_form(nested))},
        "parameter schema.definitions.Login.properties.password.default: the flow's default is a secret",
    ),
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


def test_a_secret_default_that_the_deployment_replaces_is_never_sent() -> None:
    """The run form begins with the deployment's own value, here a reference to a block."""
    draft = a_draft()
    flow = a_flow(parameter_schema=parameter_form(defaults))
    draft.deployment = a_deployment(flow=flow, parameters={"password": {"$ref": {"block_document_id": "1"}}})
    draft.complete(FakeHost())

    assert draft.errors == []
