"""Runs as Docker containers on the host of a worker."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from meta_prefect.implementations.infra.containers import CONTAINER_TEMPLATE, ContainerBuilder, PoolName
from meta_prefect.implementations.infra.quantities import Cpu, Memory, read_cpu, read_memory
from meta_prefect.interfaces.records import Record, merged

_VOLUME: Final = re.compile(r"(?P<source>[^:]+):(?P<target>/[^:]*)(?::(?P<mode>ro|rw|z|Z|ro,z|ro,Z))?")

_NANO: Final = 10**9


def _check_volumes(volumes: tuple[str, ...]) -> tuple[str, ...]:
    for volume in volumes:
        if _VOLUME.fullmatch(volume) is None:
            raise ValueError(
                f"{volume!r} is no volume: write 'name-or-path:/path/in/the/container', ':ro' after it to read only"
            )
    return volumes


class docker(ContainerBuilder):  # noqa: N801 - used like a function
    """Runs a deployment in a container of the Docker engine beside a worker.

    Attributes:
        cpu: CPUs that a run may use at most: a number or text such as ``"800m"``.
        memory: Memory that a run may use at most: a number of gibibytes (``1.5``) or text with a unit.
        image_pull_policy: When the image is pulled; None means if it is not there or has the tag ``latest``.
        networks: Docker networks that the container joins.
        network_mode: ``host``, ``bridge`` or another mode; not together with networks.
        volumes: Volumes and folders of the worker's host: ``name-or-path:/path/in/the/container``, ``:ro`` to read only.
        auto_remove: Whether a finished container is removed.
        labels: Labels of the containers.
        container: Further arguments of docker-py's ``containers.create``.
    """

    step: ClassVar[str] = "run in docker"
    worker_type: ClassVar[str] = "docker"
    template: ClassVar[Record] = merged(CONTAINER_TEMPLATE, {})

    cpu: Cpu | None = None
    memory: Memory | None = None
    image_pull_policy: Literal["IfNotPresent", "Always", "IfPossible", "Never"] | None = None
    networks: tuple[str, ...] = ()
    network_mode: str | None = Field(default=None, min_length=1)
    volumes: Annotated[tuple[str, ...], AfterValidator(_check_volumes)] = ()
    auto_remove: bool | None = None
    labels: dict[str, str] = Field(default={})
    container: dict[str, Any] = Field(default={})
    work_pool: PoolName = "docker"

    @model_validator(mode="after")
    def _docker_accepts(self) -> Self:
        if self.networks and self.network_mode is not None:
            raise ValueError("give either `networks` or `network_mode`")
        return self

    def job_variables(self, given: Record) -> Record:
        """What this builder sets."""
        chosen: dict[str, Any] = {
            # Docker's own letters mean powers of two; bytes mean the same to everybody.
            "mem_limit": None if self.memory is None else str(read_memory(self.memory)),
            "image_pull_policy": self.image_pull_policy,
            "network_mode": self.network_mode,
            "auto_remove": self.auto_remove,
        }
        result: Record = {name: value for name, value in chosen.items() if value is not None}
        for name, added in (("networks", self.networks), ("volumes", self.volumes)):
            if added:
                result[name] = list(dict.fromkeys((*given.get(name, []), *added)))
        if self.labels:
            result["labels"] = {**given.get("labels", {}), **self.labels}
        arguments: Record = dict(self.container)
        if self.cpu is not None:
            arguments["nano_cpus"] = int(read_cpu(self.cpu) * _NANO)
        if arguments:
            result["container_create_kwargs"] = merged(given.get("container_create_kwargs") or {}, arguments)
        return result
