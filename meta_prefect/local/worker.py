"""Process workers on this host: one per work pool and Prefect API, detached, found again, replaced when dead.

``alive`` refers to the process only. Whether the server has heard from it recently is known to the server.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import psutil
from pydantic import BaseModel, ConfigDict, field_validator

from meta_prefect.errors import NoApiConfiguredError, ProcessError, nearest
from meta_prefect.local.environment import clean_environment
from meta_prefect.local.private import make_private
from meta_prefect.local.process import (
    ProcessRecord,
    exclusively,
    is_alive,
    prefect_home,
    read_record,
    start_detached,
    state_folder,
    state_path,
    stop,
    tail,
    unreadable,
    write_record,
)
from meta_prefect.local.server_record import lifeline_of
from meta_prefect.redaction import without_userinfo

QUERY_SECONDS = 2.0  # Prefect's default of 10 feels slow to someone watching
STOP_DEADLINE = 15.0
_LOCK_TIMEOUT = 60.0
_WORKERS = "workers"
_REFUSED_IN_NAMES = re.compile(r"[/%&><\s]+")  # characters Prefect rejects in names, and whitespace


class WorkerRecord(ProcessRecord):
    """A worker's process, with its name, its pool, the API it polls and the host it runs on."""

    @field_validator("extra")
    @classmethod
    def _is_complete(cls, extra: dict[str, str]) -> dict[str, str]:
        if missing := {"name", "pool", "api_url", "host"} - extra.keys():
            raise ValueError(f"no {', '.join(sorted(missing))}")
        return extra


class WorkerProcess(BaseModel):
    """A process worker on this host.

    Attributes:
        record: Its process record.
        name: Its name on the server.
        pool: The work pool it polls.
        api_url: The Prefect API it talks to, without user and password.
        started: Whether this call started it.
        alive: Whether its process is running.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    record: WorkerRecord
    name: str
    pool: str
    api_url: str
    started: bool
    alive: bool


def host_id() -> str:
    """Return eight hexadecimal digits that identify this host and user."""
    # not getpass.getuser(): it trusts LOGNAME, which differs between a shell, cron and a flow run
    user = psutil.Process().username()
    return _digest(socket.gethostname(), user)


def local_pool_name() -> str:
    """Return the name of the process work pool of this host and user."""
    return f"local-process-work-pool-{host_id()}"


def worker_name(pool: str) -> str:
    """Return the name of this host's worker for a pool, for example ``etl@build-7-1f0c9a3e``."""
    return _REFUSED_IN_NAMES.sub("-", f"{pool}@{socket.gethostname()}-{host_id()}")


def worker_environment(
    environ: Mapping[str, str], api_environment: Mapping[str, str], *, home: Path, query_seconds: float
) -> dict[str, str]:
    """Build the environment of a worker's process.

    Args:
        environ: The environment of this process, filtered by ``clean_environment``.
        api_environment: ``PREFECT_API_*`` and related variables, which take precedence.
        home: PREFECT_HOME.
        query_seconds: How often it polls for work.
    """
    ours = {"PREFECT_HOME": str(home), "PREFECT_WORKER_QUERY_SECONDS": f"{query_seconds:g}"}
    return clean_environment(environ) | ours | dict(api_environment)


def ensure_worker_process(pool: str, *, api_environment: Mapping[str, str]) -> WorkerProcess:
    """Start this host's worker for a pool, or find it alive. It outlives us, but not the background server if it polls that.

    Args:
        pool: The name of an existing work pool of type ``process``.
        api_environment: The variables that reach the Prefect API: ``PREFECT_API_URL`` and its credentials. Without a URL,
            that of the current Prefect settings is used.

    Raises:
        NoApiConfiguredError: No API URL is known.
        ProcessError: The process cannot be started.
    """
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    api_url = api_environment.get("PREFECT_API_URL") or settings.api.url
    if not api_url:
        raise NoApiConfiguredError(
            f"a worker for {pool!r} needs a Prefect API", hint="Set one: prefect config set PREFECT_API_URL=…"
        )
    asked = "query_seconds" in settings.worker.model_fields_set
    home, name, key = prefect_home(), worker_name(pool), _key(pool, api_url)
    with _lock(key):
        make_private(home)
        record = read_record(_record_file(key), WorkerRecord)
        if record is not None and is_alive(record):
            return _describe(record, started=False)
        started = start_detached(
            [*_program(api_url), "worker", "start", f"--pool={pool}", "--type=process", f"--name={name}",
             "--install-policy=never", "--no-create-pool-if-not-found"],
            env=worker_environment(
                os.environ,
                {**api_environment, "PREFECT_API_URL": api_url},
                home=home,
                query_seconds=settings.worker.query_seconds if asked else QUERY_SECONDS,
            ),
            cwd=home,
            log=state_folder(_WORKERS) / f"{key}.log",
            extra={"name": name, "pool": pool, "api_url": without_userinfo(api_url), "host": host_id()},
        )  # fmt: skip
        try:
            record = WorkerRecord(**dict(started))
            write_record(_record_file(key), record)
        except BaseException:  # it could not be found again
            stop(started, STOP_DEADLINE)
            raise
        return _describe(record, started=True)


