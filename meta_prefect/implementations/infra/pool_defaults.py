"""Settings of our own work pools that apply to all runs in them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from meta_prefect.hidden_values import secrets_in
from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, merged


class pool_defaults(Builder):  # noqa: N801 - used like a function
    """Says what the job template of the deployment's work pool has for all that run there; each of them says the same.

    The pool is one that a deploy makes. Of one that somebody else keeps it is asked, not written.

    Attributes:
        variables: Default values of the template's variables, by name; no secrets.
        template: Any other keys of the template, merged; where it has a list, positions are keys: ``{"containers": {"0": …}}``.
    """

    step: ClassVar[str] = "say what the pool has for all"

    variables: dict[str, Any] = Field(default={})
    template: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _may_be_read(self) -> Self:
        if found := secrets_in({**self.variables, **self.template}):
            raise ValueError(f"{', '.join(found)}: anybody may read a template: write a reference to a saved block")
        return self

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Add to the pool settings of inner builders."""
        defaults = {name: {"default": value} for name, value in self.variables.items()}
        asked: Record = {"variables": {"properties": defaults}} if defaults else {}
        deployment.pool_defaults = merged(deployment.pool_defaults, merged(asked, self.template))
        return deployment
