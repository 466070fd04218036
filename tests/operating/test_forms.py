"""What a run form offers."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from prefect import Flow, flow
from pydantic import BaseModel, Field
from values import a_deployment, a_flow

from deployer_flows import check_drift, deploy_project, hold, prune, rollback
from meta_prefect.errors import BuilderError
from meta_prefect.flows.parameters import parameter_form
from meta_prefect.implementations.run_settings import run_form

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "stage": {"title": "Stage", "anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "position": 0},
        "secret": {"title": "Inner", "allOf": [{"$ref": "#/definitions/Inner"}]},
        "size": {"title": "Size", "type": "integer"},
        "limit": {"title": "Limit", "anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}], "default": None},
    },
    "required": ["secret", "size"],
    "definitions": {"Inner": {"properties": {"x": {"$ref": "#/definitions/Deep"}}}, "Deep": {}, "Kept": {}},
}


def test_choices_and_hidden_parameters() -> None:
    """A text becomes a choice whose first value is filled in, an optional number a plain field; what is hidden is gone."""
    deployment = a_deployment(flow=a_flow(parameter_schema=SCHEMA), parameters={})
    builder = run_form(choices={"stage": ("dev", "prod")}, help={"stage": "Where."}, hidden=("secret",))

    made = builder.update_deployment(deployment.private_copy())

    assert made.form["properties"] == {
        "stage": {
            "title": "Stage",
            "position": 0,
            "type": "string",
            "enum": ["dev", "prod"],
            "default": "dev",
            "description": "Where.",
        },
        "size": {"title": "Size", "type": "integer"},
        "limit": {"title": "Limit", "type": "integer", "minimum": 0},
    }
    assert made.form["required"] == ["size"]
    assert made.form["definitions"] == {}
    assert made.parameters == {"stage": "dev"}
    assert made.open_parameters == ("size",)
    assert deployment.form == SCHEMA


def test_an_unknown_parameter_is_named() -> None:
    """A form cannot hide what the flow does not take."""
    with pytest.raises(BuilderError, match="no parameter 'stag'"):
        run_form(hidden=("stag",)).update_deployment(a_deployment(flow=a_flow(parameter_schema=SCHEMA)))


def test_suggestions_leave_the_field_open() -> None:
    """A list of texts is chosen from what is suggested, or typed; it stays optional."""
    names: dict[str, Any] = {
        "title": "Names",
        "description": "Which.",
        "type": "array",
        "items": {"type": "string"},
        "default": [],
    }
    flow = a_flow(parameter_schema={"type": "object", "properties": {"names": names}, "required": []})

    made = run_form(suggestions={"names": ("load", "report")}).update_deployment(a_deployment(flow=flow))

    assert made.form["properties"]["names"] == {
        "title": "Names",
        "description": "Which.",
        "anyOf": [
            {"title": "Choose", "type": "array", "items": {"type": "string", "enum": ["load", "report"]}},
            {"title": "Type", "type": "array", "items": {"type": "string"}},
        ],
    }
    assert made.open_parameters == ()


class Inner(BaseModel):
    """A nested model."""

    x: int = Field(title="An x")


@flow
def described(
    count: Annotated[int, Field(title="How many", description="At least one.")] = 1,
    inner: Inner | None = None,
    plain: str = "x",
) -> None:
    """Do something.

    Args:
        count: Told by the annotation too.
        inner: Nested.
        plain: Told in the docstring.
    """


def test_annotations_say_what_the_form_shows() -> None:
    """Titles and help texts of annotations, which Prefect drops, are shown; docstrings still count."""
    form = parameter_form(described.fn)["properties"]

    assert (form["count"]["title"], form["count"]["description"]) == ("How many", "At least one.")
    assert form["count"]["default"] == 1
    assert (form["plain"]["title"], form["plain"]["description"]) == ("plain", "Told in the docstring.")


@pytest.mark.parametrize("deployed", [deploy_project, check_drift, prune, rollback, hold], ids=lambda one: one.name)
def test_no_field_of_the_deployer_is_free_json(deployed: Flow[..., Any]) -> None:
    """Each is a text, a number, a switch, a choice, or a list of texts, which both UIs show as fields of their own."""
    form = parameter_form(deployed.fn)

    assert not form.get("definitions")
    for name, field in form["properties"].items():
        (kind,) = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
        item = kind["items"] if kind["type"] == "array" else kind
        assert item["type"] in ("string", "integer", "boolean"), name
