"""The server that we start, asked in ways that it refuses, and failing: what is said then blames nothing that is well."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from meta_prefect.errors import RefusedError
from meta_prefect.local.host import LocalHost
from meta_prefect.local.server import LocalServer
from meta_prefect.server import connect


async def _ask() -> None:
    async with connect(LocalHost()) as api:
        await api.post("/deployments/filter", {})


class _Proxy(BaseHTTPRequestHandler):
    """Passes requests on to a server under the name by which it was asked itself, as proxies do."""

    target: str

    def do_GET(self) -> None:
        answer = httpx.get(f"{self.target}{self.path}", headers={"Host": self.headers["Host"]})
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write no log."""


@pytest.fixture
def proxy(server: LocalServer) -> Generator[str]:
    """The address of the server's API behind another port."""
    handler = type("_Proxy", (_Proxy,), {"target": server.ui_url})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listener:
        Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield f"http://127.0.0.1:{listener.server_port}/api"
        listener.shutdown()


def test_through_a_proxy_no_key_is_blamed(server: LocalServer, proxy: str) -> None:
    """The guard refuses a request under another name or port, which is no matter of keys, and said so."""
    settings: dict[Any, Any] = {PREFECT_API_URL: proxy, PREFECT_API_AUTH_STRING: server.auth_string}
    with temporary_settings(settings), pytest.raises(RefusedError) as refused:
        asyncio.run(_ask())
    assert "(403)" in str(refused.value)
    assert "no matter of keys" in str(refused.value)
    assert "`meta-prefect server status` prints its address" in str(refused.value)


@pytest.mark.parametrize(("logged", "said"), [
    ("sqlite3.OperationalError: database or disk is full", "Its disk is full; its log: "),
    ("ValueError: a bug", "The server failed; its log: "),
])  # fmt: skip
def test_a_failure_of_our_own_server_is_told_with_its_log(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: str, said: str
) -> None:
    """Its answer says no more than 500; the log, which is on this host, says why."""
    log = tmp_path / "server.log"
    log.write_text(f"{logged}\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        ours = SimpleNamespace(url=url, record=SimpleNamespace(log=log))
        monkeypatch.setattr("meta_prefect.local.server.server_status", lambda: ours)
        thread = Thread(target=_fail, args=(listener,), daemon=True)
        thread.start()
        with temporary_settings({PREFECT_API_URL: url}), pytest.raises(RefusedError, match=f"{said}{log}"):
            asyncio.run(_ask())
        thread.join()


def _fail(listener: socket.socket) -> None:
    """Answer a request for a token, and one for anything else with 500."""
    for answer in ("404 Not Found", "500 Internal Server Error"):
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            client.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
