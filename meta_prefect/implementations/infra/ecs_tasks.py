"""Runs as tasks on Amazon ECS."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.infra.containers import (
    CONTAINER_TEMPLATE,
    ContainerBuilder,
    PoolName,
    check_variable_names,
)
from meta_prefect.implementations.infra.ecs_limits import FARGATE_PROVIDERS, refusals
from meta_prefect.implementations.infra.quantities import Cpu, Memory, mebibytes, read_cpu
from meta_prefect.interfaces.json_diff import Record, merged

_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/.+")
_SECRET: Final = re.compile(r"arn:aws[a-z-]*:(?:secretsmanager|ssm):.+")

_WORKER_SECRETS: Final = {
    "PREFECT_API_KEY": "prefect_api_key_secret_arn",
    "PREFECT_API_AUTH_STRING": "prefect_api_auth_string_secret_arn",
}
"""Settings that the worker passes to each task; only these job variables make it take them from a secret instead."""

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
            "network_mode": {
                "type": "string",
                "title": "Network mode",
                "description": "Network mode of tasks that are not on Fargate; ECS takes subnets with awsvpc only.",
                "enum": ["awsvpc", "bridge", "host", "none"],
            },
        }
    },
    "job_configuration": {
        "task_definition": {
            "networkMode": "{{ network_mode }}",
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
            # The value is not shown: it may be the secret itself.
            raise ValueError(f"{name}: give the ARN of a secret or parameter, never the value itself")
    return secrets


RoleArn = Annotated[str, AfterValidator(_check_role)]
"""The ARN of an IAM role."""

SecretArns = Annotated[dict[str, str], AfterValidator(_check_secrets)]
"""ARNs of secrets or parameters, by environment variable."""


class Network(BaseModel):
    """Where the tasks are in the network.

    Attributes:
        vpc_id: The VPC.
        subnets: Subnets of the VPC; none means all of them, which is for Fargate only.
        security_groups: Security groups; none means the VPC's own.
        public_ip: Whether tasks get a public address, without which they reach the Prefect API through a NAT gateway only; None
            means on Fargate, as others cannot have one.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    vpc_id: str = Field(pattern=r"^vpc-[0-9a-z]+$")
    subnets: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-z]+$")], ...] = Field(default=(), max_length=16)
    security_groups: tuple[Annotated[str, Field(pattern=r"^sg-[0-9a-z]+$")], ...] = Field(default=(), max_length=5)
    public_ip: bool | None = None

    def job_variables(self, launch_type: str) -> Record:
        """Return the job variables as prefect-aws expects them."""
        if not self.subnets:
            return {"vpc_id": self.vpc_id}
        public_ip = launch_type in FARGATE_PROVIDERS if self.public_ip is None else self.public_ip
        configuration: Record = {
            "subnets": list(self.subnets),
            "securityGroups": list(self.security_groups),
            "assignPublicIp": "ENABLED" if public_ip else "DISABLED",
        }
        return {"vpc_id": self.vpc_id, "network_configuration": configuration}

    @model_validator(mode="after")
    def _needs_subnets(self) -> Self:
        if not self.subnets and (self.security_groups or self.public_ip is False):
            raise ValueError("`security_groups` and `public_ip` are for chosen `subnets`: name those too")
        return self


class CapacityProvider(BaseModel):
    """One of the capacity providers among which ECS chooses.

    Attributes:
        name: ``FARGATE``, ``FARGATE_SPOT``, or the name of one that the cluster has.
        weight: Its share of the tasks.
        base: How many tasks it gets before shares count.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    weight: int = Field(default=1, ge=0, le=1000)
    base: int = Field(default=0, ge=0, le=100_000)


class ecs(ContainerBuilder):  # noqa: N801 - used like a function
    """Runs a deployment as a task on ECS. Prefect's worker registers the task definition.

    Attributes:
        cpu: CPUs: a number (``0.5``) or text (``"500m"``); Fargate has certain sizes only.
        memory: Memory: a number of gibibytes (``1.5``) or text with a unit; Fargate has certain sizes for each CPU only.
        launch_type: What the tasks run on.
        capacity_providers: The capacity providers among which ECS chooses, all of the launch type ``FARGATE`` or ``EC2``.
        cluster: Name or ARN of the cluster; None means the pool's, else the account's own.
        task_role: The ARN of the role that the flow acts as.
        execution_role: The ARN of the role that pulls the image, reads secrets and writes logs.
        family: The family of the task definition; None gives each deployment its own.
        secrets: Environment variables from Secrets Manager or Parameter Store, by ARN. Needs an execution role.
        network: Where the tasks are in the network; None means the account's own VPC, or on EC2 that of the instance.
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
    capacity_providers: tuple[CapacityProvider, ...] = Field(default=(), max_length=20)
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
        for refusal in refusals({"env": self.env, **self._chosen({})}):
            raise ValueError(refusal)
        return self

    @property
    def cpu_units(self) -> int | None:
        """CPU units (1024 per CPU); None if not set."""
        return None if self.cpu is None else int(read_cpu(self.cpu) * Decimal(1024))

    @property
    def mebibytes(self) -> int | None:
        """Memory in MiB; None if not set."""
        return None if self.memory is None else mebibytes(self.memory)

    def job_variables(self, given: Record) -> Record:
        """Return the variables this builder sets.

        Raises:
            ConfigurationError: AWS would reject the combination with what inner builders have set.
        """
        chosen = self._chosen(given)
        for refusal in refusals({**given, **chosen}):
            raise ConfigurationError(refusal)
        return chosen

    def _chosen(self, given: Record) -> Record:
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
        if self.capacity_providers:
            result["capacity_provider_strategy"] = [
                {"capacityProvider": one.name, "weight": one.weight, "base": one.base}
                for one in self.capacity_providers
            ]
        if self.network is not None:
            result |= self.network.job_variables(self.launch_type)
        if self.launch_type == "EC2" and "vpc_id" in {**given, **result}:
            result["network_mode"] = "awsvpc"  # the only mode with subnets, and the only one on Fargate
        arns = dict(self.secrets)
        result |= {variable: arns.pop(name) for name, variable in _WORKER_SECRETS.items() if name in arns}
        if arns:
            known = {one["name"]: one for one in given.get("secret_env", [])}
            added = {name: {"name": name, "valueFrom": arn} for name, arn in arns.items()}
            result["secret_env"] = list({**known, **added}.values())
        if self.labels:
            result["labels"] = {**given.get("labels", {}), **self.labels}
        return result
