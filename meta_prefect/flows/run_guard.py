"""Importing a module is not running its flows: what a module starts at its top level is refused while it is imported here."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final, cast
from weakref import WeakSet

Calls = Sequence[tuple[str, str, Mapping[str, str]]]
"""Prefect's modules, classes and their methods, each with the verb of the error."""

_CALLS: Final[Calls] = (
    (
        "prefect.flows",
        "Flow",
        {"__call__": "runs", "serve": "serves", "aserve": "serves", "deploy": "deploys", "adeploy": "deploys"},
    ),
    (
        "prefect.tasks",
        "Task",
        dict.fromkeys(("__call__", "serve", "aserve", "submit", "map", "delay", "apply_async"), "runs"),
    ),
)
_CALLS_ON_DEPLOYMENTS: Final[Calls] = (
    ("prefect.deployments.runner", "RunnerDeployment", {"apply": "deploys", "aapply": "deploys"}),
    (
        "prefect.runner.runner",
        "Runner",
        dict.fromkeys(("add_deployment", "aadd_deployment", "start"), "serves flows as"),
    ),
)
"""Functions of modules that take a quarter of a second to import, if a flow uses them. Prefect calls them in its own threads."""


class RunOnImport(Exception):  # noqa: N818 - what the module did, not an error of ours
    """A module runs, serves or deploys a flow or a task when it is imported."""


@contextmanager
def refusing_runs() -> Generator[list[RunOnImport]]:
    """Refuse runs that this thread starts, or one that it starts meanwhile, whatever API they would go to.

    Yields:
        What was refused: a module may have caught the exception that it got.
    """
    import prefect.flows
    import prefect.tasks  # pyright: ignore[reportUnusedImport] - named in the table

    refused: list[RunOnImport] = []
    this_thread = threading.get_ident()
    started: WeakSet[threading.Thread] = WeakSet()
    original = cast("Callable[..., Any]", vars(prefect.flows.Flow)["to_deployment"])
    with ExitStack() as stack:

        def refuse(calls: Calls, *, threads: Callable[[int], bool]) -> None:
            for module, name, verbs in calls:
                kind: type[Any] = getattr(sys.modules[module], name)
                for method, verb in verbs.items():
                    if method in vars(kind):
                        stack.enter_context(_replaced(kind, method, _refusal(verb, refused), threads))

        def refuse_deployments() -> None:
            if all(module in sys.modules for module, _, _ in _CALLS_ON_DEPLOYMENTS):
                refuse(_CALLS_ON_DEPLOYMENTS, threads=lambda _: True)

        def to_deployment(flow: Any, *args: Any, **kwargs: Any) -> Any:
            made = original(flow, *args, **kwargs)
            refuse_deployments()
            return made

        def is_ours(thread: int) -> bool:
            return thread == this_thread or threading.current_thread() in started

        refuse(_CALLS, threads=is_ours)
        refuse_deployments()
        stack.enter_context(_replaced(prefect.flows.Flow, "to_deployment", to_deployment, is_ours))
        stack.enter_context(_replaced(threading.Thread, "start", _start_noting(started), is_ours))
        yield refused


def _start_noting(started: WeakSet[threading.Thread]) -> Callable[[threading.Thread], None]:
    """Start threads and note which; what is refused in one is told once, and not as a failure of the thread."""
    original = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        run = thread.run

        def quietly() -> None:
            with suppress(RunOnImport):
                run()

        started.add(thread)
        thread.run = quietly
        original(thread)

    return start


def _refusal(verb: str, refused: list[RunOnImport]) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        del kwargs
        error = RunOnImport(f"the module {verb} {getattr(args[0], 'name', None) or 'flows'!r} when it is imported")
        refused.append(error)
        raise error

    return refuse


@contextmanager
def _replaced(
    kind: type[Any], method: str, replacement: Callable[..., Any], threads: Callable[[int], bool]
) -> Generator[None]:
    """Replace a method for the calls of some threads."""
    original = cast("Callable[..., Any]", vars(kind)[method])

    def call(*args: Any, **kwargs: Any) -> Any:
        return (replacement if threads(threading.get_ident()) else original)(*args, **kwargs)

    setattr(kind, method, call)
    try:
        yield
    finally:
        setattr(kind, method, original)
