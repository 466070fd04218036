"""Docker containers: what Prefect's own worker makes of a deployment, without an engine."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from infra.job_configurations import prepared_from, template_of
from support import Api
from values import a_deployment

from meta_prefect.implementations.infra import docker
from meta_prefect.plan.checking import check_job_variables

FULL: dict[str, Any] = {
    "image": "registry.example/shop:1.4.2",
    "cpu": 0.8,
    "memory": 1.5,
    "env": {"STAGE": "blue"},
    "networks": ("shop",),
    "volumes": ("/srv/data:/data:ro",),
    "auto_remove": True,
    "labels": {"team": "shop"},
    "container": {"shm_size": "1g"},
}


def test_the_container_is_as_asked_for(server: Api) -> None:
    """Image, CPU, memory, variables, networks and volumes arrive at the worker."""
    worker: Any = pytest.importorskip("prefect_docker.worker", reason="prefect-docker is not installed")
    configuration = prepared_from(worker.DockerWorkerJobConfiguration, docker(**FULL), a_deployment(environment="prod"))
    assert configuration.image == "registry.example/shop:1.4.2"
    assert configuration.mem_limit == str(1536 * 2**20)
    assert configuration.container_create_kwargs == {"shm_size": "1g", "nano_cpus": 800_000_000}
    assert configuration.networks == ["shop"]
    assert configuration.volumes == ["/srv/data:/data:ro"]
    assert configuration.auto_remove is True
    expected = {"META_PREFECT__ENV": "prod", "META_PREFECT__IMAGE": "registry.example/shop:1.4.2", "STAGE": "blue"}
    assert configuration.env | expected == configuration.env
    assert configuration.labels["team"] == "shop"


def test_every_job_variable_fits_the_template(server: Api) -> None:
    """What the builder sets is declared by the pool's template, with the right type."""
    pytest.importorskip("prefect_docker.worker", reason="prefect-docker is not installed")
    deployment = docker(**FULL).update_deployment(a_deployment())
    assert list(check_job_variables(deployment, asyncio.run(template_of(docker())))) == []


def test_outer_builders_override_and_add() -> None:
    """Of two builders the outer one wins; networks, volumes, labels and further arguments add up."""
    inner = docker(memory=1, volumes=("a:/a",), labels={"a": "1"}, container={"shm_size": "1g"})
    outer = docker(memory=2, volumes=("a:/a", "b:/b"), labels={"b": "2"}, cpu=1)
    variables = (inner | outer).update_deployment(a_deployment()).job_variables
    assert variables["mem_limit"] == str(2 * 2**30)
    assert variables["volumes"] == ["a:/a", "b:/b"]
    assert variables["labels"] == {"a": "1", "b": "2"}
    assert variables["container_create_kwargs"] == {"shm_size": "1g", "nano_cpus": 10**9}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param({"volumes": ("data",)}, "'data' is no volume", id="volume"),
        pytest.param({"networks": ("a",), "network_mode": "host"}, "either `networks` or `network_mode`", id="network"),
        pytest.param({"memory": "1g"}, "unknown unit 'g'. Did you mean 'Gi'?", id="memory"),
    ],
)
def test_what_docker_would_not_take_is_refused_where_it_is_written(arguments: dict[str, Any], told: str) -> None:
    """A wrong argument is refused at once."""
    with pytest.raises(ValueError, match=re.escape(told)):
        docker(**arguments)
