"""Prefect variables and blocks that a deployment's flow reads in its runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field, JsonValue

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.components import Component, SavedBlock, Variable
from meta_prefect.interfaces.deployment import Deployment


class prefect_variables(Builder):  # noqa: N801 - used like a function
    """Sets variables of Prefect, which the flow reads in its runs; they stay once no deployment asks for them.

    Attributes:
        values: JSON values by name, no secrets; ``{env}`` in a name stands for the environment.
    """

    step: ClassVar[str] = "need variables"

    values: dict[str, JsonValue]

    @property
    def requires(self) -> Iterable[Component]:
        """The variables."""
        return tuple(Variable(name=name, value=value) for name, value in self.values.items())

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Return the deployment unchanged: variables are separate objects."""
        return deployment


class saved_block(Builder):  # noqa: N801 - used like a function
    """Saves a block of Prefect, which the flow loads in its runs; it stays once no deployment asks for it.

    Attributes:
        type: The slug of its type, such as ``secret``.
        name: Its name.
        values: What it holds, no secrets; other fields stay as they are.
        secrets: For each field that is a secret, what holds it where the deploy runs: the name of an environment variable, or the
            path of a file, as Docker and Kubernetes mount secrets.
    """

    step: ClassVar[str] = "need a block"

    type: str
    name: str
    values: dict[str, JsonValue] = Field(default={})
    secrets: dict[str, str] = Field(default={})

    @property
    def requires(self) -> Iterable[Component]:
        """The block."""
        return (SavedBlock(block_type=self.type, name=self.name, values=self.values, secrets=self.secrets),)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Return the deployment unchanged: the block is a separate object."""
        return deployment
