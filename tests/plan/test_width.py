"""How many deployments are written at once follows from how the server answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from meta_prefect.engine.write_limit import WIDEST, WINDOW, WriteLimit, each


class Server:
    """A server in memory: its time goes on with each write, by as much as it takes at that width.

    Args:
        seconds: How long a write takes where so many are under way.
        overloaded_at: From which width on it answers that it cannot serve.
    """

    def __init__(self, seconds: Callable[[int], float], overloaded_at: int | None = None) -> None:
        self._seconds = seconds
        self._overloaded_at = overloaded_at
        self.time = 0.0
        self.overloads = 0

    def widths(self, writes: int) -> list[int]:
        """The width after each write."""
        width = WriteLimit(lambda: self.overloads, lambda: self.time)
        found: list[int] = []
        for _ in range(writes):
            self.time += self._seconds(width.now)
            self.overloads += self._overloaded_at is not None and width.now >= self._overloaded_at
            width.wrote()
            found.append(width.now)
        return found


def test_it_begins_one_at_a_time() -> None:
    """The first writes tell the pace of a server."""
    assert Server(lambda _: 1).widths(WINDOW - 1) == [1] * (WINDOW - 1)


@pytest.mark.parametrize(
    ("server", "settles_at"),
    [
        pytest.param(Server(lambda width: 1 / width), WIDEST, id="that serves all at once"),
        pytest.param(Server(lambda width: 1 / min(width, 3)), 3, id="that serves three at once"),
        pytest.param(Server(lambda _: 1), 1, id="that serves one after another"),
        pytest.param(Server(lambda width: width), 1, id="that gets slower"),
        pytest.param(Server(lambda width: 1 / width, overloaded_at=3), 1, id="that cannot serve three"),
        pytest.param(Server(lambda width: 1 / width, overloaded_at=1), 1, id="that cannot even serve one"),
    ],
)
def test_it_settles_at_what_a_server_can_take(server: Server, settles_at: int) -> None:
    """It widens while that is faster and answers are clean, and stays where it was best; at an overload it goes back to one."""
    assert server.widths(WINDOW * 20)[-1] == settles_at


def test_results_come_in_order_and_never_more_write_at_once() -> None:
    """Whatever ends first, the results are in the order of the items; no more write at a time than the width says."""
    writing, most = 0, 0

    async def run() -> list[int]:
        width = WriteLimit(lambda: 0, lambda: 0.0)

        async def act(number: int) -> int:
            nonlocal writing, most
            async with width.turn() as turn:
                await turn.begin()
                writing += 1
                assert writing <= width.now
                most = max(most, writing)
                for _ in range(30 - number % 30):
                    await asyncio.sleep(0)
                writing -= 1
            return number

        return await each(range(100), act, width)

    assert asyncio.run(run()) == list(range(100))
    assert most > 1


@pytest.mark.parametrize(
    ("ahead", "events"),
    [
        (0, ["ready a", "write a", "wrote a", "done a", "ready b", "write b", "wrote b", "done b"]),
        (1, ["ready a", "write a", "ready b", "wrote a", "done a", "write b", "wrote b", "done b"]),
    ],
)
def test_the_next_one_is_made_ready_while_one_is_written(ahead: int, events: list[str]) -> None:
    """What comes before a write happens while the write before it is under way, unless that is forbidden."""
    happened: list[str] = []

    async def run() -> None:
        width = WriteLimit(lambda: 0, lambda: 0.0)

        async def act(name: str) -> None:
            happened.append(f"ready {name}")
            async with width.turn() as turn:
                await turn.begin()
                happened.append(f"write {name}")
                for _ in range(5):
                    await asyncio.sleep(0)
                happened.append(f"wrote {name}")
                await turn.end()
                happened.append(f"done {name}")

        await each("ab", act, width, ahead=ahead)

    asyncio.run(run())
    assert happened == events


def test_what_needs_no_write_does_not_widen() -> None:
    """Deployments that are as wanted say nothing of how much a server can take."""

    async def run() -> int:
        width = WriteLimit(lambda: 0, lambda: 0.0)

        async def act(number: int) -> int:
            return number

        await each(range(WINDOW * 5), act, width)
        return width.now

    assert asyncio.run(run()) == 1
