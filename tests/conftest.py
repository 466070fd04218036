"""One real Prefect server for the whole test session, on loopback, with a PREFECT_HOME of its own.

It is the embedded one, as a first deploy starts it, unless META_PREFECT_TEST_SERVER names another (see ``session_server.py``).
Prefect reads its settings when it is imported, so the environment is set before anything of it is.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import uuid
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from session_server import SessionServer, free_port, start_plain_server, start_session_server
from support import Api

_HOME = Path(tempfile.mkdtemp(prefix="meta-prefect-tests-"))

for _name in [name for name in os.environ if name.startswith(("PREFECT_", "META_PREFECT__"))]:
    del os.environ[_name]
os.environ.update(
    PREFECT_HOME=str(_HOME),
    # Where nothing answers, until a test asks for the server.
    PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api",
    PREFECT_SERVER_EPHEMERAL_ENABLED="false",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    DO_NOT_TRACK="1",
    # Wherever the tests run, a deploy of theirs may start workers; in a container it otherwise would not.
    META_PREFECT__START_WORKER="true",
)

_started: list[SessionServer] = []


def _stop_what_was_started() -> None:
    for started in _started:
        started.stop()
    shutil.rmtree(_HOME, ignore_errors=True)


# Registered before Prefect is imported, so that it runs after Prefect has sent its last logs and events: a server that is
# gone by then costs a minute of retries.
atexit.register(_stop_what_was_started)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Make `-n logical` three processes for two CPUs: a test of a deploy waits about as long as it computes."""
    return (os.cpu_count() or 1) * 3 // 2


@pytest.fixture(scope="session")
def prefect_home() -> Path:
    """The session's PREFECT_HOME."""
    return _HOME


@pytest.fixture(autouse=True)
def secrets_of_its_own() -> Generator[None]:
    """What a test lets the package hide does not stay hidden in the tests after it."""
    from meta_prefect.redaction import forget, known_secrets
    from meta_prefect.sealing import use_key

    before = known_secrets()
    yield
    forget(known_secrets() - before)
    use_key(None)


@pytest.fixture(scope="session")
def server(prefect_home: Path) -> Generator[Api]:
    """The session's Prefect server, started when the first test asks for it; from then on the environment leads to it."""
    from prefect.context import refresh_global_settings_context

    from meta_prefect.local.worker import stop_worker

    started = start_session_server(prefect_home)
    _started.append(started)
    os.environ["PREFECT_API_URL"] = started.url
    if started.auth_string is not None:
        os.environ["PREFECT_API_AUTH_STRING"] = started.auth_string
    refresh_global_settings_context()
    yield Api(started.url, started.auth_string)
    stop_worker()


@pytest.fixture(scope="session")
def prod_server(server: Api, tmp_path_factory: pytest.TempPathFactory) -> Generator[Api]:
    """A second Prefect server, beside that of the session, with data of its own."""
    del server  # whose settings this one's are made from
    home = tmp_path_factory.mktemp("prod")
    started = start_plain_server(home, PREFECT_HOME=str(home))
    yield Api(started.url)
    started.stop()


@pytest.fixture
def interruptible() -> Generator[None]:
    """Let Ctrl-C mean something to what a test starts, also where the tests themselves run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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
