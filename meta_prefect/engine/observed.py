"""How a run of ours shows in Prefect: what it is called, what it knows of itself, how it ends, when a task is tried again."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, Protocol, TypedDict, TypeVar, cast, get_type_hints, runtime_checkable

from prefect import Task, get_run_logger
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, Failed

from meta_prefect.errors import MetaPrefectError, ServerError, TemporaryServerError
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.tags import environment_tag, without_environment
from meta_prefect.private_logs import keep_logs_private
from meta_prefect.server import PrefectServer, ui_url
from meta_prefect.settings import read_settings


def present_run() -> tuple[str | None, str | None]:
    """The id of the present run and the address of its page in the UI; None each outside of a run."""
    run_id = flow_run.get_id()
    return (str(run_id), ui_url("flow-run", str(run_id))) if run_id else (None, None)


def running_for() -> timedelta | None:
    """How long the present run has been running; None where there is no run."""
    context = FlowRunContext.get()
    return None if context is None else datetime.now(UTC) - context.start_time


def deployment_id() -> str | None:
    """The id of the deployment whose run this is; None for a run that no deployment started, or where there is no run."""
    context = FlowRunContext.get()
    found = context.flow_run.deployment_id if context is not None and context.flow_run is not None else None
    return None if found is None else str(found)


def deployment_name() -> str | None:
    """The name of the deployment whose run this is; None for a run that no deployment started, or where there is no run."""
    return None if deployment_id() is None else deployment.get_name()


def is_automatic() -> bool:
    """Whether nobody started this run: a schedule did, or an automation."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None:
        return False
    made_by = run.created_by.type if run.created_by is not None else None
    return bool(run.auto_scheduled) or (made_by or "").upper() in ("SCHEDULE", "AUTOMATION")


def named_after_project(verb: str, towards: str = "to", *, dry_verb: str | None = None) -> Callable[[], str]:
    """What a run about a project is called from its start, until :func:`name_run` knows more.

    Args:
        verb: What it does.
        towards: What stands before the environment.
        dry_verb: What it does where its parameter ``dry_run`` is set.
    """

    def run_name() -> str:
        parameters: dict[str, Any] = flow_run.get_parameters()
        # A deployer's deployment is named after its project.
        project = deployment_name() or Path(parameters.get("path") or ".").resolve().name
        does = dry_verb if dry_verb is not None and parameters.get("dry_run") else verb
        return f"{does} {project} {towards} {parameters.get('environment') or read_settings().env}"

    return run_name


def run_title(
    context: DeployContext, verb: str, towards: str = "to", *, among: Sequence[str] = (), more: str = ""
) -> str:
    """``deploy etl-machine to prod @1a2b3c4: load``; ``+dirty`` where files were changed since that commit.

    Args:
        context: The deploy.
        verb: What is done.
        towards: What stands before the environment.
        among: All environments that the run is about, where it is about several.
        more: What else tells this run from others.
    """
    title = f"{verb} {context.project} {towards} {', '.join(among) or context.environment}"
    commit = "" if context.commit is None else f" @{short_commit(context.commit)}"
    return f"{title}{commit}{f': {more}' if more else ''}"


async def name_run(
    context: DeployContext,
    verb: str,
    server: PrefectServer,
    towards: str = "to",
    *,
    among: Sequence[str] = (),
    more: str = "",
) -> None:
    """Name the present run after what it does, and tag it with its project and environments; see :func:`run_title`."""
    name = run_title(context, verb, towards, among=among, more=more)
    await mark_run(context.project, among or [context.environment], server, name=name)


async def mark_run(
    project: str, environments: Sequence[str], server: PrefectServer, *, name: str | None = None
) -> None:
    """Tag the present run with its project and the environments that it is about, and name it.

    A run of a deployer comes with that one's tags, of which the environment is the deployer's own.
    """
    run_id = flow_run.get_id()
    if run_id is None:
        return
    others = without_environment(flow_run.get_tags())
    tags = list(dict.fromkeys((*others, f"project={project}", *map(environment_tag, environments))))
    try:
        await server.patch(f"/flow_runs/{run_id}", {"tags": tags, **({} if name is None else {"name": name})})
    except ServerError as error:
        get_run_logger().warning("the run could not be named: %s", error)


P = ParamSpec("P")
R = TypeVar("R")


@runtime_checkable
class Summarized(Protocol):
    """A result with a summary of one line, which becomes the message of the run's state."""

    @property
    def in_one_line(self) -> str:
        """The line."""
        ...


def saying(message: str, result: R) -> R:
    """Give back a result in a completed state with a message, by which runs are told apart in a list.

    The caller of the flow gets the result alone: Prefect takes it out of the state.
    """
    completed: Any = Completed(message=message, data=result)
    return cast("R", completed)


async def in_words(body: Awaitable[R]) -> R:
    """Await the body of a flow; see :func:`ending_in_words`."""
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


def ending_in_words(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Make the body of a flow end in a state that says how: with the result's line, or failed with the error's own words.

    An error raised on purpose leaves no traceback in the log. It is still raised to the caller of the flow, as Prefect
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


RETRY_DELAYS_SECONDS: Final[list[float]] = [1, 5, 15]
"""Pauses between the attempts of a task. Each request has already been retried for half a minute by then."""


def is_temporary(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed attempt may be followed by another: only where the server could not serve it now.

    Prefect 3.8 silently never retries where this is anything but a plain function.
    """
    del task, task_run
    return isinstance(state.data, TemporaryServerError)


class _TaskOptions(TypedDict):
    cache_policy: CachePolicy
    retries: int
    retry_delay_seconds: list[float]
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], bool]


RETRY_TEMPORARY_ERRORS: Final[_TaskOptions] = {
    "cache_policy": NO_CACHE,
    "retries": len(RETRY_DELAYS_SECONDS),
    "retry_delay_seconds": RETRY_DELAYS_SECONDS,
    "retry_condition_fn": is_temporary,
}
"""Options of a task that speaks to the server: tried again where that could not serve it, and never answered from a cache."""
