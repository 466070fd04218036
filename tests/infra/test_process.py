"""Processes: what Prefect's own worker class makes of a deployment, without starting any."""

from __future__ import annotations

import asyncio

import pytest
from infra.job_configurations import prepared_from, template_of
from prefect.workers.process import ProcessJobConfiguration
from support import Api
from values import a_deployment

from meta_prefect.implementations.infra import local_process, process
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.plan.checks import check_job_variables


@pytest.mark.parametrize(
    ("builder", "env"),
    [
        pytest.param(process(work_pool="team", env={"STAGE": "blue"}), {"STAGE": "blue"}, id="shared"),
        pytest.param(local_process(), {}, id="local"),
    ],
)
def test_every_field_arrives(server: Api, builder: FlowBuilderInterface, env: dict[str, str]) -> None:
    """The process that the worker starts has the environment and the variables, and Prefect's own command."""
    assert set(process.model_fields) == {"work_pool", "env"}, "each field has its place in this test"
    assert set(local_process.model_fields) == set()
    configuration = prepared_from(ProcessJobConfiguration, builder, a_deployment(environment="prod"))
    assert configuration.env | {"META_PREFECT__ENV": "prod", **env} == configuration.env
    assert configuration.command.endswith("-m prefect.engine")


def test_every_job_variable_fits_the_template() -> None:
    """What the builder sets is declared by the pool's template, with the right type."""
    builder = process(work_pool="team", env={"STAGE": "blue"})
    template = asyncio.run(template_of(builder))
    assert list(check_job_variables(builder.update_deployment(a_deployment()), template)) == []
