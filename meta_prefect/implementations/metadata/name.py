"""The name of a deployment."""

from __future__ import annotations

import string
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment

BY_ENVIRONMENT: Final = "{name}-{env}"
"""The default name pattern."""


def _check_pattern(pattern: str) -> str:
    try:
        parts = [part for part in string.Formatter().parse(pattern) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"{pattern!r}: {error}") from None
    if any(name not in ("name", "env") or spec or conversion for _, name, spec, conversion in parts):
        raise ValueError(f"{pattern!r} holds more than {{name}} and {{env}} in braces")
    if not any(name == "name" for _, name, *_ in parts):
        raise ValueError(f"{pattern!r} has no place for {{name}}")
    return pattern


NamePattern = Annotated[str, AfterValidator(_check_pattern)]
"""A name with placeholders: ``{name}`` for the purpose and ``{env}`` for the environment."""


class namer(Builder):  # noqa: N801 - builders are used like functions, as in `@namer(name="nightly")`
    """Names a deployment after its purpose and its environment: ``<name>-<environment>``, or by another pattern.

    Attributes:
        name: The purpose, for example ``nightly``.
        per_environment: Whether the environment is appended. Without it two environments meet in one deployment.
        pattern: How the name is made of both, for example ``{env}.{name}``.
    """

    step: ClassVar[str] = "name"

    name: str = Field(min_length=1)
    per_environment: bool = True
    pattern: NamePattern = BY_ENVIRONMENT

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the name."""
        pattern = self.pattern if self.per_environment else "{name}"
        deployment.name = pattern.format(name=self.name, env=deployment.environment_word)
        return deployment
