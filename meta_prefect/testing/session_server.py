"""A real Prefect server for a test session: the same one a first deploy starts, with its own PREFECT_HOME."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from meta_prefect.local.server import LocalServer, ensure_server, stop_server
from meta_prefect.local.worker import stop_worker

__all__ = ["session_server"]


@contextmanager
def session_server(home: Path) -> Generator[LocalServer]:
    """Run a server on loopback, and point this process's environment at it.

    On exit, the server and the workers that deploys started for it are stopped, and the environment is restored.


    Args:
        home: An empty folder for its data.

    Raises:
        ProcessError: It did not start.
    """
    own = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    other = {name for name in os.environ if name.startswith(("PREFECT_", "META_PREFECT__"))}
    before = {name: os.environ.get(name) for name in {*own, *other, "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"}}
    _set({**dict.fromkeys(other), **own})
    try:
        server = ensure_server(auth=True)
        _set({"PREFECT_API_URL": server.url, "PREFECT_API_AUTH_STRING": server.auth_string})
        try:
            yield server
        finally:
            stop_worker()
            stop_server()
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    """Set environment variables (None unsets one) and make Prefect reload its settings."""
    from meta_prefect.prefect_internals.clients import refresh_global_settings_context

    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    refresh_global_settings_context()
