"""Which server uses a database already: two on one SQLite file lose each other's writes."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

_PATIENCE = 3.0  # Prefect starts servers for seconds where no API is configured
_POLL = 0.2
_SHOWN = 100  # characters of a command line


def server_on(database: Path) -> str | None:
    """Describe a process of this user that serves a database, once it has had the time to end.

    Returns:
        For example ``process 4711 (python -m …) on port 4200``; None where no such process can be seen.
    """
    deadline = time.monotonic() + _PATIENCE
    while (found := _find(database)) is not None and time.monotonic() < deadline:
        time.sleep(_POLL)
    return found


def _find(database: Path) -> str | None:
    if not database.exists():
        return None
    path = str(database.resolve())
    for process in psutil.process_iter():
        try:
            if all(file.path != path for file in process.open_files()):
                continue
            connections = process.net_connections(kind="tcp")
            ports = sorted(c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN)
            command = " ".join(process.cmdline())[:_SHOWN]
        except psutil.Error:  # it has ended, or belongs to somebody else
            continue
        if ports:  # a shell on the database, or a copy of it under way, is no server
            return f"process {process.pid} ({command}) on port {ports[0]}"
    return None
