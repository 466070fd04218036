"""Runs as processes, on the deploying host or on the hosts of a shared pool."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code.source import set_code_source
from meta_prefect.implementations.infra.containers import Environment, PoolName
from meta_prefect.implementations.infra.environment import ENVIRONMENT_TEMPLATE, set_environment
from meta_prefect.interfaces.components import Component, Worker, WorkerPool
from meta_prefect.interfaces.deployment import Deployment


class local_process(Builder):  # noqa: N801 - used like a function
    """Runs a deployment on this host, in its own process work pool, straight from the project's folder unless told otherwise.

    The pool belongs to one host and user, as a folder means nothing on another one. A worker is started here if none is
    alive. Where a deployer has fetched the project from Git, runs clone the commit that is deployed.
    """

    step: ClassVar[str] = "run as a local process"

    @property
    def requires(self) -> Iterable[Component]:
        """This host's process pool and its worker."""
        return (WorkerPool(type="process", template=ENVIRONMENT_TEMPLATE), Worker(type="process"))

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Point the worker at the project's code, and pass the environment to the run."""
        set_code_source(deployment, in_image=False)
        return set_environment(deployment)


class process(Builder):  # noqa: N801 - used like a function
    """Runs a deployment as a process beside a worker of a pool that several hosts may serve. No worker is started here.

    Where no inner builder brings the code from elsewhere (``git_code``, ``s3_code``), each worker's host has the project in the
    same folder as the host that deploys, as the containers of one compose file do.

    Attributes:
        work_pool: The work pool. It is created from Prefect's own template; one that somebody else created is used as it is.
        env: Environment variables of the run; those of several builders add up.
    """

    step: ClassVar[str] = "run as a process"

    work_pool: PoolName
    env: Environment = Field(default={})

    @property
    def requires(self) -> Iterable[Component]:
        """The pool and its worker, which is only checked for, not started."""
        return (
            WorkerPool(name=self.work_pool, type="process", template=ENVIRONMENT_TEMPLATE),
            Worker(pool=self.work_pool, type="process", elsewhere=True),
        )

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the pool and, if no inner builder did, the code source."""
        if self.env:
            deployment.job_variables["env"] = {**deployment.job_variables.get("env", {}), **self.env}
        deployment.work_pool_name = self.work_pool
        set_code_source(deployment, in_image=False)
        return set_environment(deployment)
