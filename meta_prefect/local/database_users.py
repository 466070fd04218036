"""Detects a server already using a database: two servers on one SQLite file lose each other's writes."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

_TIMEOUT = 3.0  # seconds: without a configured API, Prefect briefly starts servers of its own
_POLL = 0.2
_SHOWN = 100  # characters of a command line to show


def server_on(database: Path) -> str | None:
    """Describe a process of this user that serves a database, after giving it time to exit.

    Returns:
        For example ``process 4711 (python -m …) on port 4200``; None if no such process is visible.
    """
    deadline = time.monotonic() + _TIMEOUT
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
        except psutil.Error:  # it has ended or belongs to another user
            continue
        if ports:  # no ports: a shell on the database, or a backup in progress
            return f"process {process.pid} ({command}) on port {ports[0]}"
    return None
