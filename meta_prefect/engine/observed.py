"""How our runs appear in Prefect: names, tags, final states, task options, and what a run knows about itself."""

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
    """Return the current run's id and the URL of its page in the UI; both None outside a run."""
    run_id = flow_run.get_id()
    return (str(run_id), ui_url("flow-run", str(run_id))) if run_id else (None, None)


def running_for() -> timedelta | None:
    """Return how long the current run has been running; None outside a run."""
    context = FlowRunContext.get()
    return None if context is None else datetime.now(UTC) - context.start_time


def deployment_id() -> str | None:
    """Return the id of the deployment that started the current run; None if there is none."""
    context = FlowRunContext.get()
    found = context.flow_run.deployment_id if context is not None and context.flow_run is not None else None
    return None if found is None else str(found)


def deployment_name() -> str | None:
    """Return the name of the deployment that started the current run; None if there is none."""
    return None if deployment_id() is None else deployment.get_name()


def is_automatic() -> bool:
    """Return whether the run was started by a schedule or an automation rather than a person."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None:
        return False
    made_by = run.created_by.type if run.created_by is not None else None
    return bool(run.auto_scheduled) or (made_by or "").upper() in ("SCHEDULE", "AUTOMATION")


def named_after_project(verb: str, towards: str = "to", *, dry_verb: str | None = None) -> Callable[[], str]:
    """Return a function for the initial name of a project's run, used until :func:`name_run` knows more.

    Args:
        verb: What it does.
        towards: The word before the environment.
        dry_verb: What it does if its parameter ``dry_run`` is set.
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
    """``deploy etl-machine to prod @1a2b3c4: load``; ``+dirty`` if files were changed since that commit.

    Args:
        context: The deploy.
        verb: What is done.
        towards: The word before the environment.
        among: All environments of the run, if there are several.
        more: Anything else that distinguishes this run.
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
    """Name the current run after what it does, and tag it with project and environments; see :func:`run_title`."""
    name = run_title(context, verb, towards, among=among, more=more)
    await mark_run(context.project, among or [context.environment], server, name=name)


async def mark_run(
    project: str, environments: Sequence[str], server: PrefectServer, *, name: str | None = None
) -> None:
    """Tag the current run with its project and environments, and name it.

    A deployer's run inherits the tags of its deployment, whose environment is the deployer's own.
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
    """A result with a one-line summary, which becomes the message of the run's state."""

    @property
    def in_one_line(self) -> str:
        """The summary."""
        ...


def saying(message: str, result: R) -> R:
    """Return a result in a completed state with a message, which distinguishes runs in a list.

    Callers of the flow get only the result: Prefect unwraps the state.
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
    """Wrap the body of a flow so that its final state has a message: the result's summary, or the error's own text.

    A deliberate error leaves no traceback in the log. Callers of the flow still get the exception or the plain result, since
    Prefect unwraps the state.
    """

    @wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return await in_words(function(*args, **kwargs))

    # Prefect resolves a flow's annotations in the module of the given function, which is now this one: resolve them here, and
    # leave nothing to unwrap.
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
"""Pauses between a task's attempts, in seconds. By then, each request has already been retried for half a minute."""


def is_temporary(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Return whether a failed attempt may be retried: only if the server could not serve it at the moment.

    Prefect 3.8 silently never retries if this is anything but a plain function.
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
"""Options of a task that talks to the server: retried on temporary errors, and never cached."""
