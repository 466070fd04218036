"""The Prefect flow class that all flows of a deploy use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect.flows import Flow
from pydantic_core import PydanticSerializationError, to_jsonable_python

from meta_prefect.redaction import hidden

P = ParamSpec("P")
R = TypeVar("R")


class DeployFlow(Flow[P, R]):
    """A flow whose parameters are plain values and pydantic models.

    Prefect serializes a run's parameters with FastAPI's encoder. Importing FastAPI takes a tenth of a second, which is too
    much for a deploy with nothing to do.
    """

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters as shown with the run, without secrets."""
        try:
            return hidden(to_jsonable_python(parameters))
        except PydanticSerializationError:
            return hidden(super().serialize_parameters(parameters))


def deploy_flow(**options: Any) -> Callable[[Callable[P, R]], DeployFlow[P, R]]:
    """Turn a function into a flow; for the options see :func:`prefect.flow`."""

    def decorate(function: Callable[P, R]) -> DeployFlow[P, R]:
        return DeployFlow(function, **options)

    return decorate
