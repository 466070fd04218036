"""When a command ends before its work is done: by Ctrl-C, or as the server is gone. What was written so far is always said."""

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
"""What a shell says of a program that Ctrl-C ended: 128 and the number of SIGINT."""

_LOOK_SECONDS: Final = 0.5
_TELL_SECONDS: Final = 4
_SLOW_SECONDS: Final = 10
_AGAIN_SECONDS: Final = 30
_NAMED: Final = 10


class Journal:
    """Remembers what a deploy was going to write, and what it wrote, while somebody else listens.

    Attributes:
        listener: Gets everything as well.
    """

    def __init__(self) -> None:
        self.listener: Progress = Silent()
        self._done: dict[str, str | None] = {}

    def step(self, text: str) -> None:
        """Something begins."""
        self.listener.step(text)

    def wait(self, text: str) -> None:
        """Somebody else has to finish first."""
        self.listener.wait(text)

    def plan(self, names: Sequence[str]) -> None:
        """These deployments are going to be written."""
        self._done = dict.fromkeys(names) | self._done
        self.listener.plan(names)

    def expect(self, writes: int) -> None:
        """This many more objects are going to be written."""
        self.listener.expect(writes)

    def wrote(self, name: str, done: str) -> None:
        """One of them has been written, or could not be."""
        self._done[name] = done
        self.listener.wrote(name, done)

    def lines(self) -> list[str]:
        """What was written, what was not, and what to do about it."""
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
"""What the command of this process was going to write, and what it wrote."""


class Watched:
    """Tells those who wait how it stands with a server.

    Args:
        silence: What is known of it.
        say: Prints a line.
        step: Changes the live line, where there is one.
    """

    def __init__(self, silence: Silence, say: Callable[[str], None], step: Callable[[str], None]) -> None:
        self.silence = silence
        self._say = say
        self._step = step
        self._said = 0.0
        self._is_left_alone = False

    def look(self) -> None:
        """Say what is new."""
        self._look_at_the_limit()
        seconds, api = self.silence.seconds, f"the Prefect API at {self.silence.url}"
        if seconds > _SLOW_SECONDS:
            self._step(f"{api} has not answered for {seconds:.0f} seconds")
        if seconds < self._said:
            if self._said > _SLOW_SECONDS:
                self._say(f"{api} answers again")
                self._step(f"{api} answers again")
            self._said = 0.0
        elif self._said == 0 and seconds > _TELL_SECONDS:
            self._said = seconds
            self._say(f"waiting for {api} to answer …")
        elif seconds > max(_SLOW_SECONDS, self._said + (_AGAIN_SECONDS if self._said > _SLOW_SECONDS else 0)):
            why = "" if self._said > _SLOW_SECONDS else self._why()
            self._said = seconds
            self._say(f"{api} has not answered for {seconds:.0f} seconds; still waiting{why}")

    def _look_at_the_limit(self) -> None:
        left = self.silence.asked_seconds
        if left > 0 and not self._is_left_alone:
            text = f"{self.silence.url} takes no more requests for now: going on in {left:.0f} seconds"
            self._say(text)
            self._step(text)
        self._is_left_alone = left > 0

    def _why(self) -> str:
        """What is known to cause it."""
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
    """Tell for which server is waited, and end this process once it is gone: Prefect's engine would try for four minutes more.

    Args:
        say: Tells the user a line.
        fail: Tells the user an error.
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
    """End this process without what others have registered for its end."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)
