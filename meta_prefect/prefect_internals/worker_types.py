"""Prefect's worker types: their job templates, and what they would submit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import prefect
from prefect.client.schemas.objects import FlowRun
from prefect.workers import utilities
from prefect.workers.base import BaseJobConfiguration, BaseWorker

Record = dict[str, Any]


def worker_class(worker_type: str) -> Any:
    """Return the worker class of a type; None if unknown. Loads all installed integrations."""
    return BaseWorker[Any, Any, Any].get_worker_class_from_type(worker_type)


def worker_types() -> set[str]:
    """Return the installed worker types."""
    return set(BaseWorker[Any, Any, Any].get_all_available_worker_types())


async def base_job_template(worker_type: str) -> Record | None:
    """Return the job template of a worker type, as installed here or as known to the server from the settings."""
    return await utilities.get_default_base_job_template_for_infrastructure_type(worker_type)


def shipped_templates() -> dict[str, Record]:
    """Return the job templates that Prefect's server falls back to without network access, by worker type."""
    file = Path(prefect.__file__).parent / "server/api/collections_data/views/aggregate-worker-metadata.json"
    try:
        packages: dict[str, dict[str, Record]] = json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        return {}
    return {
        kind: about["default_base_job_configuration"] for kinds in packages.values() for kind, about in kinds.items()
    }


def on_no_host(kind: type[BaseJobConfiguration]) -> type[BaseJobConfiguration]:
    """Return a job configuration class without this host's settings, which a worker would pass on to its runs."""

    class OnNoHost(kind):
        @classmethod
        def _base_environment(cls) -> dict[str, str]:
            return {}

    OnNoHost.__name__ = kind.__name__
    return OnNoHost


def ecs_request(worker: Any, configuration: Any, run: FlowRun) -> Record:
    """Return what an ECS worker would register and run.

    Args:
        worker: The worker class.
        configuration: A job configuration prepared for the run.
        run: The run.
    """
    of_pool = worker(work_pool_name="pool")
    configuration.aws_credentials = _OneVpc()
    definition = of_pool._prepare_task_definition(configuration, "eu-central-1", run)
    of_pool._validate_task_definition(definition, configuration)
    request = of_pool._prepare_task_run_request(configuration, definition, "arn:aws:ecs:task-definition", True)
    return {"task_definition": definition, "run_task": request}


class _OneVpc:
    """Stub credentials for an account with one VPC and one subnet, where the worker looks up defaults."""

    def get_client(self, *_: str) -> _OneVpc:
        return self

    def describe_vpcs(self, **_: Any) -> Record:
        return {"Vpcs": [{"VpcId": "vpc-1"}]}

    def describe_subnets(self, **_: Any) -> Record:
        return {"Subnets": [{"SubnetId": "subnet-1"}]}


def docker_container(worker: Any, configuration: Any) -> Record:
    """Return the arguments with which a Docker worker would create a container, except for its name, which is numbered."""
    made = worker("pool")._build_container_settings(_Engine(), configuration)
    made.pop("name")
    return made


class _Engine:
    """Stub of a Docker engine; the worker only asks for its version."""

    def version(self) -> Record:
        return {"Version": "27.0.0"}
