"""What those who wait for a server are told."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLOUD_API_URL, temporary_settings
from support import record_sleeps

from meta_prefect.cli.ending import Watched
from meta_prefect.server import silence as silence_module
from meta_prefect.server.pacing import Pace, asked_wait
from meta_prefect.server.silence import Silence

URL = "http://server/api"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Its time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which silences are measured."""
    clock = Clock()
    monkeypatch.setattr(silence_module, "time", clock)
    return clock


def told(silence: Silence, clock: Clock, seconds: float) -> tuple[list[str], list[str]]:
    """What is said, and shown in the live line, while a request is without an answer for so long, and after it."""
    said: list[str] = []
    shown: list[str] = []
    watched = Watched(silence, said.append, shown.append)
    with silence.asking():
        for _ in range(int(seconds * 2)):
            clock.now += 0.5
            watched.look()
    asyncio.run(silence.look_at(httpx.Response(200)))
    watched.look()
    return said, shown


def test_a_server_that_stands_still_is_told_with_what_is_known_to_cause_it(clock: Clock) -> None:
    """After ten seconds, then twice a minute, and when it goes on; the live line counts the seconds."""
    said, shown = told(Silence(URL), clock, 75)
    assert said[0] == f"waiting for the Prefect API at {URL} to answer …"
    still = f"the Prefect API at {URL} has not answered for"
    assert said[1].startswith(f"{still} 10 seconds; still waiting. `prefect server start` on SQLite")
    assert 'meta_prefect/local/README.md, "A server that stands still"' in said[1]
    assert said[2:4] == [f"{still} 41 seconds; still waiting", f"{still} 72 seconds; still waiting"]
    assert said[4:] == [f"the Prefect API at {URL} answers again"]
    assert shown[-2:] == [f"{still} 75 seconds", f"the Prefect API at {URL} answers again"]
    assert all(before != after for before, after in pairwise(said))


def test_a_short_wait_is_told_without_reasons(clock: Clock) -> None:
    """Nothing below four seconds, and a line below ten."""
    assert told(Silence(URL), clock, 3) == ([], [])
    assert told(Silence(URL), clock, 8) == ([f"waiting for the Prefect API at {URL} to answer …"], [])


def test_of_cloud_sqlite_is_not_suspected(clock: Clock) -> None:
    """It is known not to be the cause."""
    with temporary_settings({PREFECT_API_URL: URL, PREFECT_CLOUD_API_URL: URL}):
        assert "SQLite" not in "".join(told(Silence(URL), clock, 12)[0])


def test_a_server_that_stands_still_for_two_minutes_is_not_given_up(clock: Clock) -> None:
    """It takes requests, so it is there; one that takes none is gone after 20 seconds."""
    still, gone = Silence(URL), Silence(URL)
    with still.asking():
        clock.now += 150
        assert not still.is_gone
        clock.now += 60
        assert still.is_gone
    with pytest.raises(OSError, match="refused"), gone.asking():
        raise OSError("refused")
    clock.now += 21
    assert gone.is_gone


ASKED: dict[str, tuple[int, dict[str, str], float | None]] = {
    "seconds": (429, {"Retry-After": "7"}, 7),
    "a fraction": (429, {"Retry-After": "0.5"}, 0.5),
    "too long": (429, {"Retry-After": "86400"}, 600),
    "a date that is past": (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    "nonsense": (429, {"Retry-After": "soon"}, None),
    "nothing": (429, {}, None),
    "another answer": (503, {"Retry-After": "7"}, None),
}


@pytest.mark.parametrize(("status", "headers", "seconds"), ASKED.values(), ids=ASKED)
def test_how_long_an_answer_asks_to_wait(status: int, headers: dict[str, str], seconds: float | None) -> None:
    """By its header, in either of its two forms."""
    assert asked_wait(httpx.Response(status, headers=headers)) == seconds


def test_a_wait_that_was_asked_for_is_told_once_and_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """All requests wait together for as long as the first one was told to, and what is said of it has the seconds."""
    silence = Silence(URL)
    said: list[str] = []
    watched = Watched(silence, said.append, said.append)
    pace = Pace(silence)
    request = httpx.Request("POST", URL)

    def meanwhile(seconds: float) -> None:
        assert silence.seconds == 0
        for _ in range(3):
            watched.look()
        clock.now += seconds

    clock = Clock()
    monkeypatch.setattr("meta_prefect.server.pacing.time", clock)
    slept = record_sleeps(monkeypatch, asyncio, meanwhile)

    async def ask() -> None:
        with silence.asking():
            await pace.look_at(httpx.Response(429, headers={"Retry-After": "30"}))
            await pace.hold_back(request)
            await pace.hold_back(request)

    asyncio.run(ask())
    assert [round(seconds) for seconds in slept] == [30]
    assert said == [f"{URL} takes no more requests for now: going on in 30 seconds"] * 2
