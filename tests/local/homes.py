"""Prefect homes, and the servers and workers in them, as the tests of background processes need them."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings

from meta_prefect.local.process import ProcessRecord, start_detached, stop, write_record
from meta_prefect.local.server import LocalServer
from meta_prefect.local.worker import ensure_worker_process


@contextmanager
def prefect_home(folder: Path) -> Generator[Path]:
    """Make a folder Prefect's home, for this process, with no Prefect API configured."""
    with temporary_settings({PREFECT_HOME: folder}, restore_defaults={PREFECT_API_URL, PREFECT_API_AUTH_STRING}):
        yield folder


def copy_database(of: Path, to: Path) -> None:
    """Make a Prefect home with the migrated database of another one, so that a server starts in seconds."""
    to.mkdir(parents=True)
    with closing(sqlite3.connect(of / "prefect.db")) as migrated, closing(sqlite3.connect(to / "prefect.db")) as own:
        migrated.backup(own)


def client_of(server: LocalServer) -> httpx.Client:
    """A client of a server, with all that it asks for."""
    user, _, password = (server.auth_string or "").partition(":")
    auth = (user, password) if server.auth_string else None
    answer = httpx.get(f"{server.url}/csrf-token", params={"client": "test"}, auth=auth).raise_for_status()
    headers = {"Prefect-Csrf-Client": "test", "Prefect-Csrf-Token": answer.json()["token"]}
    return httpx.Client(base_url=server.url, auth=auth, headers=headers)


def make_pool(server: LocalServer, name: str) -> str:
    """Make a work pool for processes."""
    with client_of(server) as client:
        client.post("/work_pools/", json={"name": name, "type": "process"}).raise_for_status()
    return name


def is_online(server: LocalServer, pool: str) -> bool:
    """Whether a worker of the pool has reported."""
    with client_of(server) as client:
        workers = client.post(f"/work_pools/{pool}/workers/filter", json={}).raise_for_status().json()
    return [worker["status"] for worker in workers] == ["ONLINE"]


def worker_of_before(api_url: str) -> ProcessRecord:
    """A process that stands for a worker which an earlier version has started: it watches no server."""
    worker = ensure_worker_process("of-before", api_environment={"PREFECT_API_URL": api_url})
    stop(worker.record, timeout=5)
    log, extra = worker.record.log, worker.record.extra
    record = start_detached(["sleep", "100"], env={"PATH": "/usr/bin:/bin"}, cwd=log.parent, log=log, extra=extra)
    write_record(log.with_suffix(".json"), record.model_copy(update={"machine": None}))
    return record
