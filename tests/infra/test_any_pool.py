"""A work pool of whatever type: what the builder makes of a deployment, and what it needs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from values import a_deployment

from meta_prefect.implementations.code.source import CODE_IN_IMAGE
from meta_prefect.implementations.infra import docker, ecs, kubernetes, process, work_pool
from meta_prefect.interfaces.components import Worker, WorkerPool
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

FOLDER = [{"prefect.deployments.steps.set_working_directory": {"directory": "/srv/shop"}}]


def test_every_field_arrives() -> None:
    """Pool, queue and job variables reach the deployment; `env` adds up, other variables replace those of inner builders."""
    assert set(work_pool.model_fields) == {"name", "type", "queue", "job_variables"}, "each has its place in this test"
    builder = work_pool(name="p", queue="high", job_variables={"memory": "2Gi", "env": {"B": "2"}})
    made = builder.update_deployment(
        a_deployment(work_pool_name=None, job_variables={"memory": "1Gi", "cpu": 1, "env": {"A": "1", "B": "1"}})
    )
    assert (made.work_pool_name, made.work_queue_name) == ("p", "high")
    assert made.job_variables == {"memory": "2Gi", "cpu": 1, "env": {"A": "1", "B": "2"}, "meta_env": "dev"}
    assert work_pool(name="p").update_deployment(a_deployment(work_queue_name="mine")).work_queue_name == "mine"


@pytest.mark.parametrize(
    ("variables", "given", "expected"),
    [
        pytest.param({}, [], FOLDER, id="the project's folder"),
        pytest.param({"image": "shop:1"}, [], CODE_IN_IMAGE, id="the image"),
        pytest.param({"image": "shop:1"}, FOLDER, FOLDER, id="as an inner builder has said"),
    ],
)
def test_where_the_code_is(variables: dict[str, Any], given: list[Any], expected: list[Any]) -> None:
    """What an inner builder says counts, then the image, then the folder."""
    made = work_pool(name="p", job_variables=variables).update_deployment(a_deployment(pull_steps=given))
    assert made.pull_steps == expected


def test_a_pool_as_it_is_is_not_asked_for() -> None:
    """Without a type the pool is nobody's to make: only its worker is looked for, of whatever type."""
    assert list(work_pool(name="p").requires) == [Worker(pool="p", type=None, elsewhere=True)]


@pytest.mark.parametrize(
    "builder",
    [process(work_pool="p"), kubernetes(work_pool="p"), ecs(work_pool="p"), docker(work_pool="p")],
    ids=lambda builder: type(builder).__name__,
)
def test_with_a_type_it_is_the_pool_of_that_type_s_builder(builder: FlowBuilderInterface) -> None:
    """Deployments of both share the pool without a conflict."""
    pool, _ = required = list(builder.requires)
    assert isinstance(pool, WorkerPool)
    assert list(work_pool(name="p", type=pool.type).requires) == required


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "a/b"}, {"name": "p", "queue": ""}, {"name": "p", "type": ""}]
)
def test_names_that_are_none(wrong: dict[str, str]) -> None:
    """They are refused where they are written."""
    with pytest.raises(ValidationError):
        work_pool.model_validate(wrong)
