"""The base class of builders that run deployments in containers."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code.source import set_code_source
from meta_prefect.implementations.infra.environment import ENVIRONMENT_TEMPLATE, set_environment
from meta_prefect.implementations.infra.images import ImageReference, check_pinned
from meta_prefect.implementations.infra.pools import JobPool
from meta_prefect.interfaces.components import Component, Worker
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, merged
from meta_prefect.interfaces.names import check_name

CONTAINER_TEMPLATE: Final[Record] = merged(
    ENVIRONMENT_TEMPLATE,
    # What a run itself starts, such as Dask workers, must run the same code.
    {"job_configuration": {"env": {"META_PREFECT__IMAGE": "{{ image }}"}}},
)
"""Additions to the template of every pool whose runs are containers."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def check_variable_names(names: Iterable[str]) -> None:
    """Validate names of environment variables.

    Raises:
        ValueError: A name is invalid.
    """
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of an environment variable")


def _check_environment(environment: Mapping[str, str | None]) -> Mapping[str, str | None]:
    check_variable_names(environment)
    return environment


Environment = Annotated[dict[str, str | None], AfterValidator(_check_environment)]
"""Environment variables; None unsets one. A value may be a reference such as ``{{ prefect.blocks.secret.x }}``."""


def _check_pool_name(name: str) -> str:
    check_name(name)
    if name.lower().startswith("prefect"):
        raise ValueError(f"{name!r}: names of work pools that start with 'prefect' are Prefect's own")
    return name


PoolName = Annotated[str, Field(min_length=1), AfterValidator(_check_pool_name)]
"""The name of a work pool."""


class ContainerBuilder(Builder):
    """Runs a deployment in a container of a work pool that is shared by all deployments of this kind.

    Attributes:
        image: The image that runs; None runs Prefect's own image of the worker's version. In ``prod`` it has a tag or a digest.
        env: Environment variables of the run; those of several builders add up.
        work_pool: The work pool. It is created from Prefect's own template; one that somebody else created is used as it is.
    """

    worker_type: ClassVar[str]
    template: ClassVar[Record]

    image: ImageReference | None = None
    env: Environment = Field(default={})
    work_pool: PoolName

    @property
    def requires(self) -> Iterable[Component]:
        """The pool and its worker."""
        return (JobPool(name=self.work_pool, type=self.worker_type, template=self.template), self.needed_worker())

    def needed_worker(self) -> Component:
        """Return the pool's worker, which is only checked for, not started."""
        return Worker(pool=self.work_pool, type=self.worker_type)

    @abstractmethod
    def job_variables(self, given: Record) -> Record:
        """Return the job variables that this builder sets besides image and environment; None unsets one.

        Args:
            given: The job variables set so far, including image and environment.
        """

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the pool and the job variables; by default the code is in the image.

        Raises:
            ConfigurationError: The image has no tag, and the environment is production.
        """
        check_pinned(self.image, deployment.environment)
        given = dict(deployment.job_variables)
        if self.image is not None:
            given["image"] = self.image
        if self.env:
            given["env"] = {**given.get("env", {}), **self.env}
        variables = {**given, **self.job_variables(given)}
        deployment.job_variables = {name: value for name, value in variables.items() if value is not None}
        deployment.work_pool_name = self.work_pool
        set_code_source(deployment, in_image=True)
        return set_environment(deployment)
