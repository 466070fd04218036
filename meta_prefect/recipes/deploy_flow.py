"""The kind of Prefect flow that a deploy consists of."""

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

    Prefect writes a run's parameters down with FastAPI's encoder. Loading FastAPI takes a tenth of a second, which is
    much for a deploy that finds nothing to do.
    """

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters as they are shown with the run: without secrets."""
        try:
            return hidden(to_jsonable_python(parameters))
        except PydanticSerializationError:
            return hidden(super().serialize_parameters(parameters))


def deploy_flow(**options: Any) -> Callable[[Callable[P, R]], DeployFlow[P, R]]:
    """Make a flow of a function. Takes what :func:`prefect.flow` takes."""

    def decorate(function: Callable[P, R]) -> DeployFlow[P, R]:
        return DeployFlow(function, **options)

    return decorate
