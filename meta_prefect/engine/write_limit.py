"""How many deployments are written at once: as many as the server can take, which only its answers tell.

PostgreSQL and Prefect Cloud serve several writes side by side. A server on SQLite answers 503 to all but one of them, and may
let single requests starve for a minute. So writing starts one at a time, and widens only while answers stay clean and come
faster for it.
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
"""Number of writes after which their pace is measured. A server on SQLite seldom gets through as many without a 503."""
WIDEST: Final = 8
"""More at once than this is never tried: a single Prefect server has no use for it."""
_GAIN: Final = 1.1
"""How many times faster a wider window must be to be worth it."""
AHEAD: Final = 1
"""How many more than may write are prepared meanwhile, so that neither the server nor we wait for the other."""


class WriteLimit:
    """The number of writes that may be under way.

    Args:
        overloads: Tells how often the server has answered so far that it cannot serve a request now.
        clock: Tells the time, in seconds.
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
        """Give a turn to write, which ends within or here."""
        turn = WriteTurn(self)
        try:
            yield turn
        finally:
            await turn.end()

    async def enter(self) -> None:
        """Wait until one more may write."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._under_way < self.now)
            self._under_way += 1

    async def leave(self) -> None:
        """Let somebody else write."""
        async with self._changed:
            self._under_way -= 1
            self.wrote()
            self._changed.notify_all()

    def wrote(self) -> None:
        """One write has ended."""
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
    """A turn to write. It begins and ends once, however often that is requested."""

    def __init__(self, width: WriteLimit) -> None:
        self._width = width
        self._begun = False
        self._ended = False

    async def begin(self) -> None:
        """Wait for it."""
        if not self._begun:
            await self._width.enter()
            self._begun = True

    async def end(self) -> None:
        """Let others write."""
        if self._begun and not self._ended:
            self._ended = True
            await self._width.leave()


async def each(
    items: Sequence[T], act: Callable[[T], Coroutine[Any, Any, R]], width: WriteLimit, *, ahead: int = AHEAD
) -> list[R]:
    """Do something with each item, several at a time; returns the results in the order of the items.

    Whatever writes does so in its :class:`WriteTurn`. What is done must not raise: all that is under way would go on unseen.

    Args:
        items: The items.
        act: What is done with each.
        width: How many may write at once.
        ahead: How many more are begun, and wait for their turn.
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
