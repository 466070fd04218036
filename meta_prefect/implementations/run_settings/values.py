"""Builders that add values; several add up, and the outer one wins for the same key."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, merged


class parameters(Builder):  # noqa: N801 - used like a function
    """Sets default values of the flow's parameters.

    Attributes:
        values: Values by parameter; checked against the flow's own schema.
    """

    step: ClassVar[str] = "set parameters"

    values: dict[str, Any]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Add the values."""
        deployment.parameters = {**deployment.parameters, **self.values}
        return deployment


class job_variables(Builder):  # noqa: N801 - used like a function
    """Sets job variables: what the work pool's template leaves open.

    Attributes:
        values: Values by variable; unknown variables are refused. References such as ``{{ prefect.blocks.secret.x }}`` stay
            references.
    """

    step: ClassVar[str] = "set job variables"

    values: Record

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Add the values, merging objects key by key."""
        deployment.job_variables = merged(deployment.job_variables, self.values)
        return deployment


class env_variables(Builder):  # noqa: N801 - used like a function
    """Sets environment variables of the run.

    Attributes:
        values: Values by name; None unsets what the pool's template sets.
    """

    step: ClassVar[str] = "set environment variables"

    values: dict[str, str | None] = Field(default={})

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Add the variables."""
        deployment.job_variables = merged(deployment.job_variables, {"env": dict(self.values)})
        return deployment
