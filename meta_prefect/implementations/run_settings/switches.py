"""Settings of a deployment as a whole, and its entrypoint."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Allowed, Deployment
from meta_prefect.interfaces.short_forms import one_or_many


def _check_entrypoint(entrypoint: str) -> str:
    path, colon, function = entrypoint.rpartition(":")
    parts = [function] if colon else entrypoint.split(".")
    if not all(part.isidentifier() for part in parts) or (not path if colon else len(parts) == 1 or parts[-1] == "py"):
        raise ValueError(f"{entrypoint!r} is no entrypoint: write 'path.py:function' or 'package.module.function'")
    return entrypoint.removeprefix("./")


Entrypoint = Annotated[str, AfterValidator(_check_entrypoint)]
"""``path.py:function`` or ``package.module.function``."""


Shares = Annotated[tuple[Literal["schedules", "tags"], ...], BeforeValidator(one_or_many)]
"""Fields that operators may add to."""

Allowances = Annotated[tuple[Allowed, ...], BeforeValidator(one_or_many)]
"""Problems that Prefect accepts but a deploy rejects by default."""


class deployment_switches(Builder):  # noqa: N801 - used like a function
    """Sets what Prefect keeps of a deployment beside its metadata; what is None is left as it is.

    Attributes:
        paused: Whether it is paused, so that schedules create no runs; None leaves that to the operator.
        enforce_parameter_schema: Whether the server refuses parameters of runs that the flow does not take.
        entrypoint: Where runs find the flow, if not where the deploy found it: in an image, for example.
        owns_all: What operators may not add to, so that all of it is the recipe's.
        allow: What Prefect takes and is refused otherwise.
    """

    step: ClassVar[str] = "set switches"

    paused: bool | None = None
    enforce_parameter_schema: bool | None = None
    entrypoint: Entrypoint | None = None
    owns_all: Shares = ()
    allow: Allowances = ()

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the given values."""
        for name, value in self.model_dump(exclude_none=True, exclude={"owns_all", "allow"}).items():
            setattr(deployment, name, value)
        deployment.owns_all |= set(self.owns_all)
        deployment.allowed |= set(self.allow)
        return deployment
