"""The job that Prefect's own workers would submit, prepared by their own classes."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import Flow, FlowRun, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.workers.base import BaseJobConfiguration

from meta_prefect.interfaces.components import WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.interfaces.json_diff import Record


async def template_of(builder: FlowBuilderInterface) -> Record:
    """The template of a builder's pool, made from Prefect's own."""
    from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

    class PrefectsTemplates:
        async def base_job_template(self, worker_type: str) -> Any:
            return await get_default_base_job_template_for_infrastructure_type(worker_type)

    (pool,) = (one for one in builder.requires if isinstance(one, WorkerPool))
    api: Any = PrefectsTemplates()
    return await pool.template_to_be(api, None)


def prepared(kind: type[BaseJobConfiguration], template: Record, job_variables: Record) -> Any:
    """A worker's job configuration for a run of a deployment with these job variables."""

    async def prepare() -> Any:
        async with get_client() as client:
            configuration = await kind.from_template_and_values(template, job_variables, client=client)
        run = FlowRun(id=uuid.uuid4(), flow_id=uuid.uuid4(), name="a-run")
        flow = Flow(id=run.flow_id, name="add", labels={})
        configuration.prepare_for_flow_run(run, flow=flow, worker_name="w")
        return configuration

    return asyncio.run(prepare())


def prepared_from(kind: type[BaseJobConfiguration], builder: FlowBuilderInterface, deployment: Deployment) -> Any:
    """A worker's job configuration for a deployment that a builder has updated."""
    made = builder.update_deployment(deployment)
    return prepared(kind, asyncio.run(template_of(builder)), made.job_variables)


async def read_back(full_name: str) -> tuple[DeploymentResponse, WorkPool]:
    """A deployment and its pool as the server has stored them."""
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(full_name)
        assert deployment.work_pool_name is not None
        return deployment, await client.read_work_pool(deployment.work_pool_name)
