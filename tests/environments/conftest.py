"""A second Prefect server, beside that of the session, with data of its own."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from session_server import start_plain_server
from support import Api


@pytest.fixture(scope="session")
def prod_server(server: Api, tmp_path_factory: pytest.TempPathFactory) -> Generator[Api]:
    """The server of production."""
    del server  # whose settings this one's are made from
    home = tmp_path_factory.mktemp("prod")
    started = start_plain_server(home, PREFECT_HOME=str(home))
    yield Api(started.url)
    started.stop()
