"""Adapts the number of concurrent writes to what the server can handle, judging by its responses.

PostgreSQL and Prefect Cloud handle several writes concurrently. A server on SQLite returns 503 to all but one of them, and
may let single requests starve for a minute. So writes start one at a time, and concurrency increases only while responses
have no errors and arrive faster for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

WINDOW: Final = 20
"""Number of writes over which the pace is measured. A server on SQLite seldom gets through that many without a 503."""
WIDEST: Final = 8
"""The maximum concurrency: a single Prefect server gains nothing from more."""
_GAIN: Final = 1.1
"""How many times faster the higher concurrency must be to be kept."""
AHEAD: Final = 1
"""How many further writes to prepare in the meantime, so that neither side waits for the other."""


class WriteLimit:
    """An adaptive limit on concurrent writes.

    Args:
        overloads: Returns how many responses so far said that the server is overloaded.
        clock: Returns the time, in seconds.
    """

    def __init__(self, overloads: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._overloads = overloads
        self._clock = clock
        self._known = overloads()
        self._settled = False
        self._written = 0
        self._since = clock()
        self._pace = 0.0
        self._under_way = 0
        self._changed = asyncio.Condition()
        self.now: int = 1

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[WriteTurn]:
        """Provide a turn to write, which ends inside the context or with it."""
        turn = WriteTurn(self)
        try:
            yield turn
        finally:
            await turn.end()

    async def enter(self) -> None:
        """Wait for a free slot."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._under_way < self.now)
            self._under_way += 1

    async def leave(self) -> None:
        """Release the slot."""
        async with self._changed:
            self._under_way -= 1
            self.wrote()
            self._changed.notify_all()

    def wrote(self) -> None:
        """Record that a write has finished."""
        if self._settled:
            return
        if self._overloads() > self._known:
            self.now, self._settled = 1, True
            return
        self._written += 1
        if self._written < WINDOW:
            return
        now = self._clock()
        pace = WINDOW / max(now - self._since, 1e-6)
        if pace < self._pace * _GAIN:
            self.now, self._settled = max(1, self.now - 1), True
            return
        self._pace, self._since, self._written = pace, now, 0
        if self.now == WIDEST:
            self._settled = True
        else:
            self.now += 1


class WriteTurn:
    """A turn to write. It begins and ends only once, however often that is requested."""

    def __init__(self, width: WriteLimit) -> None:
        self._width = width
        self._begun = False
        self._ended = False

    async def begin(self) -> None:
        """Wait for the turn."""
        if not self._begun:
            await self._width.enter()
            self._begun = True

    async def end(self) -> None:
        """End the turn."""
        if self._begun and not self._ended:
            self._ended = True
            await self._width.leave()


async def each(
    items: Sequence[T], act: Callable[[T], Coroutine[Any, Any, R]], width: WriteLimit, *, ahead: int = AHEAD
) -> list[R]:
    """Process items concurrently; return the results in the order of the items.

    Writes happen within a :class:`WriteTurn`. ``act`` must not raise, because concurrent items would go on unobserved.

    Args:
        items: The items.
        act: Processes an item.
        width: The limit on concurrent writes.
        ahead: How many further items are started and wait for their turn.
    """
    results: dict[int, R] = {}
    running: dict[asyncio.Task[R], int] = {}
    waiting = deque(enumerate(items))
    while waiting or running:
        while waiting and len(running) < width.now + ahead:
            number, item = waiting.popleft()
            running[asyncio.create_task(act(item))] = number
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            results[running.pop(task)] = task.result()
    return [results[number] for number in range(len(items))]
