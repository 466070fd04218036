"""Commands that end early, through Ctrl-C or an unresponsive server: what was written so far is always reported."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from meta_prefect.engine.progress import Progress, Silent
from meta_prefect.errors import MetaPrefectError, UnreachableError

if TYPE_CHECKING:
    from meta_prefect.server import Silence

INTERRUPTED: Final = 130
"""The exit code a shell reports for a program that was ended by Ctrl-C: 128 plus the number of SIGINT."""

_LOOK_SECONDS: Final = 0.5
_REPORT_INTERVAL_SECONDS: Final = 4
_SLOW_SECONDS: Final = 10
_REPEAT_SECONDS: Final = 30
_NAMED: Final = 10


class Journal:
    """Records what a deploy planned to write and what it wrote, and forwards everything to a listener.

    Attributes:
        listener: The listener.
    """

    def __init__(self) -> None:
        self.listener: Progress = Silent()
        self._done: dict[str, str | None] = {}

    def step(self, text: str) -> None:
        """See :class:`Progress`."""
        self.listener.step(text)

    def wait(self, text: str) -> None:
        """See :class:`Progress`."""
        self.listener.wait(text)

    def plan(self, names: Sequence[str]) -> None:
        """See :class:`Progress`."""
        self._done = dict.fromkeys(names) | self._done
        self.listener.plan(names)

    def expect(self, writes: int) -> None:
        """See :class:`Progress`."""
        self.listener.expect(writes)

    def wrote(self, name: str, done: str) -> None:
        """See :class:`Progress`."""
        self._done[name] = done
        self.listener.wrote(name, done)

    def lines(self) -> list[str]:
        """Return what was written, what was not, and what to do about it."""
        by_result: dict[str, list[str]] = {}
        for name, done in self._done.items():
            by_result.setdefault(done or "not written, or just being written", []).append(name)
        if not by_result:
            return ["Nothing was written."]
        lines = [f"{done}: {_some(names)}" for done, names in by_result.items()]
        return [*lines, "Run the same command again to finish what is left; `meta-prefect plan` shows what that is."]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


journal: Final = Journal()
"""The journal of this process's command."""


class Watched:
    """Informs waiting users about the state of a server.

    Args:
        silence: Tracks the server's responsiveness.
        say: Prints a line.
        step: Updates the live line, if there is one.
    """

    def __init__(self, silence: Silence, say: Callable[[str], None], step: Callable[[str], None]) -> None:
        self.silence = silence
        self._say = say
        self._step = step
        self._said = 0.0
        self._is_left_alone = False

    def look(self) -> None:
        """Report any change."""
        self._look_at_the_limit()
        seconds, api = self.silence.seconds, f"the Prefect API at {self.silence.url}"
        if seconds > _SLOW_SECONDS:
            self._step(f"{api} has not answered for {seconds:.0f} seconds")
        if seconds < self._said:
            if self._said > _SLOW_SECONDS:
                self._say(f"{api} answers again")
                self._step(f"{api} answers again")
            self._said = 0.0
        elif self._said == 0 and seconds > _REPORT_INTERVAL_SECONDS:
            self._said = seconds
            self._say(f"waiting for {api} to answer …")
        elif seconds > max(_SLOW_SECONDS, self._said + (_REPEAT_SECONDS if self._said > _SLOW_SECONDS else 0)):
            why = "" if self._said > _SLOW_SECONDS else self._why()
            self._said = seconds
            self._say(f"{api} has not answered for {seconds:.0f} seconds; still waiting{why}")

    def _look_at_the_limit(self) -> None:
        left = self.silence.pause_remaining
        if left > 0 and not self._is_left_alone:
            text = f"{self.silence.url} takes no more requests for now: going on in {left:.0f} seconds"
            self._say(text)
            self._step(text)
        self._is_left_alone = left > 0

    def _why(self) -> str:
        """Explain the known cause."""
        from meta_prefect.prefect_internals.clients import leads_to_cloud

        if self.silence.is_refusing:
            return ", as it may be restarting"
        if leads_to_cloud():
            return ""
        return (
            ". `prefect server start` on SQLite can stall for a minute while others write; `meta-prefect server start` does not "
            '(meta_prefect/local/README.md, "A server that stands still")'
        )


@contextmanager
def watching_the_server(say: Callable[[str], None], fail: Callable[[MetaPrefectError], None]) -> Generator[None]:
    """Report which server is being waited for, and exit once it is gone: Prefect's engine would retry for four more minutes.

    Args:
        say: Shows a line to the user.
        fail: Shows an error to the user.
    """
    from meta_prefect.server import watched_by

    watched: list[Watched] = []
    over = Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            for one in watched:
                one.look()
            if gone := [one.silence for one in watched if one.silence.is_gone]:
                hint = "\n  ".join(journal.lines())
                what = f"the Prefect API at {gone[0].url} has not answered for {gone[0].seconds:.0f} seconds"
                try:
                    fail(UnreachableError(what, hint=hint))
                finally:
                    end_at_once(1)

    watcher = Thread(target=look, name="watch the server", daemon=True)
    watcher.start()
    try:
        with watched_by(lambda silence: watched.append(Watched(silence, say, journal.step))):
            yield
    finally:
        over.set()
        watcher.join()


def end_at_once(code: int) -> None:
    """Exit immediately, skipping exit handlers."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)
