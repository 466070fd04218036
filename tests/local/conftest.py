"""What the tests of background processes share: a Prefect home of their own, and one real server for the session."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings

from meta_prefect.local.server import LocalServer, stop_server
from meta_prefect.local.worker import stop_worker

ENSURE = "from meta_prefect.local.server import ensure_server; print(ensure_server().model_dump_json())"
SHELL = {
    "PREFECT_API_URL": "http://127.0.0.1:9/somebody-elses-api",
    "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "*",
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "false",
    "META_PREFECT__ENV": "of-the-shell",
    "ONLY_IN_THIS_SHELL": "kept",
}
"""What the shell holds that starts the server: settings that would open it, an address that is not its own."""

Until = Callable[[Callable[[], Any]], Any]


@pytest.fixture(scope="session")
def until() -> Until:
    """Wait until a condition is true, for 30 seconds at the most, and return its value."""

    def wait(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 30
        while not (value := condition()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)
        return value

    return wait


@contextmanager
def prefect_home(folder: Path) -> Generator[Path]:
    """Make a folder Prefect's home, for this process, with no Prefect API configured."""
    with temporary_settings({PREFECT_HOME: folder}, restore_defaults={PREFECT_API_URL, PREFECT_API_AUTH_STRING}):
        yield folder


@pytest.fixture
def home(tmp_path: Path) -> Generator[Path]:
    """A new Prefect home. Whatever is started from it is stopped after the test."""
    with prefect_home(tmp_path / "home") as folder:
        yield folder
        stop_worker()
        stop_server()


@pytest.fixture(scope="session")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Path, list[LocalServer]]]:
    """A Prefect home in which two processes asked for the server at the same moment, and what each of them got."""
    folder = tmp_path_factory.mktemp("raced") / "home"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= SHELL | {"PREFECT_HOME": str(folder)}
    try:
        commands = [
            subprocess.Popen([sys.executable, "-c", ENSURE], env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        outputs = [command.communicate(timeout=200)[0] for command in commands]
        yield folder, [LocalServer.model_validate_json(output) for output in outputs]
    finally:
        with prefect_home(folder):
            stop_server()


@pytest.fixture
def server(raced: tuple[Path, list[LocalServer]]) -> Generator[LocalServer]:
    """The real server of the session, whose home is Prefect's home during the test."""
    with prefect_home(raced[0]):
        yield raced[1][0]


@pytest.fixture
def home_with_database(raced: tuple[Path, list[LocalServer]], home: Path) -> Path:
    """A new Prefect home whose database has been migrated, so that a server starts in seconds."""
    home.mkdir()
    with (
        closing(sqlite3.connect(raced[0] / "prefect.db")) as migrated,
        closing(sqlite3.connect(home / "prefect.db")) as own,
    ):
        migrated.backup(own)
    return home
