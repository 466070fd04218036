"""What Prefect's own workers would run for a deployment: prepared by their own classes, submitted nowhere."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable
from typing import Any, Final, cast
from uuid import UUID

from prefect.client.schemas.objects import Flow, FlowRun
from prefect.workers.base import BaseJobConfiguration, BaseWorker

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.interfaces.components import WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, is_mapping
from meta_prefect.server.requests import base_job_template
from meta_prefect.testing.deployments import ReadyDeployment

__all__ = ["configuration_of", "job_of", "template_of"]

_RUN: Final = UUID(int=1)
_REFERENCE: Final = re.compile(r"\{\{\s*(prefect\.(?:blocks|variables)\.[^}]*?)\s*\}\}")
_KEPT: Final = re.compile(r"⟨(prefect\.[^⟩]*)⟩")


def job_of(deployment: Deployment, pool: WorkerPool | Record | str | None = None) -> Record:
    """Prepare what a worker of a pool would run for a deployment, as JSON.

    The identity of the run is always the same, and no setting of this host is in it, so that it may be kept as a snapshot. What
    blocks and variables hold is known to a run alone: references stand as they are.

    Args:
        deployment: A deployment, such as :func:`~meta_prefect.testing.deployment_of` gives one.
        pool: The pool: as a component, as a record with ``type`` and ``base_job_template``, or the type of its workers; by
            default the one that the deployment's builders ask for.

    Returns:
        The Job's manifest for ``kubernetes``; ``task_definition`` and ``run_task`` for ``ecs``; the arguments with which a
        container is created for ``docker``; ``command``, ``env`` and ``working_dir`` for ``process``; for any other type the
        whole configuration of its worker.

    Raises:
        ConfigurationError: Nobody knows the pool's template, or the package with its worker is not installed.
    """
    worker_type, template = asyncio.run(_pool(deployment, pool))
    worker = worker_class(worker_type)
    configuration = configuration_of(worker.job_configuration, template, deployment.job_variables)
    submitted = _SUBMITTED.get(worker_type.partition(":")[0], _whole)
    return _mapped(submitted(worker, configuration), lambda text: _KEPT.sub(r"{{ \1 }}", text))


def template_of(pool: WorkerPool) -> Record:
    """The job template that a pool will have: Prefect's own for its type, with what the component adds.

    Raises:
        ConfigurationError: Prefect knows no such type.
    """
    return pool.with_additions(asyncio.run(base_job_template(pool.type, offline=True)))


def worker_class(worker_type: str) -> Any:
    """Prefect's class of workers of a type.

    Raises:
        ConfigurationError: There is none in what is installed here.
    """
    if worker_type == "process":
        # Prefect's own. Looking for any other loads every integration that is installed, a second of work.
        from prefect.workers.process import ProcessWorker

        return ProcessWorker
    kinds = BaseWorker[Any, Any, Any]
    found = kinds.get_worker_class_from_type(worker_type.partition(":")[0])
    if found is None:
        known = kinds.get_all_available_worker_types()
        raise ConfigurationError(
            f"no worker of type {worker_type!r} is installed here",
            hint=f"{nearest(worker_type, known)} Install its integration, such as prefect-{worker_type.partition(':')[0]}.",
        )
    return found


def configuration_of(kind: type[BaseJobConfiguration], template: Record, job_variables: Record) -> Any:
    """A worker's job configuration for a run of a deployment with these job variables.

    Args:
        kind: The class of configurations of that worker.
        template: The job template of its pool.
        job_variables: The deployment's.
    """

    class OnNoHost(kind):
        """Without the settings of this host, which a worker hands on to its runs."""

        @classmethod
        def _base_environment(cls) -> dict[str, str]:
            return {}

    OnNoHost.__name__ = kind.__name__
    no_client: Any = object()  # nothing is left for which the API would be asked
    values = _mapped(job_variables, lambda text: _REFERENCE.sub(r"⟨\1⟩", text))
    base = _mapped(template, lambda text: _REFERENCE.sub(r"⟨\1⟩", text))
    configuration = asyncio.run(OnNoHost.from_template_and_values(base, values, client=no_client))
    run = _run()
    configuration.prepare_for_flow_run(run, flow=Flow(id=run.flow_id, name="a-flow", labels={}), worker_name="a-worker")
    return configuration


def _run() -> FlowRun:
    return FlowRun(id=_RUN, flow_id=UUID(int=2), deployment_id=UUID(int=3), name="a-run")


async def _pool(deployment: Deployment, pool: WorkerPool | Record | str | None) -> tuple[str, Record]:
    """The type of a pool's workers, and its template."""
    match pool:
        case None:
            return await _pool(deployment, _asked_for(deployment))
        case WorkerPool():
            return pool.type, pool.with_additions(await base_job_template(pool.type, offline=True))
        case str():
            return pool, await base_job_template(pool, offline=True)
        case _:
            worker_type: str = pool["type"]
            return worker_type, pool.get("base_job_template") or await base_job_template(worker_type, offline=True)


