"""What the tests of builders for infrastructure have in common."""

from __future__ import annotations

from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.workers.base import BaseJobConfiguration

from meta_prefect.interfaces.components import WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.testing import job_of
from meta_prefect.testing.jobs import configuration_of, template_of


def pool_of(builder: FlowBuilderInterface) -> WorkerPool:
    """The pool that a builder asks for."""
    (pool,) = (one for one in builder.requires if isinstance(one, WorkerPool))
    return pool


def job_made_by(builder: FlowBuilderInterface, deployment: Deployment) -> Record:
    """What a worker would run for a deployment that a builder has updated."""
    return job_of(builder.update_deployment(deployment), pool_of(builder))


def prepared_from(kind: type[BaseJobConfiguration], builder: FlowBuilderInterface, deployment: Deployment) -> Any:
    """A worker's job configuration for a deployment that a builder has updated."""
    variables = builder.update_deployment(deployment).job_variables
    return configuration_of(kind, template_of(pool_of(builder)), variables)


async def read_back(full_name: str) -> tuple[DeploymentResponse, WorkPool]:
    """A deployment and its pool as the server has stored them."""
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(full_name)
        assert deployment.work_pool_name is not None
        return deployment, await client.read_work_pool(deployment.work_pool_name)
