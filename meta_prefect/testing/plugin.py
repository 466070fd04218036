"""The pytest plugin that is active where Meta-Prefect is installed: fixtures, loaded when a test uses one.

All names start with ``meta_prefect``, because the plugin is visible to tests of any project.
"""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from meta_prefect.local.server import LocalServer
    from meta_prefect.testing.snapshots import Snapshots

__all__ = ["meta_prefect_server", "meta_prefect_snapshot", "pytest_addoption"]

_UPDATE = "--meta-prefect-update"

_AT_EXIT = ExitStack()
# Registered before Prefect is imported, so that it runs after Prefect has sent its last logs and events: without a server,
# Prefect would retry for a minute.
atexit.register(_AT_EXIT.close)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes snapshots."""
    group = parser.getgroup("meta-prefect", "Meta-Prefect")
    group.addoption(_UPDATE, action="store_true", help="Write the snapshots of deployments, plans and jobs anew.")


@pytest.fixture
def meta_prefect_snapshot(request: pytest.FixtureRequest) -> Snapshots:
    """Compare deployments, plans and jobs with YAML in `snapshots/` beside the test; `--meta-prefect-update` writes it."""
    from meta_prefect.testing.snapshots import Snapshots

    config = request.config
    return Snapshots(request.path, request.node.name, config.rootpath, update=bool(config.getoption(_UPDATE)))


@pytest.fixture(scope="session")
def meta_prefect_server(tmp_path_factory: pytest.TempPathFactory) -> LocalServer:
    """A real Prefect server for the session, on loopback, to which deploys of these tests go; nothing else is touched."""
    from meta_prefect.testing.session_server import session_server

    return _AT_EXIT.enter_context(session_server(tmp_path_factory.mktemp("prefect")))
