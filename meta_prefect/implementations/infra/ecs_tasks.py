"""Runs as tasks of Amazon's Elastic Container Service."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from meta_prefect.implementations.infra.containers import (
    CONTAINER_TEMPLATE,
    ContainerBuilder,
    PoolName,
    check_variable_names,
)
from meta_prefect.implementations.infra.quantities import Cpu, Memory, mebibytes, read_cpu
from meta_prefect.interfaces.records import Record, merged

_GIBIBYTE: Final = 1024

FARGATE_MEMORY: Final = {
    256: (512, 1024, 2048),
    512: tuple(range(1 * _GIBIBYTE, 4 * _GIBIBYTE + 1, _GIBIBYTE)),
    1024: tuple(range(2 * _GIBIBYTE, 8 * _GIBIBYTE + 1, _GIBIBYTE)),
    2048: tuple(range(4 * _GIBIBYTE, 16 * _GIBIBYTE + 1, _GIBIBYTE)),
    4096: tuple(range(8 * _GIBIBYTE, 30 * _GIBIBYTE + 1, _GIBIBYTE)),
    8192: tuple(range(16 * _GIBIBYTE, 60 * _GIBIBYTE + 1, 4 * _GIBIBYTE)),
    16384: tuple(range(32 * _GIBIBYTE, 120 * _GIBIBYTE + 1, 8 * _GIBIBYTE)),
}
"""What Fargate offers: mebibytes of memory by CPU units, of which a CPU has 1024."""

DEFAULT_CPU_UNITS: Final = 1024
"""CPU units of a task that says nothing, by prefect-aws."""

DEFAULT_MEBIBYTES: Final = 2048
"""Memory of a task that says nothing, by prefect-aws."""

_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/.+")
_SECRET: Final = re.compile(r"arn:aws[a-z-]*:(?:secretsmanager|ssm):.+")

_ECS_TEMPLATE: Final[Record] = {
    "variables": {
        "properties": {
            "secret_env": {
                "type": "array",
                "title": "Secret environment",
                "description": "Environment variables from AWS Secrets Manager or Parameter Store, each `name` and `valueFrom`.",
                "items": {"type": "object", "required": ["name", "valueFrom"]},
                "default": [],
            },
            "ephemeral_storage": {
                "type": "integer",
                "title": "Ephemeral storage",
                "description": "GiB of disk of a Fargate task, 21 to 200.",
                "minimum": 21,
                "maximum": 200,
            },
        }
    },
    "job_configuration": {
        "task_definition": {
            # The container may use all of its task's memory.
            "containerDefinitions": {"0": {"secrets": "{{ secret_env }}", "memory": "{{ memory }}"}},
            "ephemeralStorage": {"sizeInGiB": "{{ ephemeral_storage }}"},
        }
    },
}


def _check_role(role: str) -> str:
    if _ROLE.fullmatch(role) is None and "{{" not in role:
        raise ValueError(f"{role!r} is no role: write 'arn:aws:iam::<account>:role/<name>'")
    return role


def _check_secrets(secrets: dict[str, str]) -> dict[str, str]:
    check_variable_names(secrets)
    for name, reference in secrets.items():
        if _SECRET.fullmatch(reference) is None:
            # What was written is not shown: it may be the secret itself.
            raise ValueError(f"{name}: give the ARN of a secret or parameter, never the value itself")
    return secrets


RoleArn = Annotated[str, AfterValidator(_check_role)]
"""The ARN of an IAM role."""

SecretArns = Annotated[dict[str, str], AfterValidator(_check_secrets)]
"""ARNs of secrets or parameters, by the environment variable that gets the value."""


class Network(BaseModel):
    """Where the tasks are in the network.

    Attributes:
        vpc_id: The VPC.
        subnets: Subnets of the VPC; none means all of them.
        security_groups: Security groups; none means the VPC's own.
        public_ip: Whether tasks get a public address, without which they reach the Prefect API through a NAT gateway only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vpc_id: str = Field(pattern=r"^vpc-[0-9a-z]+$")
    subnets: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-z]+$")], ...] = ()
    security_groups: tuple[Annotated[str, Field(pattern=r"^sg-[0-9a-z]+$")], ...] = ()
    public_ip: bool = True

    def job_variables(self) -> Record:
        """As prefect-aws takes it."""
        if not self.subnets:
            return {"vpc_id": self.vpc_id}
        configuration: Record = {
            "subnets": list(self.subnets),
            "securityGroups": list(self.security_groups),
            "assignPublicIp": "ENABLED" if self.public_ip else "DISABLED",
        }
        return {"vpc_id": self.vpc_id, "network_configuration": configuration}

    @model_validator(mode="after")
    def _needs_subnets(self) -> Self:
        if not self.subnets and (self.security_groups or not self.public_ip):
            raise ValueError("`security_groups` and `public_ip` are for chosen `subnets`: name those too")
        return self


