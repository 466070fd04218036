"""The server of a test session: the one that a first deploy starts, or what META_PREFECT_TEST_SERVER names.

``embedded`` (the default) is guarded, with CSRF protection and an authentication string; ``plain`` is ``prefect server start`` on
SQLite, and ``postgresql`` the same on PostgreSQL, both open as they come.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
from support import SERVER_SETTINGS, wait_until

_POSTGRESQL = Path("/usr/lib/postgresql")

# ``prefect server start``, which does not stand still for a minute every few minutes.
_SERVE = (
    "from meta_prefect.local.guarded_server import collect_garbage_apart; collect_garbage_apart();"
    "from prefect.cli import app; app()"
)


@dataclass(frozen=True)
class SessionServer:
    """A running server.

    Attributes:
        url: The address of its API.
        auth_string: What it asks for, ``user:password``; None where it is open.
        stop: Stops it.
    """

    url: str
    auth_string: str | None
    stop: Callable[[], object]


def start_session_server(home: Path) -> SessionServer:
    """Start the server of this session on loopback, with its data in Prefect's home.

    Raises:
        KeyError: META_PREFECT_TEST_SERVER names no such server.
    """
    kinds: dict[str, Callable[[Path], SessionServer]] = {
        "embedded": lambda _: _embedded(),
        "plain": start_plain_server,
        "postgresql": _on_postgresql,
    }
    return kinds[os.environ.get("META_PREFECT_TEST_SERVER", "embedded")](home)


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _embedded() -> SessionServer:
    from meta_prefect.local.server import ensure_server, stop_server

    server = ensure_server(auth=True)
    return SessionServer(server.url, server.auth_string, stop_server)


def start_plain_server(home: Path, **settings: str) -> SessionServer:
    """Start `prefect server start` on loopback, with its log in a folder; its data may have another PREFECT_HOME."""
    port, log = str(free_port()), home / "server.log"
    url = f"http://127.0.0.1:{port}/api"
    ours = {**SERVER_SETTINGS, "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"), "PREFECT_API_URL": url}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, "server", "start", "--host", "127.0.0.1", "--port", port],
            env={**os.environ, **ours, **settings},
            stdout=out,
            stderr=out,
        )

    def stop() -> None:
        process.terminate()
        process.wait(timeout=30)

    def is_healthy() -> bool:
        assert process.poll() is None, f"the server ended: {log.read_text()[-2000:]}"
        try:
            return httpx.get(f"{url}/health").is_success
        except httpx.TransportError:
            return False

    with ExitStack() as unless_it_answers:
        unless_it_answers.callback(stop)
        wait_until(is_healthy, what="the Prefect server answers", seconds=120)
        unless_it_answers.pop_all()
    return SessionServer(url, None, stop)


def _on_postgresql(home: Path) -> SessionServer:
    programs = sorted(_POSTGRESQL.glob("*/bin"))[-1]
    folder, port = Path(tempfile.mkdtemp(prefix="meta-prefect-postgresql-")), free_port()
    as_nobody: tuple[str, ...] = ()
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        as_nobody = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
        shutil.chown(folder, "nobody", "nogroup")

    def postgresql(program: str, *arguments: str) -> None:
        command = [*as_nobody, str(programs / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    postgresql("initdb", "-U", "prefect", "--auth=trust", "--no-sync")
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    postgresql("pg_ctl", "-w", "-o", options, "-l", str(folder / "log"), "start")

    with ExitStack() as after:
        after.callback(shutil.rmtree, folder, ignore_errors=True)
        after.callback(postgresql, "pg_ctl", "-m", "immediate", "stop")
        address = f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
        server = start_plain_server(home, PREFECT_SERVER_DATABASE_CONNECTION_URL=address)
        after.callback(server.stop)
        return SessionServer(server.url, None, after.pop_all().close)
