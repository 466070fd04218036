"""Letting a run end in words: its state says what it did, or what is wrong; an error on purpose needs no traceback."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast, get_type_hints, runtime_checkable

from prefect import State, get_run_logger
from prefect.states import Completed, Failed

from meta_prefect.errors import MetaPrefectError
from meta_prefect.private_logs import keep_logs_private

P = ParamSpec("P")
R = TypeVar("R")


@runtime_checkable
class Summarized(Protocol):
    """A result that can be told in a line, which becomes the message of the run's state."""

    @property
    def in_one_line(self) -> str:
        """The line."""
        ...


def saying(message: str, result: R) -> R:
    """Give back a result in a completed state with a message, by which runs are told apart in a list.

    Whoever calls the flow gets the result alone: Prefect takes it out of the state.
    """
    completed: Any = Completed(message=message, data=result)
    return cast("R", completed)


async def in_words(body: Awaitable[R]) -> R:
    """Await the body of a flow; see :func:`failing_in_words`."""
    keep_logs_private()
    try:
        result = await body
    except MetaPrefectError as error:
        get_run_logger().error("%s", error)
        failed: Any = Failed(message=str(error), data=error)
        return cast("R", failed)
    if isinstance(result, Summarized) and not isinstance(result, State):
        return saying(result.in_one_line, result)
    return result


def failing_in_words(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Make the body of a flow end in a state that says how: with the result's line, or failed with the error's own words.

    An error raised on purpose leaves no traceback in the log. Whoever calls the flow gets it raised all the same, as Prefect
    raises what a failed state holds, or gets the result alone.
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
