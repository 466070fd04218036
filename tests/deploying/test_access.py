"""What a server asks of its clients: a CSRF token, an authentication string, the right address; and what is said without it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL, temporary_settings
from prefect.settings import PREFECT_CLOUD_API_URL as CLOUD_URL
from support import Api

from meta_prefect.errors import RefusedError
from meta_prefect.local.host import LocalHost
from meta_prefect.server import connect

Cli = Callable[..., subprocess.CompletedProcess[str]]


class StrictApi(ThreadingHTTPServer):
    """Wants the newest CSRF token on each POST and forgets it after some, or refuses each POST as it is told.

    Args:
        uses: How many POSTs a token is good for.
        refusal: The status and the body with which every POST is refused.
    """

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, uses: int = 10**9, refusal: tuple[int, str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.uses, self.refusal = uses, refusal
        self.lock, self.tokens = Lock(), count(1)
        self.token, self.left, self.served = "", 0, 0

    def new_token(self) -> str:
        """A token, which makes those before it worthless."""
        with self.lock:
            self.token, self.left = f"token-{next(self.tokens)}", self.uses
            return self.token

    def accepts(self, token: str | None) -> bool:
        """Whether a token is the newest and has not been used up."""
        with self.lock:
            self.left -= token == self.token
            good = token == self.token and self.left >= 0
            self.served += good
            return good


class _Handler(BaseHTTPRequestHandler):
    server: StrictApi  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self) -> None:
        self._answer(200, json.dumps({"token": self.server.new_token()}))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refusal is not None:
            self._answer(*self.server.refusal)
        elif self.server.accepts(self.headers["Prefect-Csrf-Token"]):
            self._answer(200, "[]")
        else:
            self._answer(403, json.dumps({"detail": "Invalid CSRF token or client identifier."}))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write no log."""


@pytest.fixture
def strict(request: pytest.FixtureRequest) -> Generator[StrictApi]:
    """Such an API; Prefect's settings lead to it."""
    with StrictApi(**request.param) as api:
        Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05}).start()
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{api.server_port}/api"}):
            yield api
        api.shutdown()


async def _post(times: int) -> None:
    async with connect(LocalHost()) as server:
        await asyncio.gather(*(server.post("/deployments/filter", {}) for _ in range(times)))


@pytest.mark.parametrize("strict", [{}], indirect=True)
def test_first_writes_side_by_side_share_one_token(strict: StrictApi) -> None:
    """Of many first requests at once one fetches a token, and the others wait for it."""
    asyncio.run(_post(12))
    assert (strict.served, strict.token) == (12, "token-1")


@pytest.mark.parametrize("strict", [{"uses": 1}], indirect=True)
def test_a_token_that_is_refused_is_fetched_anew(strict: StrictApi) -> None:
    """A token that has expired, or that the server has forgotten, costs one more request and no error."""

    async def ask() -> None:
        async with connect(LocalHost()) as server:
            for _ in range(3):
                await server.post("/deployments/filter", {})

    asyncio.run(ask())
    assert (strict.served, strict.token) == (3, "token-3")


def test_many_first_writes_are_served_by_the_servers_own_protection(server: Api) -> None:
    """Prefect's own CSRF protection refuses none of many first requests at once, nor those of Prefect's engine."""

    async def ask() -> None:
        async with connect(LocalHost()) as api:
            await asyncio.gather(
                *(api.post("/deployments/filter", {"limit": 1}) for _ in range(20)),
                *(get_client().read_flows(limit=1) for _ in range(5)),
            )

    asyncio.run(ask())


CLOUD = {CLOUD_URL: "http://127.0.0.1", PREFECT_API_KEY: "a-key"}

REFUSALS: dict[str, tuple[int, str, dict[Any, str], str]] = {
    "CSRF": (403, '{"detail": "Invalid CSRF token or client identifier."}', {}, "its CSRF protection, and no matter of keys"),
    "the guard": (403, "This server answers its own pages only.", {}, "no matter of keys"),
    "a proxy": (403, "<html>Forbidden by policy</html>", {}, "proxy, gateway or firewall"),
    "no string": (401, '{"exception_message": "Unauthorized"}', {}, "Set PREFECT_API_AUTH_STRING: this server asks for it"),
    "a wrong string": (401, "{}", {PREFECT_API_AUTH_STRING: "a:b"}, "PREFECT_API_AUTH_STRING is not the one of this server"),
    "a wrong key": (401, "{}", CLOUD, "PREFECT_API_KEY is not the one of Prefect Cloud"),
    "a role": (403, '{"detail": "Forbidden"}', CLOUD, "may not do this: check which workspace"),
}  # fmt: skip


@pytest.mark.parametrize(("strict", "settings", "said"), [
    pytest.param({"refusal": (status, body)}, settings, said, id=name)
    for name, (status, body, settings, said) in REFUSALS.items()
], indirect=["strict"])  # fmt: skip
def test_a_refusal_is_blamed_on_what_it_is_about(strict: StrictApi, settings: dict[Any, str], said: str) -> None:
    """Keys are blamed only where they are the matter."""
    nothing: dict[Any, Any] = {PREFECT_API_AUTH_STRING: None, PREFECT_API_KEY: None}
    with temporary_settings(nothing | settings), pytest.raises(RefusedError) as refused:
        asyncio.run(_post(1))
    assert said in str(refused.value)
    assert ("PREFECT_API_KEY" in str(refused.value)) == (CLOUD_URL in settings)


@pytest.mark.parametrize("path", ["", "/", "/v2/dashboard"])
def test_an_address_that_is_no_api_is_told_with_the_one_that_is(
    server: Api, one_flow: Path, run_cli: Cli, path: str
) -> None:
    """Where PREFECT_API_URL leads to the UI, the API is looked for and named."""
    done = run_cli("status", str(one_flow), env={"PREFECT_API_URL": f"{server.ui_url}{path}"})
    assert done.returncode == 1
    assert f"PREFECT_API_URL={server.ui_url}" in done.stderr
    assert "is not the address of a Prefect API" in done.stderr
    assert f"`prefect config set PREFECT_API_URL={server.url}`" in done.stderr
