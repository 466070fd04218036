"""Reports the progress of a deploy to an optional listener."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Progress(Protocol):
    """Listens to the progress of a deploy."""

    def step(self, text: str) -> None:
        """A step begins: ``apply etl/nightly-dev``."""
        ...

    def wait(self, text: str) -> None:
        """The deploy waits for someone else, named in the text; shown even if steps are not."""
        ...

    def plan(self, names: Sequence[str]) -> None:
        """These deployments will be written, one after another: everything the deploy has planned."""
        ...

    def expect(self, writes: int) -> None:
        """This many more objects will be written."""
        ...

    def wrote(self, name: str, done: str) -> None:
        """One object was written, or failed: its name, and ``created``, ``updated``, ``failed`` or the like."""
        ...


class Silent:
    """Ignores everything."""

    def step(self, text: str) -> None:
        """Do nothing."""

    def wait(self, text: str) -> None:
        """Do nothing."""

    def plan(self, names: Sequence[str]) -> None:
        """Do nothing."""

    def expect(self, writes: int) -> None:
        """Do nothing."""

    def wrote(self, name: str, done: str) -> None:
        """Do nothing."""


_SILENT = Silent()
_listener: ContextVar[Progress | None] = ContextVar("meta_prefect_progress", default=None)


def progress() -> Progress:
    """Return the listener of this context."""
    return _listener.get() or _SILENT


def has_listener() -> bool:
    """Return whether this context already has a listener."""
    return _listener.get() is not None


@contextmanager
def reporting_to(listener: Progress) -> Generator[None]:
    """Set the listener for deploys within this context."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
