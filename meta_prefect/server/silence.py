"""How long a server has not answered, so that users who wait for it see why, and do not wait forever."""

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
"""How long the first answer of a server may take."""

GONE_SECONDS: Final = 20
"""Seconds without a connection after which a server is given up: long enough for it to be restarted."""

STUCK_SECONDS: Final = 180
"""The same where it takes requests and answers none: one on SQLite may stand still for more than a minute, and then goes on."""


class Silence:
    """The requests to a server that are without an answer.

    Args:
        url: The address of the API.

    Attributes:
        heard: Whether it has ever answered.
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
        """A request is sent within."""
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
    def asked_for(self, seconds: float) -> Generator[None]:
        """The server has asked to be left alone for some seconds: until then nobody waits for an answer."""
        self._since, self._waits_until = None, time.monotonic() + seconds
        yield
        self._since = time.monotonic() if self._asking else None

    async def look_at(self, response: httpx.Response) -> None:
        """The server answers; a hook of an httpx client."""
        del response
        self.heard, self._since = True, None

    def end(self) -> None:
        """Nothing is asked any more."""
        self._since = None

    @property
    def seconds(self) -> float:
        """For how long it has not answered."""
        return 0 if (since := self._since) is None else time.monotonic() - since

    @property
    def asked_seconds(self) -> float:
        """For how long it has asked to be left alone from now on."""
        return max(0.0, self._waits_until - time.monotonic())

    @property
    def is_refusing(self) -> bool:
        """Whether it takes no requests, rather than taking them and not answering."""
        return self._refused

    @property
    def is_gone(self) -> bool:
        """Whether to give it up."""
        return self.seconds > (GONE_SECONDS if self._refused else STUCK_SECONDS)


_watch: ContextVar[Callable[[Silence], None]] = ContextVar("watch", default=lambda _: None)


@contextmanager
def watched_by(watch: Callable[[Silence], None]) -> Generator[None]:
    """Hand over the silence of each server that is connected to within."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def begin_silence(url: str) -> Silence:
    """The silence of a server that is being connected to, which is watched from now on."""
    silence = Silence(url)
    _watch.get()(silence)
    return silence
