"""What the tests of background processes share: a Prefect home of their own, and one real server for the session."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from homes import copy_database, prefect_home

from meta_prefect.local.server import LocalServer, ensure_server, stop_server
from meta_prefect.local.worker import stop_worker

ENSURE = "from meta_prefect.local.server import ensure_server; print(ensure_server(auth=False).model_dump_json())"
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


@pytest.fixture
def home(tmp_path: Path) -> Generator[Path]:
    """A new Prefect home. Whatever is started from it is stopped after the test."""
    with prefect_home(tmp_path / "home") as folder:
        yield folder
        stop_worker()
        stop_server()


@pytest.fixture(scope="session")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Path, list[LocalServer]]]:
    """A Prefect home in which two processes asked for the server at the same moment, and what each of them got.

    It asks for no authentication, so that what is refused is refused for another reason.
    """
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
    """A new Prefect home whose database has been migrated."""
    copy_database(raced[0], home)
    return home


@pytest.fixture(scope="session")
def secured_home(
    raced: tuple[Path, list[LocalServer]], tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[Path, LocalServer]]:
    """A Prefect home, open to all as those of before were, and its server as it is started by default, with no umask."""
    folder = tmp_path_factory.mktemp("secured") / "home"
    before = os.umask(0)
    try:
        with prefect_home(folder):
            copy_database(raced[0], folder)
            started = ensure_server()
        os.umask(before)
        yield folder, started
    finally:
        os.umask(before)
        with prefect_home(folder):
            stop_server()


@pytest.fixture
def secured(secured_home: tuple[Path, LocalServer]) -> Generator[LocalServer]:
    """The server that asks for authentication, whose home is Prefect's home during the test."""
    with prefect_home(secured_home[0]):
        yield secured_home[1]
