"""Runs in Docker containers on the worker's host."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.infra.containers import CONTAINER_TEMPLATE, ContainerBuilder, PoolName
from meta_prefect.implementations.infra.docker_arguments import (
    OWN_VARIABLES,
    as_job_variable,
    check_arguments,
    check_arguments_deeply,
)
from meta_prefect.implementations.infra.docker_volumes import Volumes, read_volume
from meta_prefect.implementations.infra.quantities import Cpu, Memory, read_cpu, read_memory
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, merged

_NANO: Final = 10**9

_MIN_CPU: Final = Decimal("0.01")
_MIN_MEMORY: Final = 6 * 2**20


_CREATE: Final = "container_create_kwargs"
_ARGUMENTS: Final[Record] = {
    "job_configuration": {_CREATE: f"{{{{ {_CREATE} }}}}"},
    "variables": {
        "properties": {
            _CREATE: {
                "title": "Container Configuration",
                "default": None,
                "anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}],
            }
        }
    },
}
"""The template of prefect-docker 0.7. Prefect itself ships that of an earlier version, used without prefect-docker."""


class docker(ContainerBuilder):  # noqa: N801 - used like a function
    """Runs a deployment in a container of the Docker engine beside a worker.

    Attributes:
        cpu: CPUs that a run may use at most: a number or text such as ``"800m"``.
        memory: Memory that a run may use at most: a number of gibibytes (``1.5``) or text with a unit.
        image_pull_policy: When the image is pulled; None means if it is not there or has the tag ``latest``.
        networks: Docker networks that the container joins.
        network_mode: ``host``, ``bridge`` or another mode; not together with networks.
        volumes: Volumes and folders of the worker's host: ``name-or-path:/path/in/the/container``, then options such as
            ``:ro`` or ``:nocopy``.
        auto_remove: Whether a finished container is removed.
        labels: Labels of the containers.
        container: Further arguments of docker-py's ``containers.create``.
    """

    step: ClassVar[str] = "run in docker"
    worker_type: ClassVar[str] = "docker"
    template: ClassVar[Record] = merged(CONTAINER_TEMPLATE, _ARGUMENTS)

    cpu: Cpu | None = None
    memory: Memory | None = None
    image_pull_policy: Literal["IfNotPresent", "Always", "IfPossible", "Never"] | None = None
    networks: tuple[str, ...] = ()
    network_mode: str | None = Field(default=None, min_length=1)
    volumes: Volumes = ()
    auto_remove: bool | None = None
    labels: dict[str, str] = Field(default={})
    container: dict[str, Any] = Field(default={})
    work_pool: PoolName = "docker"

    @model_validator(mode="after")
    def _docker_accepts(self) -> Self:
        if self.networks and self.network_mode is not None:
            raise ValueError("give either `networks` or `network_mode`")
        if self.cpu is not None and read_cpu(self.cpu) < _MIN_CPU:
            raise ValueError(f"cpu: {self.cpu} is less than 0.01, the least that Docker gives")
        if self.memory is not None and read_memory(self.memory) < _MIN_MEMORY:
            raise ValueError(f"memory: {self.memory} is less than 6Mi, the least that Docker gives")
        check_arguments(self.container)
        return self

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set pool, job variables and, if no inner builder did, the code source.

        Raises:
            ConfigurationError: Docker would reject the settings, or the image has no tag in production.
        """
        made = super().update_deployment(deployment)
        try:
            check_arguments_deeply(made.job_variables)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        return made

    def job_variables(self, given: Record) -> Record:
        """Return the variables this builder sets."""
        chosen: dict[str, Any] = {
            # Docker's unit suffixes mean powers of two; bytes are unambiguous.
            "mem_limit": None if self.memory is None else str(read_memory(self.memory)),
            "image_pull_policy": self.image_pull_policy,
            "network_mode": self.network_mode,
            "auto_remove": self.auto_remove,
        }
        result: Record = {name: value for name, value in chosen.items() if value is not None}
        volumes = [read_volume(text) for text in self.volumes]
        plain = [volume.text for volume in volumes if volume.mount is None]
        for name, added in (("networks", self.networks), ("volumes", plain)):
            if added:
                result[name] = list(dict.fromkeys((*given.get(name, []), *added)))
        if self.labels:
            result["labels"] = {**given.get("labels", {}), **self.labels}
        arguments: Record = dict(self.container)
        for name in OWN_VARIABLES:
            if name in arguments:
                result[name] = as_job_variable(arguments.pop(name))
        known: Record = given.get(_CREATE) or {}
        if mounts := [volume.mount for volume in volumes if volume.mount is not None]:
            there = arguments.get("mounts", known.get("mounts", []))
            arguments["mounts"] = [*there, *(mount for mount in mounts if mount not in there)]
        if self.cpu is not None:
            arguments["nano_cpus"] = int(read_cpu(self.cpu) * _NANO)
        if arguments:
            result[_CREATE] = merged(known, arguments)
        return result
