"""Templates where nothing resolves them: `prefect deploy` would have filled them, a deploy here stores what is written."""

from __future__ import annotations

from typing import Any

import pytest
from values import a_deployment

from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.placeholders import misplaced_templates


def told(**fields: Any) -> list[str]:
    """What is said of the templates in a deployment."""
    return [str(error) for error in misplaced_templates(a_deployment(**fields))]


@pytest.mark.parametrize(
    ("fields", "place", "instead"),
    [
        pytest.param({"parameters": {"a": "{{ $BUCKET }}"}}, "parameters.a", "`os.environ['BUCKET']`", id="variable"),
        pytest.param(
            {"parameters": {"a": {"b": ["x", "{{prefect.variables.region}}"]}}},
            "parameters.a.b.1",
            "`Variable.get('region')`",
            id="prefect's variable",
        ),
        pytest.param(
            {"parameters": {"a": "{{ prefect.blocks.secret.my-token }}"}},
            "parameters.a",
            "`Secret.load('my-token').get()`",
            id="secret",
        ),
        pytest.param(
            {"parameters": {"a": "{{ prefect.blocks.s3-bucket.data.path }}"}},
            "parameters.a",
            "`load('data')` of the block's",
            id="block",
        ),
        pytest.param(
            {"parameters": {"a": "{{ commit.stdout }}"}}, "parameters.a", "Write the value itself", id="output"
        ),
        pytest.param(
            {"schedules": [Schedule(slug="s", cron="0 9 * * *", parameters={"a": "{{ $A }}"})]},
            "parameters of schedule 's'.a",
            "os.environ",
            id="schedule",
        ),
        pytest.param(
            {"job_variables": {"env": {"TOKEN": "{{ $MY_TOKEN }}"}}},
            "job_variables.env.TOKEN",
            "`{{ prefect.blocks.secret.NAME }}` for a secret",
            id="job variable",
        ),
        pytest.param(
            {"job_variables": {"image": "{{ build-image.image }}"}},
            "job_variables.image",
            "`image: NAME` and `build:`",
            id="image",
        ),
        pytest.param(
            {"job_variables": {"x": "v{{ build_image.tag }}"}}, "job_variables.x", "`build:`", id="part of a text"
        ),
        pytest.param(
            {"job_variables": {"x": "{{ any.thing }}"}}, "job_variables.x", "Write the value itself", id="any output"
        ),
        pytest.param({"tags": ["{{ $TEAM }}"]}, "tags.0", "`$env:TEAM` as the whole value", id="tag"),
        pytest.param({"parameters": {"a": "$env:A"}}, "parameters.a", "in the project file", id="of the project file"),
        pytest.param(
            {"tags": ["x-${env:A}"]}, "tags.0", "`${env:A}` within one", id="of the project file, within a text"
        ),
        pytest.param({"version": "{{ get-commit-hash.stdout }}"}, "version", "write the text itself", id="version"),
        pytest.param({"work_pool_name": "{{ $POOL }}"}, "work_pool_name", "write the text itself", id="pool"),
        pytest.param({"description": " {{ $TEXT }}"}, "description", "write the text itself", id="description"),
        pytest.param(
            {"pull_steps": [{"s.clone": {"id": "clone"}}, {"s.cd": {"directory": "{{ clnoe.directory }}"}}]},
            "pull_steps[1].s.cd.directory",
            "Did you mean 'clone'?",
            id="no such step",
        ),
        pytest.param(
            {"pull_steps": [{"s.cd": {"id": "cd", "directory": "{{ cd.directory }}"}}]},
            "pull_steps[0].s.cd.directory",
            "No pull step before it has the id 'cd'",
            id="no step before",
        ),
    ],
)
def test_what_nothing_resolves(fields: dict[str, Any], place: str, instead: str) -> None:
    """The error names the place and what to write there instead."""
    (error,) = told(**fields)
    assert error.startswith(f"deployment add/nightly-dev: {place}: ")
    assert instead in error


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(
            {"parameters": {"sql": "select {{ column }} from {{ schema.table }}"}}, id="the flow's own template"
        ),
        pytest.param({"parameters": {"a": 1, "b": None, "c": "{{", "d": "see $env:A or $A"}}, id="none"),
        pytest.param({"job_variables": {"env": {"A": "{{ prefect.blocks.secret.a }}"}}}, id="a block"),
        pytest.param({"job_variables": {"size": "{{ prefect.variables.size }}"}}, id="a variable"),
        pytest.param({"job_variables": {"name": "{{ $HOST }}-{{ ctx.flow_run.name }}"}}, id="the job's name"),
        pytest.param({"job_variables": {"labels": {"run": "{{ flow_run.name }}"}}}, id="of the run"),
        pytest.param(
            {
                "pull_steps": [
                    {"s.clone": {"id": "clone", "token": "{{ $T }}"}},
                    {"s.cd": {"directory": "{{ clone.directory }}"}},
                ]
            },
            id="steps",
        ),
        pytest.param({"description": "Set `{{ $VAR }}` in the file."}, id="a docstring about templates"),
    ],
)
def test_what_is_resolved_in_a_run(fields: dict[str, Any]) -> None:
    """What Prefect, a worker or the flow itself fills stays as it is."""
    assert told(**fields) == []
