"""Describes the processes on this host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meta_prefect.local.process import ProcessRecord
    from meta_prefect.local.server import LocalServer
    from meta_prefect.local.worker import WorkerProcess


def worker_line(worker: WorkerProcess) -> str:
    """Describe whether a worker runs, and if not, how it ended."""
    if worker.alive:
        return f"{worker.name} runs (process {worker.record.pid}, {worker.api_url}, log {worker.record.log})"
    return f"{worker.name} {_ended(worker.record)} ({worker.api_url}{_why(worker.record)})"


def server_lines(server: LocalServer) -> Iterator[str]:
    """Describe whether the background server runs, and if not, how it ended."""
    from meta_prefect.local.data import what_is_kept
    from meta_prefect.local.process import prefect_home

    if not server.alive:
        yield f"The Prefect server {_ended(server.record)} ({server.ui_url}{_why(server.record)})."
        yield "The next `meta-prefect deploy` starts it again, with its data and at its address."
    else:
        health = "" if server.healthy else ", but does not answer"
        yield f"runs{health}: {server.ui_url} (process {server.record.pid}, log {server.record.log})"
    yield what_is_kept(prefect_home())


def server_document(server: LocalServer | None) -> dict[str, Any]:
    """Return the background server's status as JSON; without a server, the same keys."""
    from meta_prefect.local.data import database_of
    from meta_prefect.local.process import prefect_home

    if server is None:
        nothing = dict.fromkeys(("url", "ui_url", "pid", "log", "ended", "database"))
        return {"running": False, "healthy": False, **nothing}
    return {
        "running": server.alive,
        "healthy": server.healthy,
        "url": server.url,
        "ui_url": server.ui_url,
        **_process_document(server.record, alive=server.alive),
        "database": str(database_of(prefect_home())),
    }


def worker_document(worker: WorkerProcess) -> dict[str, Any]:
    """Return a worker's status as JSON."""
    return {
        "name": worker.name,
        "pool": worker.pool,
        "api_url": worker.api_url,
        "running": worker.alive,
        **_process_document(worker.record, alive=worker.alive),
    }


def _process_document(record: ProcessRecord, *, alive: bool) -> dict[str, Any]:
    from meta_prefect.local.endings import ending

    pid, ended = (record.pid, None) if alive else (None, ending(record))
    return {"pid": pid, "log": str(record.log), "ended": ended}


def has_died(worker: WorkerProcess) -> bool:
    """Return whether a worker ended by itself."""
    from meta_prefect.local.endings import ending

    return not worker.alive and ending(worker.record) == "died"


def _ended(record: ProcessRecord) -> str:
    from meta_prefect.local.endings import ending

    said = {"stopped": "was stopped", "shut down": "ended when this machine was shut down", "died": "died"}
    return said[ending(record)]


def _why(record: ProcessRecord) -> str:
    from meta_prefect.local.endings import ending

    return f", log {record.log}" if ending(record) == "died" else ""
