"""``meta-prefect server start``: what ``prefect server start`` serves, guarded, on the user's own settings."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_SERVER_API_AUTH_STRING,
    temporary_settings,
)
from support import Api, wait_until

from meta_prefect.errors import MetaPrefectError, ProcessError
from meta_prefect.local.door import Receive, Scope, Send
from meta_prefect.local.environment import without_prefect_settings
from meta_prefect.local.foreground_server import prepare_server
from meta_prefect.local.guarded_server import OwnPagesOnly
from meta_prefect.local.ports import choose_port
from meta_prefect.local.server import ensure_server

AUTH = "someone:a-password"
PORT = 4777
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - nothing listens there in these tests


@pytest.fixture
def home(server: Api, prefect_home: Path, tmp_path: Path) -> Generator[Path]:
    """A Prefect home with a migrated database, for this process too, which has no API configured."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    if (migrated := prefect_home / "prefect.db").exists():
        with closing(sqlite3.connect(migrated)) as session, closing(sqlite3.connect(folder / "prefect.db")) as own:
            session.backup(own)
    with temporary_settings({PREFECT_HOME: folder}, restore_defaults={PREFECT_API_URL, PREFECT_API_AUTH_STRING}):
        yield folder


def test_it_serves_this_home_until_it_is_interrupted(home: Path, tmp_path: Path) -> None:
    """It asks for the user's auth string, refuses other origins, and no second server opens its database meanwhile."""
    port = choose_port(tmp_path, None, PORT)
    environment = without_prefect_settings(os.environ) | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_AUTH_STRING": AUTH,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "7",
    }
    command = [sys.executable, "-m", "meta_prefect.cli", "server", "start", "--name", "prefect.example.org"]
    output = tmp_path / "output"
    with output.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=tmp_path)
    try:
        wait_until(lambda: "Ready: " in output.read_text() or process.poll() is not None, what="the server is ready")
        said = output.read_text()
        assert f"Ready: http://prefect.example.org:{port} " in said
        assert "CSRF_PROTECTION_ENABLED" in said
        assert "TASK_RUN_RECORDER_BATCH_SIZE" not in said  # the user's own value counts
        assert "a-password" not in said
        url = f"http://127.0.0.1:{port}/api"
        assert httpx.get(f"{url}/admin/version").status_code == 401
        for headers, status in [
            ({"Origin": "http://localhost:3000"}, 403),
            ({"Host": f"prefect.example.org:{port}"}, 200),
        ]:
            assert httpx.get(f"{url}/health", headers=headers, auth=("someone", "a-password")).status_code == status
        with pytest.raises(ProcessError, match=f"process {process.pid} .* on port {port} uses this database already"):
            ensure_server()
        with pytest.raises(ProcessError, match=f"port {port} of 127.0.0.1: it is in use"):
            prepare_server(port=port)
        with pytest.raises(ProcessError, match=f"process {process.pid} .* uses this database already"):
            prepare_server(port=choose_port(tmp_path, None, port + 1))
    finally:
        process.send_signal(signal.SIGINT)
        ended = process.wait(30)
    assert ended == 0
    assert "Traceback" not in output.read_text()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param(
            {"host": EVERY_ADDRESS}, r"everyone who can reach 0\.0\.0\.0:4777 could run code", id="open to the network"
        ),
        pytest.param(
            {"host": "nowhere.invalid", "auth": False}, "cannot listen on 'nowhere.invalid'", id="no such address"
        ),
        pytest.param(
            {"database": "mysql://a:secret@b/c"}, "does not support the database driver 'mysql'", id="no such driver"
        ),
        pytest.param({"database": "a secret, and no URL"}, "the URL of the database cannot be parsed", id="no URL"),
        pytest.param(
            {"database": "postgresql+asyncpg://a:secret@127.0.0.1:1/c"},
            "127.0.0.1:1/c: cannot connect to the database",
            id="a database that does not answer",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_starts(
    home: Path, asked: dict[str, Any], message: str
) -> None:
    """What is wrong and the way out are said in the terms of the options, and no password with them."""
    with pytest.raises(MetaPrefectError, match=message) as refused:
        prepare_server(port=PORT, **asked)
    assert "secret" not in str(refused.value)


def test_on_the_network_it_starts_with_an_auth_string(home: Path) -> None:
    """Its UI is told the first name under which browsers reach it, and its settings allow that origin."""
    with temporary_settings({PREFECT_SERVER_API_AUTH_STRING: AUTH}):
        server = prepare_server(host=EVERY_ADDRESS, port=PORT, names=["prefect.example.org:443", "prefect"])
    assert server.authenticates
    assert server.environment["PREFECT_SERVER_UI_API_URL"] == "http://prefect.example.org:443/api"
    assert server.environment["PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"].split(",") == [
        "http://prefect.example.org:443",
        "http://prefect:4777",
        "http://127.0.0.1:4777",
        "http://localhost:4777",
    ]
    assert "a-password" not in repr(server)


@pytest.mark.parametrize(
    ("any_address", "host", "origin", "status"),
    [
        pytest.param(True, "10.0.0.5:4777", "", 200, id="a program, by an address"),
        pytest.param(True, "10.0.0.5:4777", "http://10.0.0.5:4777", 200, id="its own page, by an address"),
        pytest.param(True, "[fe80::1]:4777", "", 200, id="an address of the other kind"),
        pytest.param(True, "10.0.0.5:4777", "http://localhost:4777", 403, id="a page of the visitor's own machine"),
        pytest.param(True, "rebound.example.org:4777", "", 403, id="a name that was made to lead here"),
        pytest.param(False, "10.0.0.5:4777", "", 403, id="an address, where it listens on loopback alone"),
        pytest.param(False, "named.example.org", "https://named.example.org", 200, id="behind a proxy with TLS"),
        pytest.param(False, "named.example.org:4777", "http://named.example.org:4777", 200, id="by its name"),
        pytest.param(False, "named.example.org", "https://other.example.org", 403, id="a page of another origin"),
        pytest.param(False, "named.example.org", "null", 403, id="a page without an origin"),
    ],
)
def test_it_answers_to_its_own_names_alone(any_address: bool, host: str, origin: str, status: int) -> None:
    """A page can make a name of its own lead to this server, but no address, and not the names that were given."""

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guarded: Any = OwnPagesOnly(behind, PORT, names=["named.example.org"], any_address=any_address)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://here") as client:
            return await client.get("/", headers={"Host": host} | ({"Origin": origin} if origin else {}))

    assert asyncio.run(ask()).status_code == status
