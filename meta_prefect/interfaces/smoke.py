"""The smoke run of a deployment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from meta_prefect.interfaces.times import Length, length_in_words


class Smoke(BaseModel):
    """A run by which a deployment shows that it works, where it runs otherwise: its smoke run.

    Attributes:
        parameters: What the run gets in place of the deployment's own parameters.
        timeout: Within which time it is to be through, waiting for a worker included: ``10m``, ``2h``.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    parameters: dict[str, Any] = Field(default={}, title="Parameters", description="Parameters of the smoke run.")
    timeout: Length = Field(
        default=timedelta(minutes=10), title="Timeout", description="Within what time it is to be through: `10m`, `2h`."
    )

    def fitting(self, parameter_schema: dict[str, Any]) -> Smoke:
        """Return a copy limited to the parameters a flow has: project-wide parameters need not apply to every flow."""
        known: dict[str, Any] = parameter_schema.get("properties") or {}
        return self.model_copy(update={"parameters": {k: v for k, v in self.parameters.items() if k in known}})

    def __str__(self) -> str:
        return f"within {length_in_words(self.timeout)}"
