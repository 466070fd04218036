"""Parameters and job variables, checked before anything is written."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from prefect import flow
from pydantic import BaseModel
from values import a_deployment, a_flow

from meta_prefect.interfaces.deployment import Allowed
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.checks import check_job_variables, check_parameters


class Limits(BaseModel):
    """A nested parameter."""

    low: int
    high: int = 9


@flow
def report(count: int, name: str = "a", limits: Limits | None = None, tags: list[str] | None = None) -> None:
    """A flow whose parameters have a schema with definitions."""


SCHEMA = report.parameters.model_dump_for_openapi()


def parameter_errors(**fields: Any) -> list[str]:
    """What is wrong with the parameters of a deployment of that flow."""
    deployment = a_deployment(flow=a_flow(name="report", parameter_schema=SCHEMA), **fields)
    return [str(error) for error in check_parameters(deployment)]


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({}, id="none"),
        pytest.param({"count": 1, "name": "b", "tags": ["x"]}, id="of the right types"),
        pytest.param({"limits": {"low": 1}}, id="a nested one"),
        pytest.param({"limits": None}, id="null, where that is allowed"),
        pytest.param({"name": "select * from {{ table }}"}, id="a template of the flow's own"),
    ],
)
def test_parameters_that_fit(parameters: Record) -> None:
    """Defaults may be left out, and templates that a flow fills itself are left alone."""
    assert parameter_errors(parameters=parameters) == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        pytest.param({"count": "one"}, "count: 'one' is not of type 'integer'", id="wrong type"),
        pytest.param({"count": True}, "count: True is not of type 'integer'", id="true is no number"),
        pytest.param(
            {"coutn": 1}, "the flow has no parameter 'coutn'\n  Did you mean 'count'? {ALLOWED}", id="misspelt"
        ),
        pytest.param(
            {"zzz": 1},
            "the flow has no parameter 'zzz'\n  Known: count, limits, name, tags. {ALLOWED}",
            id="nothing like it",
        ),
        pytest.param({"limits": {"high": 1}}, "limits: 'low' is a required property", id="nested, missing"),
        pytest.param({"limits": {"low": "a"}}, "limits.low: 'a' is not of type 'integer'", id="nested, wrong type"),
    ],
)
def test_parameters_that_do_not_fit(parameters: Record, message: str) -> None:
    """The error names parameter and value, and the parameter that was probably meant."""
    said = message.replace("{ALLOWED}", "`allow: unknown_parameters` lets it through as it is.")
    assert parameter_errors(parameters=parameters) == [f"parameters of report/nightly-dev: {said}"]


def test_parameters_of_schedules() -> None:
    """Prefect never looks at them before the runs fail; the schedule is named."""
    schedules = [Schedule(slug="daily", cron="0 9 * * *", parameters={"count": "one"})]

    assert parameter_errors(schedules=schedules) == [
        "parameters of schedule 'daily' of report/nightly-dev: count: 'one' is not of type 'integer'"
    ]


def test_all_mistakes_are_found() -> None:
    """Each is an error of its own."""
    schedules = [Schedule(slug="daily", cron="0 9 * * *", parameters={"x": 1})]

    assert len(parameter_errors(parameters={"count": "one", "y": 1}, schedules=schedules)) == 3


TEMPLATE: Record = {
    "variables": {
        "type": "object",
        "properties": {
            "env": {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
            "memory": {"type": "integer"},
            "policy": {"$ref": "#/definitions/Policy"},
            "pair": {"type": "array", "items": [{"type": "integer"}, {"type": "integer"}]},
            "lost": {"$ref": "#/definitions/Nowhere"},
        },
        "definitions": {"Policy": {"enum": ["Always", "Never"], "type": "string"}},
    },
    "job_configuration": {},
}


def variable_errors(job_variables: Record, template: Record = TEMPLATE) -> list[str]:
    """What is wrong with job variables."""
    return [str(error) for error in check_job_variables(a_deployment(job_variables=job_variables), template)]


@pytest.mark.parametrize(
    "job_variables",
    [
        pytest.param({}, id="none"),
        pytest.param({"env": {"STAGE": "dev", "PAGER": None}, "memory": 1, "policy": "Never"}, id="of the right types"),
        pytest.param({"env": {"TOKEN": "{{ prefect.blocks.secret.token }}"}}, id="a secret stays a reference"),
        pytest.param({"memory": "{{ prefect.variables.memory }}"}, id="a variable, where a number is meant"),
        pytest.param({"memory": None, "env": None}, id="null, where nothing need be"),
        pytest.param({"memory": {"$ref": {"block_document_id": "x"}}}, id="a block by its id"),
        pytest.param({"pair": [1, 2, 3], "lost": 1}, id="what an old schema says in another way"),
        pytest.param({"env.STAGE": "dev"}, id="a dotted key"),
        pytest.param({"env.STAGE": "dev", "env": {"A": "{{ prefect.variables.a }}"}}, id="dotted and not"),
    ],
)
def test_job_variables_that_fit(job_variables: Record) -> None:
    """What the pool's template knows is accepted, and references are left alone."""
    assert variable_errors(job_variables) == []


