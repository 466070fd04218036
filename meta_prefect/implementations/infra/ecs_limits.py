"""Checks what Amazon accepts as an ECS task, based on the job variables given to Prefect's worker.

Sources: the API reference of RegisterTaskDefinition, RunTask and AwsVpcConfiguration (botocore ships its text with the
    client) and the Developer Guide on task sizes, on task networking for EC2 and on ECS Anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meta_prefect.interfaces.json_diff import Record

_GIBIBYTE: Final = 1024

FARGATE_MEMORY: Final[dict[int, tuple[int, ...]]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1 * _GIBIBYTE, 4 * _GIBIBYTE + 1, _GIBIBYTE)),
    1024: tuple(range(2 * _GIBIBYTE, 8 * _GIBIBYTE + 1, _GIBIBYTE)),
    2048: tuple(range(4 * _GIBIBYTE, 16 * _GIBIBYTE + 1, _GIBIBYTE)),
    4096: tuple(range(8 * _GIBIBYTE, 30 * _GIBIBYTE + 1, _GIBIBYTE)),
    8192: tuple(range(16 * _GIBIBYTE, 60 * _GIBIBYTE + 1, 4 * _GIBIBYTE)),
    16384: tuple(range(32 * _GIBIBYTE, 120 * _GIBIBYTE + 1, 8 * _GIBIBYTE)),
}
"""Fargate's task sizes: MiB of memory by CPU units (1024 per CPU)."""

FARGATE_PROVIDERS: Final = ("FARGATE", "FARGATE_SPOT")
"""Amazon's own capacity providers; all others belong to an account and consist of EC2 instances."""

_OTHER_CPU: Final = range(128, 196608 + 1)

_DEFAULT_CPU_UNITS: Final = 1024
_DEFAULT_MEBIBYTES: Final = 2048

_NEED_EXECUTION_ROLE: Final = (
    "secret_env",
    "prefect_api_key_secret_arn",
    "prefect_api_auth_string_secret_arn",
    "configure_cloudwatch_logs",
)

_MAX_TAG_LENGTH: Final = (128, 256)

_SET_BY_US: Final = ("META_PREFECT__ENV", "META_PREFECT__IMAGE")


def refusals(variables: Record) -> Iterator[str]:
    """Yield what Amazon would reject, in terms of the builder's arguments.

    Args:
        variables: All job variables of a deployment.
    """
    launch_type: str = variables.get("launch_type", "FARGATE")
    fargate = launch_type in FARGATE_PROVIDERS
    yield from _size(variables, fargate=fargate)
    yield from _providers(variables, launch_type)
    yield from _network(variables, launch_type)
    if "ephemeral_storage" in variables and not fargate:
        yield f"`ephemeral_storage` is for Fargate, not for launch type {launch_type}: there it is the disk of the instance"
    if variables.get("execution_role_arn") is None and any(variables.get(name) for name in _NEED_EXECUTION_ROLE):
        yield "`secrets` and `logs` need an `execution_role` that may read or write them"
    yield from _names(variables)
    yield from _tags(variables.get("labels", {}))


def _size(variables: Record, *, fargate: bool) -> Iterator[str]:
    cpu, memory = variables.get("cpu"), variables.get("memory")
    if not fargate:
        if cpu is not None and cpu not in _OTHER_CPU:
            yield f"ECS has no tasks with {cpu / 1024:g} CPUs, but with 0.125 to 192"
        return
    if cpu is None and memory is None:
        return
    cpu, memory = cpu or _DEFAULT_CPU_UNITS, memory or _DEFAULT_MEBIBYTES
    if cpu not in FARGATE_MEMORY:
        sizes = ", ".join(f"{units / 1024:g}" for units in FARGATE_MEMORY)
        yield f"Fargate has no tasks with {cpu / 1024:g} CPUs, but with {sizes}"
    elif memory not in (offered := FARGATE_MEMORY[cpu]):
        close = min(offered, key=lambda size: (abs(size - memory), -size))
        yield (
            f"Fargate has no tasks with {cpu / 1024:g} CPUs and {memory}Mi of memory, the closest is {close}Mi "
            f"(it offers {offered[0]}Mi to {offered[-1]}Mi)"
        )


def _providers(variables: Record, launch_type: str) -> Iterator[str]:
    strategy: list[Record] = variables.get("capacity_provider_strategy", [])
    if not strategy:
        return
    names = [one["capacityProvider"] for one in strategy]
    own = [name for name in names if name not in FARGATE_PROVIDERS]
    if launch_type not in ("FARGATE", "EC2"):
        yield f"`capacity_providers` are for launch types FARGATE and EC2, not for {launch_type}"
    elif own and len(own) < len(names):
        yield f"`capacity_providers` are either FARGATE and FARGATE_SPOT or your own, not both: {', '.join(names)}"
    elif bool(own) != (launch_type == "EC2"):
        yield f"the capacity providers {', '.join(names)} need `launch_type: {'EC2' if own else 'FARGATE'}`"
    if len(set(names)) < len(names):
        yield f"a capacity provider is there twice: {', '.join(names)}"
    if not any(one["weight"] for one in strategy):
        yield "one of the `capacity_providers` needs a `weight` above 0"
    if sum(one["base"] > 0 for one in strategy) > 1:
        yield "only one of the `capacity_providers` may have a `base`"


def _network(variables: Record, launch_type: str) -> Iterator[str]:
    if "vpc_id" not in variables or launch_type in FARGATE_PROVIDERS:
        return
    if launch_type == "EXTERNAL":
        yield "`network` is not for launch type EXTERNAL: those tasks are in the network of their host"
        return
    chosen: Record = variables.get("network_configuration", {})
    if not chosen.get("subnets"):
        # Prefect's worker requests a public address whenever it discovers the subnets itself.
        yield f"`network` needs `subnets` with launch type {launch_type}"
    elif chosen["assignPublicIp"] == "ENABLED":
        yield f"`public_ip: true` is for Fargate: tasks of launch type {launch_type} have no public address"


def _names(variables: Record) -> Iterator[str]:
    taken = {*_SET_BY_US, *(name for name, value in variables.get("env", {}).items() if value is not None)}
    for one in variables.get("secret_env", []):
        if one["name"] in taken:
            yield f"{one['name']} is in `secrets` and an ordinary environment variable at once"


def _tags(labels: dict[str, str]) -> Iterator[str]:
    for key, value in labels.items():
        if not key or len(key) > _MAX_TAG_LENGTH[0] or len(value) > _MAX_TAG_LENGTH[1]:
            yield f"label {key!r}: a key has 1 to {_MAX_TAG_LENGTH[0]} characters, a value at most {_MAX_TAG_LENGTH[1]}"
        if key.lower().startswith("aws:") or value.lower().startswith("aws:"):
            yield f"label {key!r}: AWS keeps what starts with 'aws:' for itself"
