"""Processes: what Prefect's own worker class makes of a deployment, without starting any."""

from __future__ import annotations

import pytest
from infra.job_configurations import job_made_by, pool_of
from values import a_deployment

from meta_prefect.implementations.infra import local_process, process
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.plan.checks import check_job_variables
from meta_prefect.testing.jobs import template_of


@pytest.mark.parametrize(
    ("builder", "env"),
    [
        pytest.param(process(work_pool="team", env={"STAGE": "blue"}), {"STAGE": "blue"}, id="shared"),
        pytest.param(local_process(), {}, id="local"),
    ],
)
def test_every_field_arrives(builder: FlowBuilderInterface, env: dict[str, str]) -> None:
    """The process that the worker starts has the environment and the variables, and Prefect's own command."""
    assert set(process.model_fields) == {"work_pool", "env"}, "each field has its place in this test"
    assert set(local_process.model_fields) == set()
    made = job_made_by(builder, a_deployment(environment="prod"))
    assert made["env"] | {"META_PREFECT__ENV": "prod", **env} == made["env"]
    assert made["command"] == "python -m prefect.engine"


def test_every_job_variable_fits_the_template() -> None:
    """What the builder sets is declared by the pool's template, with the right type."""
    builder = process(work_pool="team", env={"STAGE": "blue"})
    template = template_of(pool_of(builder))
    assert list(check_job_variables(builder.update_deployment(a_deployment()), template)) == []
