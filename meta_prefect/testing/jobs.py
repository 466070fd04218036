"""Computes what Prefect's own workers would run for a deployment, using their classes but submitting nothing."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable
from typing import Any, Final, cast
from uuid import UUID

from prefect.client.schemas.objects import Flow, FlowRun
from prefect.workers.base import BaseJobConfiguration

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.interfaces.components import WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, is_mapping
from meta_prefect.prefect_internals import worker_types
from meta_prefect.server.requests import base_job_template
from meta_prefect.testing.deployments import ReadyDeployment

__all__ = ["configuration_of", "job_of", "template_of"]

_RUN: Final = UUID(int=1)
_REFERENCE: Final = re.compile(r"\{\{\s*(prefect\.(?:blocks|variables)\.[^}]*?)\s*\}\}")
_KEPT: Final = re.compile(r"⟨(prefect\.[^⟩]*)⟩")


def job_of(deployment: Deployment, pool: WorkerPool | Record | str | None = None) -> Record:
    """Return what a worker of a pool would run for a deployment, as JSON.

    The result is suitable for snapshots: the run's identity is constant, and no setting of this host is included. References
    to blocks and variables are left unresolved, because only a run knows their values.

    Args:
        deployment: A deployment, for example from :func:`~meta_prefect.testing.deployment_of`.
        pool: The pool: a component, a record with ``type`` and ``base_job_template``, or a worker type; defaults to the pool
            required by the deployment's builders.

    Returns:
        For ``kubernetes``, the Job's manifest; for ``ecs``, ``task_definition`` and ``run_task``; for ``docker``, the
        arguments for creating the container; for ``process``, ``command``, ``env`` and ``working_dir``; for any other type,
        the worker's complete job configuration.

    Raises:
        ConfigurationError: The pool's template is unknown, or the package with its worker is not installed.
    """
    worker_type, template = asyncio.run(_pool(deployment, pool))
    worker = worker_class(worker_type)
    configuration = configuration_of(worker.job_configuration, template, deployment.job_variables)
    submitted = _SUBMITTED.get(worker_type.partition(":")[0], _whole)
    return _mapped(submitted(worker, configuration), lambda text: _KEPT.sub(r"{{ \1 }}", text))


def template_of(pool: WorkerPool) -> Record:
    """Return the job template that a pool will have: Prefect's own for its type, with the component's additions.

    Raises:
        ConfigurationError: Prefect does not know the type.
    """
    return pool.with_additions(asyncio.run(base_job_template(pool.type, offline=True)))


def worker_class(worker_type: str) -> Any:
    """Return Prefect's worker class of a type.

    Raises:
        ConfigurationError: No installed package provides it.
    """
    if worker_type == "process":
        # Prefect's own. Looking up any other type loads all installed integrations, which takes a second.
        from prefect.workers.process import ProcessWorker

        return ProcessWorker
    found = worker_types.worker_class(worker_type.partition(":")[0])
    if found is None:
        known = worker_types.worker_types()
        raise ConfigurationError(
            f"no worker of type {worker_type!r} is installed here",
            hint=f"{nearest(worker_type, known)} Install its integration, such as prefect-{worker_type.partition(':')[0]}.",
        )
    return found


def configuration_of(kind: type[BaseJobConfiguration], template: Record, job_variables: Record) -> Any:
    """Build a worker's job configuration for a run of a deployment with these job variables.

    Args:
        kind: The worker's class of job configurations.
        template: The job template of its pool.
        job_variables: The deployment's job variables.
    """
    no_client: Any = object()  # there is nothing left to request from the API
    values = _mapped(job_variables, lambda text: _REFERENCE.sub(r"⟨\1⟩", text))
    base = _mapped(template, lambda text: _REFERENCE.sub(r"⟨\1⟩", text))
    configuration = asyncio.run(worker_types.on_no_host(kind).from_template_and_values(base, values, client=no_client))
    run = _run()
    configuration.prepare_for_flow_run(run, flow=Flow(id=run.flow_id, name="a-flow", labels={}), worker_name="a-worker")
    return configuration


def _run() -> FlowRun:
    return FlowRun(id=_RUN, flow_id=UUID(int=2), deployment_id=UUID(int=3), name="a-run")


async def _pool(deployment: Deployment, pool: WorkerPool | Record | str | None) -> tuple[str, Record]:
    """Return a pool's worker type and template."""
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
    # Processes inherit their worker's environment, which is this process's here.
    env = {name: value for name, value in configuration.env.items() if os.environ.get(name) != value}
    command = configuration.command.replace(sys.executable, "python")
    return {"command": command, "env": env, "working_dir": configuration.working_dir and str(configuration.working_dir)}


def _kubernetes(worker: Any, configuration: Any) -> Record:
    del worker
    return configuration.job_manifest


def _whole(worker: Any, configuration: Any) -> Record:
    del worker
    return configuration.model_dump(mode="json")


_SUBMITTED: Final[dict[str, Callable[[Any, Any], Record]]] = {
    "process": _process,
    "kubernetes": _kubernetes,
    "ecs": lambda worker, configuration: worker_types.ecs_request(worker, configuration, _run()),
    "docker": worker_types.docker_container,
}


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Apply a function to all texts in a value."""
    if isinstance(value, str):
        return change(value)
    if is_mapping(value):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mapped(inner, change) for inner in cast("list[Any]", value)]
    return value
