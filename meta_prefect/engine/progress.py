"""Telling whoever waits for a deploy how far it is. Nobody has to listen."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Progress(Protocol):
    """What wants to hear how far a deploy is."""

    def step(self, text: str) -> None:
        """Something begins: ``apply etl/nightly-dev``."""
        ...

    def wait(self, text: str) -> None:
        """Somebody else has to finish first, and who: told even where nobody watches each step."""
        ...

    def plan(self, names: Sequence[str]) -> None:
        """These deployments are going to be written, one after another: all that a whole deploy has planned."""
        ...

    def expect(self, writes: int) -> None:
        """So many more objects are going to be written."""
        ...

    def wrote(self, name: str, done: str) -> None:
        """One of them has been written, or could not be: its name, and ``created``, ``updated``, ``failed`` or the like."""
        ...


class Silent:
    """Hears everything, and says nothing."""

    def step(self, text: str) -> None:
        """Say nothing."""

    def wait(self, text: str) -> None:
        """Say nothing."""

    def plan(self, names: Sequence[str]) -> None:
        """Say nothing."""

    def expect(self, writes: int) -> None:
        """Say nothing."""

    def wrote(self, name: str, done: str) -> None:
        """Say nothing."""


_SILENT = Silent()
_listener: ContextVar[Progress | None] = ContextVar("meta_prefect_progress", default=None)


def progress() -> Progress:
    """Whoever listens in this context."""
    return _listener.get() or _SILENT


def somebody_listens() -> bool:
    """Whether somebody listens in this context already."""
    return _listener.get() is not None


@contextmanager
def reporting_to(listener: Progress) -> Generator[None]:
    """Let somebody listen to the deploys that are made within."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
