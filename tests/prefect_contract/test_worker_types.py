"""Prefect's workers and what they submit."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from meta_prefect.prefect_internals import worker_types
from meta_prefect.testing.jobs import configuration_of, worker_class

RECORDS = {"ecs": {"image": "shop:1", "task_role_arn": "arn"}, "docker": {"image": "shop:1"}}


@pytest.mark.parametrize("worker_type", ["docker", "ecs", "kubernetes", "process"])
def test_templates_come_with_prefect(worker_type: str) -> None:
    """Otherwise a pool whose integration is not installed cannot be planned without a server that has network."""
    template = worker_types.shipped_templates()[worker_type]
    assert template["job_configuration"]["command"] == "{{ command }}"
    assert "env" in template["variables"]["properties"]


def test_settings_of_this_host_can_be_left_out() -> None:
    """Otherwise snapshots of jobs hold the address and the keys of whoever made them."""
    kind = worker_class("ecs").job_configuration
    assert "PREFECT_API_URL" in kind._base_environment()
    assert "PREFECT_API_URL" not in _submitted("ecs")[1].env


def _submitted(worker_type: str) -> Any:
    worker = worker_class(worker_type)
    template = worker.get_default_base_job_template()
    return worker, configuration_of(worker.job_configuration, template, RECORDS[worker_type])


def test_an_ecs_worker_says_what_it_would_run() -> None:
    """Otherwise `job_of` cannot tell the task definition of an ECS deployment, nor can its recipe be tested."""
    worker, configuration = _submitted("ecs")
    made = worker_types.ecs_request(worker, configuration, FlowRun(flow_id=uuid4()))
    assert made["task_definition"]["containerDefinitions"][0]["image"] == "shop:1"
    assert made["run_task"]["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-1"]


def test_a_docker_worker_says_which_container_it_would_create() -> None:
    """Otherwise `job_of` cannot tell the container of a Docker deployment, nor can its recipe be tested."""
    pytest.importorskip("prefect_docker")
    made = worker_types.docker_container(*_submitted("docker"))
    assert made["image"] == "shop:1"
    assert "name" not in made