def _asked_for(deployment: Deployment) -> WorkerPool:
    pools = deployment.needs(WorkerPool) if isinstance(deployment, ReadyDeployment) else []
    for one in pools:
        if one.name == deployment.work_pool_name:
            return one
    raise ConfigurationError(
        f"no builder says of what type its work pool {deployment.work_pool_name!r} is",
        where=f"deployment {deployment.full_name}",
        hint='Give the pool, such as `job_of(deployment, "kubernetes")`.',
    )


def _process(worker: Any, configuration: Any) -> Record:
    del worker
    # Processes inherit the environment of their worker, which is this process here.
    env = {name: value for name, value in configuration.env.items() if os.environ.get(name) != value}
    command = configuration.command.replace(sys.executable, "python")
    return {"command": command, "env": env, "working_dir": configuration.working_dir and str(configuration.working_dir)}


def _kubernetes(worker: Any, configuration: Any) -> Record:
    del worker
    return configuration.job_manifest


def _ecs(worker: Any, configuration: Any) -> Record:
    of_pool = worker(work_pool_name="pool")
    configuration.aws_credentials = _OneVpc()
    definition = of_pool._prepare_task_definition(configuration, "eu-central-1", _run())
    of_pool._validate_task_definition(definition, configuration)
    request = of_pool._prepare_task_run_request(configuration, definition, "arn:aws:ecs:task-definition", True)
    return {"task_definition": definition, "run_task": request}


class _OneVpc:
    """Credentials of an account that has one VPC with one subnet: the worker looks there for what nobody says."""

    def get_client(self, *_: str) -> _OneVpc:
        return self

    def describe_vpcs(self, **_: Any) -> Record:
        return {"Vpcs": [{"VpcId": "vpc-1"}]}

    def describe_subnets(self, **_: Any) -> Record:
        return {"Subnets": [{"SubnetId": "subnet-1"}]}


def _docker(worker: Any, configuration: Any) -> Record:
    made = worker("pool")._build_container_settings(_Engine(), configuration)
    made.pop("name")  # the worker counts it up where there is one
    return made


class _Engine:
    """An engine of which the worker asks nothing but its version."""

    def version(self) -> Record:
        return {"Version": "27.0.0"}


def _whole(worker: Any, configuration: Any) -> Record:
    del worker
    return configuration.model_dump(mode="json")


_SUBMITTED: Final[dict[str, Callable[[Any, Any], Record]]] = {
    "process": _process,
    "kubernetes": _kubernetes,
    "ecs": _ecs,
    "docker": _docker,
}


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """The same with all its texts changed."""
    if isinstance(value, str):
        return change(value)
    if is_mapping(value):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mapped(inner, change) for inner in cast("list[Any]", value)]
    return value
