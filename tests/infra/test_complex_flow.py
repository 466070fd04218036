"""The README's flow for EKS, Dask and S3, from its decorators to the job that runs in the cluster."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from infra.job_configurations import read_back
from prefect_kubernetes.worker import (  # pyright: ignore[reportMissingTypeStubs]
    KubernetesWorkerJobConfiguration,
)
from support import Api

from meta_prefect.deploy import deploy
from meta_prefect.errors import ValidationFailed
from meta_prefect.testing.jobs import configuration_of

FLOW = """
    import os

    from meta_prefect.implementations.infra import eks as kubernetes
    from meta_prefect.implementations.metadata import namer, tags_resolver, versioneer
    from meta_prefect.implementations.filesystem import S3Filesystem
    from meta_prefect.implementations.task_runner import dask_k8s as dask
    from prefect import flow, get_run_logger

    flow = versioneer(strategy="content")(tags_resolver())(flow)

    @namer(name="nightly")
    @kubernetes(
        cpu=0.8,
        memory=1.5,
        image="registry.example/shop:1.4.2",
        namespace="shop",
        env={"STAGE": "blue"},
        work_pool="POOL",
    )
    @dask(
        num_workers=5
    )
    @flow(
        name="UNIQUE",
        result_storage=S3Filesystem(
            type="s3",
            bucket="my-bucket",
            path="my-path",
        ),
        persist_result=False,
    )
    def complex_eks_dask_flow(x: int, y: int) -> int:
        '''Add two numbers x and y.'''
        with open("ran.txt", "w") as file:
            file.write(f"{os.environ['META_PREFECT__ENV']} {os.environ['STAGE']} {x + y}")
        return x + y
"""


@pytest.fixture
def shop(project: Any, unique: str) -> Path:
    """The project with that one flow."""
    return project(flow=FLOW.replace("POOL", f"eks-{unique}"), **{"meta_prefect.yaml": "project: UNIQUE\n"})


def test_the_flow_deploys_and_its_job_is_as_asked_for(server: Api, shop: Path, unique: str) -> None:
    """The job that Prefect's worker would submit has the CPU, memory, image, namespace and variables of the decorators.

    Its command, run in a folder that stands for the image, runs the flow.
    """
    (outcome,) = deploy([str(shop)]).outcomes
    assert outcome.action == "created"

    deployment, pool = asyncio.run(read_back(f"{unique}/nightly-dev"))
    assert pool.type == "kubernetes"
    assert "env=dev" in deployment.tags
    template, variables = pool.base_job_template, deployment.job_variables or {}
    job = configuration_of(KubernetesWorkerJobConfiguration, template, variables).job_manifest
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "800m", "memory": "1536Mi"}
    assert container["image"] == "registry.example/shop:1.4.2"
    assert job["metadata"]["namespace"] == "shop"
    env = {one["name"]: one["value"] for one in container["env"]}
    assert env | {"META_PREFECT__ENV": "dev", "STAGE": "blue"} == env

    run = server.post(f"/deployments/{deployment.id}/create_flow_run", parameters={"x": 40, "y": 2})
    done = subprocess.run(
        [sys.executable, "-m", *container["args"]],
        cwd=shop,
        env={**os.environ, **env, "PREFECT__FLOW_RUN_ID": run["id"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert server.get(f"/flow_runs/{run['id']}")["state"]["type"] == "COMPLETED", done.stdout + done.stderr
    assert (shop / "ran.txt").read_text() == "dev blue 42"


def test_deploying_it_again_changes_nothing(server: Api, shop: Path) -> None:
    """The pool's template is compared inside its lists, and the job variables as they are stored."""
    deploy([str(shop)])
    assert [outcome.action for outcome in deploy([str(shop)]).outcomes] == ["unchanged"]


def test_an_image_without_a_tag_in_production_stops_the_deploy(server: Api, shop: Path, unique: str) -> None:
    """Nothing is written; the message says what to write instead."""
    file = shop / "flow.py"
    file.write_text(file.read_text().replace("shop:1.4.2", "shop"))
    with pytest.raises(ValidationFailed, match="does not say which version runs in prod"):
        deploy([str(shop)], env="prod")
    assert server.deployments_of(unique) == []
    assert server.get(f"/work_pools/eks-{unique}") is None
