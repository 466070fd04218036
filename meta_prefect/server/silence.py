"""Tracks how long a server has been unresponsive, so that waiting users see why, and do not wait forever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import httpx

FIRST_ANSWER_SECONDS: Final = 15
"""How long to wait for a server's first response."""

UNREACHABLE_SECONDS: Final = 20
"""Seconds without a connection after which to give up: long enough for a server to restart."""

STUCK_SECONDS: Final = 180
"""The same for a server that accepts connections but does not respond: one on SQLite may hang for over a minute and recover."""


class Silence:
    """The unanswered requests to a server.

    Args:
        url: The API's URL.

    Attributes:
        heard: Whether it has ever responded.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.heard: bool = False
        self._since: float | None = None
        self._refused = False
        self._asking = 0
        self._waits_until = 0.0

    @contextmanager
    def asking(self) -> Generator[None]:
        """Context of a request that is being sent."""
        if self._since is None:
            self._since, self._refused = time.monotonic(), False
        self._asking += 1
        try:
            yield
        except asyncio.CancelledError:
            self._since = None
            raise
        except Exception:
            self._refused = True
            raise
        finally:
            self._asking -= 1

    @contextmanager
    def pausing(self, seconds: float) -> Generator[None]:
        """Note that the server asked for a pause: until then, nobody is waiting for a response."""
        self._since, self._waits_until = None, time.monotonic() + seconds
        yield
        self._since = time.monotonic() if self._asking else None

    async def look_at(self, response: httpx.Response) -> None:
        """Note that the server responded; an httpx response hook."""
        del response
        self.heard, self._since = True, None

    def end(self) -> None:
        """Stop tracking."""
        self._since = None

    @property
    def seconds(self) -> float:
        """How long it has not responded."""
        return 0 if (since := self._since) is None else time.monotonic() - since

    @property
    def pause_remaining(self) -> float:
        """How much longer it asked us to pause."""
        return max(0.0, self._waits_until - time.monotonic())

    @property
    def is_refusing(self) -> bool:
        """Whether it refuses connections, rather than accepting them and not responding."""
        return self._refused

    @property
    def is_gone(self) -> bool:
        """Whether to give up."""
        return self.seconds > (UNREACHABLE_SECONDS if self._refused else STUCK_SECONDS)


_watch: ContextVar[Callable[[Silence], None]] = ContextVar("watch", default=lambda _: None)


@contextmanager
def watched_by(watch: Callable[[Silence], None]) -> Generator[None]:
    """Call a watcher with the :class:`Silence` of each server that is connected to within."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def track_silence(url: str) -> Silence:
    """Create the :class:`Silence` of a server being connected to, and call the watcher with it."""
    silence = Silence(url)
    _watch.get()(silence)
    return silence
