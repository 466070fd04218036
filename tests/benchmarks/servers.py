"""The servers on which the rivals meet: the one that Meta-Prefect starts, and plain ones on SQLite and PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

POSTGRESQL = Path("/usr/lib/postgresql")
_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


def environment(home: Path | str, **more: str) -> dict[str, str]:
    """This process's environment without any of Prefect's settings, with a PREFECT_HOME of its own.

    Bytecode is kept, as it is of what is installed.
    """
    left_out = ("PREFECT_", "META_PREFECT__", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {
        **kept,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "META_PREFECT__START_WORKER": "false",
        **more,
    }


@contextmanager
def embedded() -> Generator[str]:
    """The server that a first deploy starts."""
    with tempfile.TemporaryDirectory(prefix="meta-prefect-benchmark-") as home:
        environ = environment(Path(home))
        code = "from meta_prefect.local.server import ensure_server; print(ensure_server(auth=False).ui_url)"
        done = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True)
        try:
            yield done.stdout.strip()
        finally:
            stop = [sys.executable, "-m", "meta_prefect.cli", "server", "stop"]
            subprocess.run(stop, env=environ, check=True, capture_output=True)


@contextmanager
def plain(**settings: str) -> Generator[str]:
    """``prefect server start`` as it comes, on SQLite unless the settings say otherwise."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="meta-prefect-benchmark-", ignore_cleanup_errors=True) as home:
        environ = environment(Path(home), PREFECT_SERVER_UI_STATIC_DIRECTORY=f"{home}/ui", **settings)
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        with (Path(home) / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until(lambda: _answers(f"{url}/api/health"))
            yield url
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextmanager
def postgres(**settings: str) -> Generator[str]:
    """The same on PostgreSQL, which is started for it."""
    programs = sorted(POSTGRESQL.glob("*/bin"))[-1]
    folder = Path(tempfile.mkdtemp(prefix="meta-prefect-postgres-"))
    shutil.chown(folder, "nobody", "nogroup")
    port = _free_port()
    data = ["-D", str(folder / "data")]
    as_nobody = _NOBODY if os.geteuid() == 0 else ()
    control = [*as_nobody, str(programs / "pg_ctl"), *data]
    initdb = [*as_nobody, str(programs / "initdb"), *data, "-U", "prefect", "--auth=trust"]
    subprocess.run(initdb, check=True, capture_output=True)
    options = f"-h 127.0.0.1 -p {port} -k {folder}"
    subprocess.run([*control, "-w", "-o", options, "-l", str(folder / "log"), "start"], check=True, capture_output=True)
    try:
        address = f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
        with plain(PREFECT_API_DATABASE_CONNECTION_URL=address, **settings) as url:
            yield url
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def composed() -> Generator[str]:
    """PostgreSQL under a server that records task runs in batches, as ``docker/compose.yaml`` sets it."""
    compose = yaml.safe_load((Path(__file__).parents[2] / "docker" / "compose.yaml").read_text())
    services = {name: value for name, value in compose["x-server"].items() if "_SERVER_SERVICES_" in name}
    with postgres(**services) as url:
        yield url


SERVERS = {"embedded": embedded, "plain": plain, "postgres": postgres, "composed": composed}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def _wait_until(found: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server does not answer within {seconds} seconds")
        time.sleep(0.2)
