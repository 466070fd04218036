"""Runs as processes on the host that deploys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code.source import source_steps
from meta_prefect.implementations.infra.environment import ENVIRONMENT_TEMPLATE, set_environment
from meta_prefect.interfaces.components import Component, Worker, WorkerPool
from meta_prefect.interfaces.deployment import Deployment


class local_process(Builder):  # noqa: N801 - used like a function
    """Runs a deployment on this host, in its own process work pool, straight from the project's folder.

    The pool belongs to one host and user, as a folder means nothing on another one. A worker is started here if none is
    alive. Where a deployer has fetched the project from Git, runs clone the commit that is deployed.
    """

    step: ClassVar[str] = "run as a local process"

    @property
    def requires(self) -> Iterable[Component]:
        """This host's process pool and a worker for it."""
        return (WorkerPool(type="process", template=ENVIRONMENT_TEMPLATE), Worker(type="process"))

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Point the worker to the project's code, and the run to its environment."""
        deployment.pull_steps = source_steps(deployment)
        return set_environment(deployment)