class ecs(ContainerBuilder):  # noqa: N801 - used like a function
    """Runs a deployment as a task on ECS. Prefect's worker registers the task definition.

    Attributes:
        cpu: CPUs: a number (``0.5``) or text (``"500m"``); Fargate has certain sizes only.
        memory: Memory: a number of gibibytes (``1.5``) or text with a unit; Fargate has certain sizes for each CPU only.
        launch_type: What the tasks run on.
        cluster: Name or ARN of the cluster; None means the pool's, else the account's own.
        task_role: The ARN of the role that the flow acts as.
        execution_role: The ARN of the role that pulls the image, reads secrets and writes logs.
        family: The family of the task definition; None gives each deployment its own.
        secrets: Environment variables from Secrets Manager or Parameter Store, by ARN. Needs an execution role.
        network: Where the tasks are in the network; None means the account's own VPC.
        logs: Whether the container's output goes to CloudWatch. Needs an execution role.
        ephemeral_storage: GiB of disk of a Fargate task; None means Fargate's own 20.
        labels: Tags of the tasks.
    """

    step: ClassVar[str] = "run on ecs"
    worker_type: ClassVar[str] = "ecs"
    template: ClassVar[Record] = merged(CONTAINER_TEMPLATE, _ECS_TEMPLATE)

    cpu: Cpu | None = None
    memory: Memory | None = None
    launch_type: Literal["FARGATE", "FARGATE_SPOT", "EC2", "EXTERNAL"] = "FARGATE"
    cluster: str | None = Field(default=None, min_length=1)
    task_role: RoleArn | None = None
    execution_role: RoleArn | None = None
    family: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,255}$")
    secrets: SecretArns = Field(default={})
    network: Network | None = None
    logs: bool | None = None
    ephemeral_storage: int | None = Field(default=None, ge=21, le=200)
    labels: dict[str, str] = Field(default={})
    work_pool: PoolName = "ecs"

    @model_validator(mode="after")
    def _aws_accepts(self) -> Self:
        if (self.secrets or self.logs) and self.execution_role is None:
            raise ValueError("`secrets` and `logs` need an `execution_role` that may read or write them")
        if self.launch_type.startswith("FARGATE") and (self.cpu is not None or self.memory is not None):
            check_fargate_size(self.cpu_units or DEFAULT_CPU_UNITS, self.mebibytes or DEFAULT_MEBIBYTES)
        return self

    @property
    def cpu_units(self) -> int | None:
        """CPU in units of which a CPU has 1024; None where nothing was said."""
        return None if self.cpu is None else int(read_cpu(self.cpu) * Decimal(1024))

    @property
    def mebibytes(self) -> int | None:
        """Memory in mebibytes; None where nothing was said."""
        return None if self.memory is None else mebibytes(self.memory)

    def job_variables(self, given: Record) -> Record:
        """What this builder sets."""
        chosen: dict[str, Any] = {
            "cpu": self.cpu_units,
            "memory": self.mebibytes,
            "launch_type": self.launch_type,
            "cluster": self.cluster,
            "task_role_arn": self.task_role,
            "execution_role_arn": self.execution_role,
            "family": self.family,
            "configure_cloudwatch_logs": self.logs,
            "ephemeral_storage": self.ephemeral_storage,
        }
        result: Record = {name: value for name, value in chosen.items() if value is not None}
        if self.network is not None:
            result |= self.network.job_variables()
        if self.secrets:
            known = {one["name"]: one for one in given.get("secret_env", [])}
            added = {name: {"name": name, "valueFrom": arn} for name, arn in self.secrets.items()}
            result["secret_env"] = list({**known, **added}.values())
        if self.labels:
            result["labels"] = {**given.get("labels", {}), **self.labels}
        return result


def check_fargate_size(cpu_units: int, memory: int) -> None:
    """Check that Fargate has tasks of a size.

    Args:
        cpu_units: CPU, in units of which a CPU has 1024.
        memory: Memory in mebibytes.

    Raises:
        ValueError: It has none.
    """
    if cpu_units not in FARGATE_MEMORY:
        sizes = ", ".join(f"{units / 1024:g}" for units in FARGATE_MEMORY)
        raise ValueError(f"Fargate has no tasks with {cpu_units / 1024:g} CPUs, but with {sizes}")
    offered = FARGATE_MEMORY[cpu_units]
    if memory not in offered:
        close = min(offered, key=lambda size: (abs(size - memory), -size))
        raise ValueError(
            f"Fargate has no tasks with {cpu_units / 1024:g} CPUs and {memory}Mi of memory, the closest is {close}Mi "
            f"(it offers {offered[0]}Mi to {offered[-1]}Mi)"
        )
