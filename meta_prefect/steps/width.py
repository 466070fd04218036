"""How many deployments are written at once: as many as the server can take, which only its answers tell.

PostgreSQL and Prefect Cloud serve several writes side by side. A server on SQLite answers 503 to all but one of them, and may
let single requests starve for a minute. So writing starts one at a time, and widens only while answers stay clean and come
faster for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

WINDOW: Final = 20
"""After so many writes their pace is looked at. A server on SQLite seldom gets through as many without a 503."""
WIDEST: Final = 8
"""More at once than this is never tried: a single Prefect server has no use for it."""
_GAIN: Final = 1.1
"""So many times faster a wider window must be to be worth it."""


class Width:
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
        self.now = 1

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


async def each(items: Sequence[T], act: Callable[[T], Coroutine[Any, Any, R]], width: Width) -> list[R]:
    """Do something with each item, several at a time; returns the results in the order of the items.

    What is done must not raise: everything that is under way would go on unseen.
    """
    results: dict[int, R] = {}
    running: dict[asyncio.Task[R], int] = {}
    waiting = list(enumerate(items))
    while waiting or running:
        while waiting and len(running) < width.now:
            number, item = waiting.pop(0)
            running[asyncio.create_task(act(item))] = number
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            results[running.pop(task)] = task.result()
            width.wrote()
    return [results[number] for number in range(len(items))]
