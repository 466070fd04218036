"""Runs in an existing work pool of any type: Cloud Run, a push pool, a custom worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code.source import set_code_source
from meta_prefect.implementations.infra.docker_containers import docker
from meta_prefect.implementations.infra.ecs_tasks import ecs
from meta_prefect.implementations.infra.environment import ENVIRONMENT_TEMPLATE, set_environment
from meta_prefect.implementations.infra.kubernetes_jobs import kubernetes
from meta_prefect.implementations.infra.pools import JobPool
from meta_prefect.interfaces.components import Component, Worker, WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import is_mapping
from meta_prefect.interfaces.names import check_name

_CONTAINER_BUILDERS: Final = {builder.worker_type: builder for builder in (docker, ecs, kubernetes)}


class work_pool(Builder):  # noqa: N801 - used like a function
    """Runs a deployment in a work pool, whatever its type, with the job variables that the pool's own template has.

    Where no inner builder brings the code, runs take it from their image if the job variables name one, else from the
    project's folder.

    Attributes:
        name: The work pool.
        type: The type of worker that serves it, such as ``process`` or ``cloud-run``: a pool that is not there is created. None
            takes the pool as it is, and one that is not there is an error.
        queue: The pool's queue that gets the runs; None means the default one, or what an operator has chosen.
        job_variables: Values for the variables of the pool's template. ``env`` adds to what inner builders have set, the others
            replace it.
    """

    step: ClassVar[str] = "run in a work pool"

    name: Annotated[str, Field(min_length=1), AfterValidator(check_name)]
    type: str | None = Field(default=None, min_length=1)
    queue: Annotated[str, Field(min_length=1), AfterValidator(check_name)] | None = None
    job_variables: dict[str, Any] = Field(default={})

    @property
    def requires(self) -> Iterable[Component]:
        """The worker, which is only checked for, not started; and the pool, if its type is known."""
        if self.type is None:
            return (Worker(pool=self.name, type=None, elsewhere=True),)
        return (self._pool(self.type), Worker(pool=self.name, type=self.type, elsewhere=self.type == "process"))

    def _pool(self, worker_type: str) -> WorkerPool:
        """Return the pool as the builder for its type would define it, so that deployments of both can share it."""
        if builder := _CONTAINER_BUILDERS.get(worker_type):
            return JobPool(name=self.name, type=worker_type, template=builder.template)
        return WorkerPool(
            name=self.name, type=worker_type, template=ENVIRONMENT_TEMPLATE if worker_type == "process" else {}
        )

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set pool, queue and job variables and, if no inner builder did, the code source."""
        given = deployment.job_variables
        variables = {**given, **self.job_variables}
        if is_mapping(before := given.get("env")) and is_mapping(added := self.job_variables.get("env")):
            variables["env"] = {**before, **added}
        deployment.job_variables = variables
        deployment.work_pool_name = self.name
        if self.queue is not None:
            deployment.work_queue_name = self.queue
        set_code_source(deployment, in_image=variables.get("image") is not None)
        return set_environment(deployment)
