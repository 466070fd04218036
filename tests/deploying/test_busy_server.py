"""A server that cannot serve a request just then, as one on SQLite while another write commits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import anyio
import prefect
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from support import record_sleeps

from meta_prefect.errors import OverloadedError, RefusedError
from meta_prefect.local.host import LocalHost
from meta_prefect.server import connect


class BusyApi(ThreadingHTTPServer):
    """Answers 503 so many times before it answers well.

    Args:
        refusals: How many times.
        headers: What those answers say besides.
        version: The version of Prefect that it says it is.
    """

    def __init__(self, refusals: int, headers: dict[str, str], version: str = prefect.__version__) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refusals = refusals
        self.headers = headers
        self.version = version
        self.requests = 0

    @property
    def url(self) -> str:
        """Its address, as PREFECT_API_URL has it."""
        return f"http://127.0.0.1:{self.server_port}/api"


class _Handler(BaseHTTPRequestHandler):
    server: BusyApi  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.requests += 1
        refused = self.server.requests <= self.server.refusals
        body = json.dumps(self.server.version).encode()
        self.send_response(503 if refused else 200)
        for name, value in (self.server.headers if refused else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write no log."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long Prefect's client has slept, in seconds. It does not really."""
    return record_sleeps(monkeypatch, anyio)


@pytest.fixture
def busy(request: pytest.FixtureRequest) -> Generator[BusyApi]:
    """A busy API."""
    with BusyApi(*request.param) as api:
        thread = Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield api
        finally:
            api.shutdown()
            thread.join()


async def _check(url: str) -> int:
    with temporary_settings({PREFECT_API_URL: url}):
        async with connect(LocalHost()) as server:
            await server.check()
            return server.overloads


@pytest.mark.parametrize("busy", [(4, {})], indirect=True)
def test_a_busy_server_is_asked_again_without_a_sleep_of_prefects(busy: BusyApi, waits: list[float]) -> None:
    """Prefect's client would sleep two seconds after each 503; the waits between our attempts begin at milliseconds."""
    assert asyncio.run(_check(busy.url)) == 4
    assert busy.requests == 5
    assert set(waits) <= {0.0}


@pytest.mark.parametrize("busy", [(1, {"Retry-After": "7"})], indirect=True)
def test_a_server_that_says_how_long_to_wait_is_given_that_time(busy: BusyApi, waits: list[float]) -> None:
    """A wait that the server asks for, as Prefect Cloud does where it limits rates, is kept."""
    assert asyncio.run(_check(busy.url)) == 1
    assert [wait for wait in waits if wait >= 7]


@pytest.mark.parametrize("busy", [(10**9, {})], indirect=True)
def test_a_server_that_stays_busy_is_given_up_with_an_error(
    busy: BusyApi, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience ends, in an error that says what was answered to which request."""
    monkeypatch.setattr("meta_prefect.server.requests.TRIED_AGAIN_SECONDS", 0)
    with pytest.raises(OverloadedError, match="answers 503 to GET /admin/version"):
        asyncio.run(_check(busy.url))
    assert busy.requests == 3
    assert set(waits) <= {0.0}


@pytest.mark.parametrize("busy", [(1, {})], indirect=True)
def test_prefects_own_requests_wait_as_ever(busy: BusyApi, waits: list[float]) -> None:
    """Prefect's engine shares the client of a deploy, and its requests keep the waits by which Prefect spares a busy server."""

    async def ask() -> str:
        with temporary_settings({PREFECT_API_URL: busy.url}):
            async with connect(LocalHost()):
                return await get_client().api_version()

    assert asyncio.run(ask()) == busy.version
    assert [wait for wait in waits if wait > 0.5]


@pytest.mark.parametrize("busy", [(0, {})], indirect=True)
def test_a_deploy_opens_one_client(busy: BusyApi) -> None:
    """Whoever asks Prefect for a client within a deploy gets the one that is open: each costs a TLS context and two requests."""

    async def clients() -> list[int]:
        with temporary_settings({PREFECT_API_URL: busy.url}):
            async with connect(LocalHost()), connect(LocalHost()):
                return [id(get_client()), id(get_client())]

    one, other = asyncio.run(clients())
    assert one == other
    assert busy.requests == 0


@pytest.mark.parametrize("busy", [(0, {}, "2.20.1")], indirect=True)
def test_a_prefect_of_another_major_version_is_refused_in_words(busy: BusyApi) -> None:
    """A server that cannot understand this client is named with both versions, before anything is asked of it."""
    with pytest.raises(
        RefusedError, match=f"is that of Prefect 2.20.1, and Prefect {prefect.__version__} is installed"
    ):
        asyncio.run(_check(busy.url))
