"""One real Prefect server for the whole test session, on loopback, with a PREFECT_HOME of its own.

Prefect reads its settings when it is imported, so the environment is set before anything of it is.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid
from collections.abc import Callable, Generator
from pathlib import Path

import httpx
import pytest
from support import SERVER_SETTINGS, Api, wait_until


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


_HOME = Path(tempfile.mkdtemp(prefix="meta-prefect-tests-"))
_URL = f"http://127.0.0.1:{_free_port()}"

for _name in [name for name in os.environ if name.startswith(("PREFECT_", "META_PREFECT__"))]:
    del os.environ[_name]
os.environ.update(
    PREFECT_HOME=str(_HOME),
    PREFECT_API_URL=f"{_URL}/api",
    PREFECT_SERVER_EPHEMERAL_ENABLED="false",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    DO_NOT_TRACK="1",
    # Wherever the tests run, a deploy of theirs may start workers; in a container it otherwise would not.
    META_PREFECT__START_WORKER="true",
)

# ``prefect server start``, which does not stand still for a minute every few minutes.
_SERVE = (
    "from meta_prefect.local.guarded_server import collect_garbage_apart; collect_garbage_apart();"
    "from prefect.cli import app; app()"
)

_started: list[subprocess.Popen[bytes]] = []


def _stop_what_was_started() -> None:
    for process in _started:
        process.terminate()
        process.wait(timeout=30)
    shutil.rmtree(_HOME, ignore_errors=True)


# Registered before Prefect is imported, so that it runs after Prefect has sent its last logs and events: a server that is
# gone by then costs a minute of retries.
atexit.register(_stop_what_was_started)


@pytest.fixture(scope="session")
def prefect_home() -> Path:
    """The session's PREFECT_HOME."""
    return _HOME


@pytest.fixture(scope="session")
def server(prefect_home: Path) -> Generator[Api]:
    """The session's Prefect server, started when the first test asks for it."""
    log = prefect_home / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, "server", "start", "--host", "127.0.0.1", "--port", _URL.rpartition(":")[2]],
            env={**os.environ, **SERVER_SETTINGS, "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(_HOME / "ui")},
            stdout=out,
            stderr=out,
        )

    def is_healthy() -> bool:
        assert process.poll() is None, f"the server ended: {log.read_text()[-2000:]}"
        try:
            return httpx.get(f"{_URL}/api/health").is_success
        except httpx.TransportError:
            return False

    _started.append(process)
    wait_until(is_healthy, what="the Prefect server answers", seconds=120)
    yield Api(f"{_URL}/api")
    from meta_prefect.local.worker import stop_worker

    stop_worker()


@pytest.fixture(scope="module")
def process_that_begins_now() -> Generator[None]:
    """What other tests have written and loaded in this process before does not count as changed during it."""
    began = time.time_ns()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("meta_prefect.discovery.witnesses._process_began", lambda: began)
        yield


@pytest.fixture
def unique() -> str:
    """A name that no other test uses."""
    return f"t{uuid.uuid4().hex[:10]}"


Files = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path, unique: str) -> Files:
    """Write a project: file names and texts to a folder of its own. `UNIQUE` in a text stands for the test's own name."""

    def write(**files: str) -> Path:
        root = tmp_path / unique
        for name, text in files.items():
            file = root / (name if "." in name else f"{name.replace('__', '/')}.py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text).lstrip("\n").replace("UNIQUE", unique))
        return root

    return write


@pytest.fixture
def run_cli(prefect_home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `meta-prefect` as a user does: a process of its own."""

    def run(
        *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "meta_prefect.cli", *arguments],
            cwd=cwd or prefect_home,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run
