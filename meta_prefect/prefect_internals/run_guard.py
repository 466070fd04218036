"""Keeps imports free of side effects: flow runs and writes to Prefect at a module's top level are rejected during import."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar, copy_context
from typing import Any, Final, cast

Calls = Sequence[tuple[str, str, Mapping[str, str]]]
"""Prefect's modules, classes and methods to guard, each with a verb for the error message."""

CALLS: Final[Calls] = (
    (
        "prefect.flows",
        "Flow",
        {"__call__": "runs", "serve": "serves", "deploy": "deploys", "adeploy": "deploys"},
    ),
    (
        "prefect.tasks",
        "Task",
        dict.fromkeys(("__call__", "serve", "aserve", "submit", "map", "delay", "apply_async"), "runs"),
    ),
)
CALLS_ON_DEPLOYMENTS: Final[Calls] = (
    ("prefect.deployments.runner", "RunnerDeployment", {"apply": "deploys", "aapply": "deploys"}),
    (
        "prefect.runner.runner",
        "Runner",
        dict.fromkeys(("add_deployment", "aadd_deployment", "start"), "serves flows as"),
    ),
)
"""Functions in modules that take a quarter of a second to import, guarded only if a flow uses them."""

CLIENTS: Final = ("PrefectHttpxSyncClient", "PrefectHttpxAsyncClient")
"""The method in `prefect.client.base` that all of Prefect's requests go through."""
_READS: Final = ("filter", "paginate", "count", "history")
"""Path suffixes of requests that are not GET and yet only read."""


class RunOnImport(Exception):  # noqa: N818 - what the module did, not an error of ours
    """Raised when a module runs, serves or deploys a flow or task, or writes to Prefect, while being imported."""


_importing: ContextVar[list[RunOnImport] | None] = ContextVar("importing", default=None)
"""The calls rejected so far. Prefect's own threads inherit the caller's context; the module's threads are given it."""


@contextmanager
def refusing_runs() -> Generator[list[RunOnImport]]:
    """Reject runs started by this thread, or by threads it starts meanwhile, and anything they would write to Prefect.

    Reads are allowed, such as loading a block, but no server is started for them.

    Yields:
        The rejected calls, since the module may have caught the exceptions.
    """
    import prefect.client.base
    import prefect.flows
    import prefect.tasks  # pyright: ignore[reportUnusedImport] - named in the table

    refused: list[RunOnImport] = []
    original = cast("Callable[..., Any]", vars(prefect.flows.Flow)["to_deployment"])
    with ExitStack() as stack:

        def replace(kind: type[Any], method: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
            stack.enter_context(_replaced(kind, method, make, lambda: _importing.get() is refused))

        def refuse(calls: Calls) -> None:
            for module, name, verbs in calls:
                kind: type[Any] = getattr(sys.modules[module], name)
                for method, verb in verbs.items():
                    if method in vars(kind):
                        replace(kind, method, lambda _, verb=verb: _refusing_call(verb, refused))

        def refuse_deployments() -> None:
            if all(module in sys.modules for module, _, _ in CALLS_ON_DEPLOYMENTS):
                refuse(CALLS_ON_DEPLOYMENTS)

        def to_deployment(flow: Any, *args: Any, **kwargs: Any) -> Any:
            made = original(flow, *args, **kwargs)
            refuse_deployments()
            return made

        refuse(CALLS)
        refuse_deployments()
        replace(prefect.flows.Flow, "to_deployment", lambda _: to_deployment)
        for client in CLIENTS:
            replace(getattr(prefect.client.base, client), "send", lambda send: _sending_reads(send, refused))
        replace(threading.Thread, "start", lambda _: _start_in_this_context)
        stack.enter_context(_no_server_for_it())
        token = _importing.set(refused)
        stack.callback(_importing.reset, token)
        yield refused


@contextmanager
def _no_server_for_it() -> Generator[None]:
    """If no API is configured, make Prefect say so instead of starting a server for the life of this process."""
    from prefect.context import SettingsContext, get_settings_context

    outer = get_settings_context()
    server, ephemeral = outer.settings.server, outer.settings.server.ephemeral
    if outer.settings.api.url or not ephemeral.enabled:
        yield
        return
    # Prefect's temporary_settings would validate all settings again, for each module that is imported.
    server = server.model_copy(update={"ephemeral": ephemeral.model_copy(update={"enabled": False})})
    with SettingsContext(profile=outer.profile, settings=outer.settings.model_copy(update={"server": server})):
        yield


def _start_in_this_context(thread: threading.Thread) -> None:
    """Start a thread that belongs to the import; a call rejected in it is reported once, not as a crash of the thread."""
    run, context = thread.run, copy_context()

    def quietly() -> None:
        with suppress(RunOnImport):
            context.run(run)

    thread.run = quietly
    _START(thread)


_START: Final = threading.Thread.start


def _refusing_call(verb: str, refused: list[RunOnImport]) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        del kwargs
        raise _noted(f"{verb} {getattr(args[0], 'name', None) or 'flows'!r}", refused)

    return refuse


def _sending_reads(send: Callable[..., Any], refused: list[RunOnImport]) -> Callable[..., Any]:
    """Send reads and reject writes."""

    def send_read(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        path = str(request.url.path)
        if request.method == "GET" or path.rstrip("/").rpartition("/")[2] in _READS:
            return send(client, request, *args, **kwargs)
        raise _noted(f"writes to Prefect ({request.method} {path})", refused)

    return send_read


def _noted(what: str, refused: list[RunOnImport]) -> RunOnImport:
    error = RunOnImport(f"the module {what} when it is imported")
    refused.append(error)
    return error


@contextmanager
def _replaced(
    kind: type[Any], method: str, make: Callable[[Callable[..., Any]], Callable[..., Any]], is_ours: Callable[[], bool]
) -> Generator[None]:
    """Replace a method for calls that belong to the import."""
    original = cast("Callable[..., Any]", vars(kind)[method])
    replacement = make(original)

    def call(*args: Any, **kwargs: Any) -> Any:
        return (replacement if is_ours() else original)(*args, **kwargs)

    setattr(kind, method, call)
    try:
        yield
    finally:
        setattr(kind, method, original)
