"""The progress of a deploy, for those who wait for it. Listening is optional."""

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
        """Somebody else has to finish first, and who; shown even where single steps are not."""
        ...

    def plan(self, names: Sequence[str]) -> None:
        """These deployments are going to be written, one after another: all that a whole deploy has planned."""
        ...

    def expect(self, writes: int) -> None:
        """This many more objects are going to be written."""
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
    """The listener of this context."""
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
