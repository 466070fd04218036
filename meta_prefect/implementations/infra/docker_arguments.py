"""Validates additional arguments of docker-py's ``containers.create``, some of which Prefect's worker drops or fails on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from meta_prefect.errors import nearest
from meta_prefect.implementations.infra.docker_volumes import read_volume
from meta_prefect.interfaces.json_diff import Record, is_mapping

OWN_VARIABLES: Final = ("memswap_limit", "privileged")
"""Job variables of the worker, which ignores them as arguments."""

_OUR_ARGUMENTS: Final = {
    "image": "image",
    "environment": "env",
    "env": "env",
    "labels": "labels",
    "network": "networks",
    "networks": "networks",
    "network_mode": "network_mode",
    "volumes": "volumes",
    "auto_remove": "auto_remove",
    "mem_limit": "memory",
    "nano_cpus": "cpu",
    "image_pull_policy": "image_pull_policy",
}

_SET_BY_PREFECT: Final = ("command", "name", "version")

_API_VERSION: Final = "1.44"
"""Docker API version for the docker-py check; no engine is contacted."""


def check_arguments(arguments: Iterable[str]) -> None:
    """Check that no argument has a dedicated attribute.

    Raises:
        ValueError: An argument has one.
    """
    for name in arguments:
        if name in _OUR_ARGUMENTS:
            raise ValueError(
                f"container: write {name!r} as `{_OUR_ARGUMENTS[name]}` of the builder, where it takes effect"
            )
        if name in _SET_BY_PREFECT:
            raise ValueError(f"container: {name!r} is set by Prefect")


def as_job_variable(value: bool | int | str) -> bool | str:
    """Convert an argument to the type of the worker's job variable."""
    return value if isinstance(value, bool) else str(value)


def check_arguments_deeply(variables: Record) -> None:
    """Validate a deployment with docker-py, imported here because it is needed only to deploy, not to import a flow.

    Args:
        variables: All job variables of the deployment.

    Raises:
        ValueError: docker-py does not know an argument or rejects its value, or Docker would reject the combination.
    """
    from docker.errors import DockerException  # pyright: ignore[reportMissingTypeStubs]
    from docker.models import containers  # pyright: ignore[reportMissingTypeStubs]
    from docker.types import HostConfig  # pyright: ignore[reportMissingTypeStubs]

    arguments: Record = dict(variables.get("container_create_kwargs") or {})
    of_host = containers.RUN_HOST_CONFIG_KWARGS
    known = {*of_host, *containers.RUN_CREATE_KWARGS, "ports", "networking_config"}
    check_arguments(name for name in arguments if name != "nano_cpus")
    for name in arguments:
        if name in OWN_VARIABLES:
            raise ValueError(f"container_create_kwargs: {name!r} is a job variable of its own")
        if name not in known:
            message = f"container: docker-py has no argument {name!r}"
            raise ValueError(f"{message}. {nearest(name, sorted(known - {*_OUR_ARGUMENTS, *_SET_BY_PREFECT}))}".strip())
    host = {name: value for name, value in arguments.items() if name in of_host and "{{" not in str(value)}
    try:
        cast("Any", HostConfig)(version=_API_VERSION, **host)
    except (TypeError, ValueError, AttributeError, LookupError, DockerException) as error:
        raise ValueError(f"container: docker-py does not take it: {error}") from None
    for refusal in _refusals(variables, arguments):
        raise ValueError(refusal)


def _refusals(variables: Record, arguments: Record) -> Iterator[str]:
    if variables.get("networks") and variables.get("network_mode") is not None:
        yield "give either `networks` or `network_mode`"
    if variables.get("memswap_limit") is not None and variables.get("mem_limit") is None:
        yield "container: 'memswap_limit' is memory and swap together and needs `memory`"
    if "nano_cpus" in arguments and (both := sorted({"cpu_period", "cpu_quota"} & arguments.keys())):
        yield f"container: either `cpu` or {' and '.join(map(repr, both))}"
    if variables.get("auto_remove") and arguments.get("restart_policy"):
        yield "container: Docker restarts no container that it removes: either `auto_remove` or 'restart_policy'"
    places: dict[str, str] = {}
    volumes = [(read_volume(text).target, text) for text in variables.get("volumes", [])]
    mounts = [
        (str(one.get("Target")), f"mount of {one.get('Source')}")
        for one in arguments.get("mounts", [])
        if is_mapping(one)
    ]
    for target, text in (*volumes, *mounts):
        first = places.setdefault(target.rstrip("/"), text)
        if first != text:
            yield f"two volumes at {target}: {first!r} and {text!r}"