@pytest.mark.parametrize(
    ("job_variables", "message"),
    [
        pytest.param({"memory": "big"}, "memory: 'big' is not of type 'integer'", id="wrong type"),
        pytest.param(
            {"env": {"A": 1}},
            "env.A: 1 is not of type 'string'; or: 1 is not of type 'null'",
            id="environment variables are texts",
        ),
        pytest.param({"policy": "Maybe"}, "policy: 'Maybe' is not one of ['Always', 'Never']", id="not in a list"),
        pytest.param(
            {"memroy": 1},
            "work pool 'pool' has no job variable 'memroy'\n  Did you mean 'memory'? {ALLOWED}",
            id="misspelt",
        ),
        pytest.param(
            {"enw.STAGE": "dev"},
            "work pool 'pool' has no job variable 'enw'\n  Did you mean 'env'? {ALLOWED}",
            id="misspelt, dotted",
        ),
        pytest.param(
            {"env.STAGE": 1}, "env.STAGE: 1 is not of type 'string'; or: 1 is not of type 'null'", id="dotted"
        ),
        pytest.param(
            {"env": {"A": "{{ prefect.variables.a }}", "B": 1}},
            "env.B: 1 is not of type 'string'; or: 1 is not of type 'null'",
            id="beside a reference",
        ),
        pytest.param(
            {"env": {"API_TOKEN": 12345}}, "env.API_TOKEN: (hidden) is not what the schema asks for", id="secret"
        ),
        pytest.param(
            {"zzz": "{{ prefect.variables.x }}"},
            "work pool 'pool' has no job variable 'zzz'\n  Known: env, lost, memory, pair, policy. {ALLOWED}",
            id="a reference does not make an unknown one known",
        ),
    ],
)
def test_job_variables_that_do_not_fit(job_variables: Record, message: str) -> None:
    """Prefect ignores unknown job variables without a word; here they are errors."""
    said = message.replace("{ALLOWED}", "`allow: unknown_job_variables` lets it through as it is.")
    assert variable_errors(job_variables) == [f"job variables of add/nightly-dev: {said}"]


def test_what_is_unknown_is_let_through_by_name() -> None:
    """Prefect ignores such job variables, and live deployments have them; values of the wrong kind stay errors."""
    deployment = a_deployment(
        parameters={"zzz": 1}, job_variables={"zzz": 1, "memory": "big"}, allowed=frozenset(get_args(Allowed))
    )
    assert list(check_parameters(deployment)) == []
    (error,) = check_job_variables(deployment, TEMPLATE)
    assert "memory: 'big' is not of type 'integer'" in str(error)


def test_a_pool_without_a_template_says_nothing() -> None:
    """A pool that no worker has served yet has an empty template: there is nothing to check against."""
    assert variable_errors({"image": "python"}, {}) == []


def test_a_template_without_variables_has_none() -> None:
    """A template that declares no variables takes none."""
    assert len(variable_errors({"image": "python"}, {"variables": {}, "job_configuration": {}})) == 1


NEEDY: Record = {
    "variables": {
        "required": ["region", "size"],
        "properties": {"region": {"type": "string"}, "size": {"type": "string", "default": "small"}},
    },
    "job_configuration": {},
}


@pytest.mark.parametrize("variables", [{}, {"size": "big"}])
def test_a_variable_that_the_pool_needs(variables: Record) -> None:
    """One that is required and has no default would fail each run."""
    (error,) = variable_errors(variables, NEEDY)
    assert "work pool 'pool' needs the job variable 'region'" in error
    assert variable_errors({"region": None}, NEEDY) == [
        "job variables of add/nightly-dev: region: None is not of type 'string'"
    ]
    assert variable_errors({"region": "eu"}, NEEDY) == []


def test_what_a_pool_of_somebody_else_lacks() -> None:
    """A variable that our own template would have is named with its place in it; what else is wrong is told as always."""
    additions: Record = {
        "variables": {"properties": {"disk": {"type": "integer"}}},
        "job_configuration": {"task": {"0": {"storage": "{{ disk }}"}}},
    }
    deployment = a_deployment(job_variables={"disk": 30, "memroy": 1})
    errors = [str(error) for error in check_job_variables(deployment, TEMPLATE, additions)]
    assert len(errors) == 2
    assert "the template of work pool 'pool' has no variable 'disk', which the recipe sets" in errors[0]
    assert "`{{ disk }}` to its `job_configuration.task.0.storage`" in errors[0]
    assert "Did you mean 'memory'?" in errors[1]