def worker_status() -> tuple[WorkerProcess, ...]:
    """List the workers started for this host and user, including those no longer running, by pool and API.

    Raises:
        ProcessError: A worker's record cannot be read.
    """
    folder = state_path(_WORKERS)
    try:
        files = [file for file in folder.iterdir() if file.suffix == ".json"]
    except (FileNotFoundError, NotADirectoryError):
        files = []
    except PermissionError:
        raise unreadable(folder) from None
    records = (read_record(path, WorkerRecord) for path in files)
    # PREFECT_HOME may be shared between hosts, and their pids mean nothing here
    ours = (record for record in records if record is not None and record.extra["host"] == host_id())
    described = (_describe(record, started=False) for record in ours)
    return tuple(sorted(described, key=lambda worker: (worker.pool, worker.api_url)))


def stop_worker(pool: str | None = None) -> tuple[WorkerProcess, ...]:
    """Stop this host's workers for a pool, or all of them.

    Returns:
        The workers that were running and were stopped.

    Raises:
        ProcessError: No worker was ever started for that pool, or one did not stop.
    """
    return _stop(worker_status() if pool is None else _of_pool(pool))


def stop_workers_of(api_url: str) -> tuple[str, ...]:
    """Stop this host's workers for one Prefect API; return the names of those that were running.

    Raises:
        ProcessError: One did not stop.
    """
    return tuple(worker.name for worker in _stop(one for one in worker_status() if one.api_url.rstrip("/") == api_url))


def _stop(workers: Iterable[WorkerProcess]) -> tuple[WorkerProcess, ...]:
    stopped: list[WorkerProcess] = []
    for worker in workers:
        key = _key(worker.pool, worker.api_url)
        with _lock(key):
            record = read_record(_record_file(key), WorkerRecord)
            if record is not None and stop(record, STOP_DEADLINE):
                stopped.append(_describe(record, started=False))
    return tuple(stopped)


def worker_log(pool: str, lines: int = 200) -> str:
    """Return the last lines of the log of the most recently started worker for a pool.

    Raises:
        ProcessError: No worker was ever started for that pool.
    """
    latest = max(_of_pool(pool), key=lambda worker: worker.record.start_time)
    return tail(latest.record.log, lines)


def _program(api_url: str) -> list[str]:
    """Return the command to run: ``prefect``, or for the background server the variant that ends with it."""
    if (lock := lifeline_of(api_url)) is None:
        return [sys.executable, "-m", "prefect"]
    return [sys.executable, "-m", "meta_prefect.local.guarded_worker", str(lock)]


def _of_pool(pool: str) -> tuple[WorkerProcess, ...]:
    known = worker_status()
    if found := tuple(worker for worker in known if worker.pool == pool):
        return found
    raise ProcessError(
        f"no worker was started on this host for the work pool {pool!r}",
        hint=nearest(pool, (worker.pool for worker in known)) or "`meta-prefect deploy` starts one.",
    )


def _describe(record: WorkerRecord, *, started: bool) -> WorkerProcess:
    extra = record.extra
    return WorkerProcess(
        record=record,
        name=extra["name"],
        pool=extra["pool"],
        api_url=without_userinfo(extra["api_url"]),
        started=started,
        alive=is_alive(record),
    )


def _key(pool: str, api_url: str) -> str:
    """Return a worker's file name: readable, and unique by pool, API and host."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", pool).strip("-")[:60]
    return f"{readable}-{_digest(pool, without_userinfo(api_url).rstrip('/'), host_id())}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _record_file(key: str) -> Path:
    return state_path(_WORKERS) / f"{key}.json"


def _lock(key: str) -> AbstractContextManager[None]:
    return exclusively(state_folder(_WORKERS) / f"{key}.lock", f"the worker {key}", timeout=_LOCK_TIMEOUT)
