"""Letting a run fail in words: what was raised on purpose is for people, and needs no traceback."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast, get_type_hints

from prefect import get_run_logger
from prefect.states import Failed

from meta_prefect.errors import MetaPrefectError
from meta_prefect.private_logs import keep_logs_private

P = ParamSpec("P")
R = TypeVar("R")


async def in_words(body: Awaitable[R]) -> R:
    """Await the body of a flow; see :func:`failing_in_words`."""
    keep_logs_private()
    try:
        return await body
    except MetaPrefectError as error:
        get_run_logger().error("%s", error)
        failed: Any = Failed(message=str(error), data=error)
        return cast("R", failed)


def failing_in_words(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Make the body of a flow end in a failed state with the error's own words, in place of a traceback in its log.

    Whoever calls the flow gets the error raised all the same: Prefect raises what a failed state holds.
    """

    @wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return await in_words(function(*args, **kwargs))

    # Prefect reads a flow's annotations in the module of the function that it is given, which is now this one: give it what
    # they mean, and nothing to unwrap.
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    parameters = [one.replace(annotation=hints[name]) for name, one in signature.parameters.items()]
    run.__annotations__ = hints
    run.__dict__.pop("__wrapped__")
    run.__dict__["__signature__"] = signature.replace(
        parameters=parameters, return_annotation=hints.get("return", signature.return_annotation)
    )
    return run
