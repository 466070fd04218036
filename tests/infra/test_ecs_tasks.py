"""ECS tasks: what Prefect's own worker registers and runs for a deployment, on a double of Amazon's API."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Generator
from typing import Any, cast

import httpx
import pytest
from infra.job_configurations import read_back
from prefect.client.schemas.objects import FlowRun
from prefect_aws.workers.ecs_worker import ECSJobConfiguration, ECSWorker  # pyright: ignore[reportMissingTypeStubs]
from support import Api, wait_until

from meta_prefect.deploy import deploy
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.testing.jobs import configuration_of

ROLE = "arn:aws:iam::123456789012:role"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop"

PROJECT = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: deployer_flows.ecs_run.ecs_run_deployer
          variables:
            name: nightly
            image: registry.example/shop:1.4.2
            cpu: 0.5
            memory: 1
            cluster: shop
            execution_role: arn:aws:iam::123456789012:role/ecs
            env_vars:
              STAGE: blue
            secrets:
              TOKEN: arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop
"""

FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def add(x: int = 1, y: int = 2) -> int:
        return x + y
"""


@pytest.fixture(scope="module")
def aws() -> Generator[str]:
    """A double of Amazon's API on loopback, with the cluster `shop`; returns its address."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = {"AWS_ACCESS_KEY_ID": "shop", "AWS_SECRET_ACCESS_KEY": "shop", "AWS_DEFAULT_REGION": "eu-central-1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **settings},
    )

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/moto-api/data.json").is_success
        except httpx.TransportError:
            return False

    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**settings, "AWS_ENDPOINT_URL": url}.items():
            environment.setenv(name, value)
        try:
            wait_until(answers, what="the double of AWS answers", seconds=60)
            client("ecs").create_cluster(clusterName="shop")
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


def client(service: str) -> Any:
    """A client of Amazon's API."""
    import boto3  # pyright: ignore[reportMissingTypeStubs]

    return cast("Any", boto3).client(service)


async def run_by_the_worker(configuration: ECSJobConfiguration, pool: str) -> str:
    """Let Prefect's worker start a task for a run; returns the task's identifier."""
    run = FlowRun(id=uuid.uuid4(), flow_id=uuid.uuid4(), name="a-run")
    async with ECSWorker(work_pool_name=pool, create_pool_if_not_found=False) as worker:
        result = await worker.run(run, configuration)
        return result.identifier


def test_the_worker_registers_the_task_definition_that_was_asked_for(
    server: Api, aws: str, project: Any, unique: str
) -> None:
    """From the project file to Amazon's API: the deployed flow's task has the CPU, memory, image, role, secrets and variables."""
    pool = f"ecs-{unique}"
    deploy([str(project(flow=FLOW, **{"meta_prefect.yaml": f"{PROJECT.rstrip()}\n            work_pool: {pool}\n"}))])
    deployment, stored = asyncio.run(read_back(f"{unique}/nightly-dev"))
    assert deployment.work_pool_name == pool
    configuration = configuration_of(ECSJobConfiguration, stored.base_job_template, deployment.job_variables or {})

    cluster, _, task = asyncio.run(run_by_the_worker(configuration, pool)).partition("::")
    assert cluster == "shop"

    (started,) = client("ecs").describe_tasks(cluster="shop", tasks=[task])["tasks"]
    definition: Record = client("ecs").describe_task_definition(taskDefinition=started["taskDefinitionArn"])[
        "taskDefinition"
    ]
    assert (definition["cpu"], definition["memory"]) == ("512", "1024")
    assert definition["executionRoleArn"] == f"{ROLE}/ecs"
    assert definition["requiresCompatibilities"] == ["FARGATE"]
    (container,) = definition["containerDefinitions"]
    assert container["image"] == "registry.example/shop:1.4.2"
    assert container["secrets"] == [{"name": "TOKEN", "valueFrom": SECRET}]
    (override,) = started["overrides"]["containerOverrides"]
    env = {one["name"]: one["value"] for one in override["environment"]}
    assert env | {"META_PREFECT__ENV": "dev", "STAGE": "blue"} == env
    assert override["command"] == ["prefect", "flow-run", "execute"]
