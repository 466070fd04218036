"""Finds values that cannot be sent to the server as JSON, before anything is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from pydantic import SecretBytes, SecretStr

from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.deployment import Deployment

_LOAD: Final = 'Store it as a Secret block and load it in the flow: `Secret.load("name")`.'
_ASTERISKS: Final = str(SecretStr("any"))


def check_storable(deployment: Deployment) -> Iterator[ConfigurationError]:
    """Yield values that the server would reject or alter, with their paths.

    JSON has no infinity and no NaN, and a secret would be sent as asterisks, which runs would then receive.
    """
    parts: dict[str, object] = {
        "parameters": deployment.parameters,
        "job_variables": deployment.job_variables,
        "pull_steps": deployment.pull_steps,
    }
    for schedule in deployment.schedules or ():
        parts[f"parameters of schedule {schedule.slug!r}"] = schedule.parameters
    for part, values in parts.items():
        for path, value in _leaves(values, part):
            if isinstance(value, SecretStr | SecretBytes):
                message = f"{path}: a {type(value).__name__} would be stored as asterisks, and its run would get those"
                yield ConfigurationError(message, where=deployment.full_name, hint=_LOAD)
            elif isinstance(value, float) and not math.isfinite(value):
                message = f"{path}: {value!r} cannot be stored: JSON has no such number"
                yield ConfigurationError(message, where=deployment.full_name, hint="Use null, or a number.")
    for path, value in _leaves(deployment.form, "parameter schema"):
        if isinstance(value, float) and not math.isfinite(value):
            yield ConfigurationError(
                f"{path}: the flow's default {value!r} cannot be stored: JSON has no such number",
                where=deployment.full_name,
                hint="Use None as the default and choose the number in the flow.",
            )
        elif value == _ASTERISKS and ".default" in path and not _is_given(path, deployment):
            yield ConfigurationError(
                f"{path}: the flow's default is a secret; it would be stored as asterisks, which the run form would send",
                where=deployment.full_name,
                hint=f"Use None as the default. {_LOAD}",
            )


def _is_given(path: str, deployment: Deployment) -> bool:
    """Return whether the deployment sets its own value for the parameter that a default belongs to."""
    return any(path.startswith(f"parameter schema.properties.{name}.") for name in deployment.parameters)


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[Any, Any]", value).items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, inner in enumerate(cast("Sequence[Any]", value)):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value
