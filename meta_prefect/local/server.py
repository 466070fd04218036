"""The embedded default: one Prefect server on SQLite in the background, for a user who has configured no Prefect API.

It listens on the loopback interface and keeps its data in PREFECT_HOME's own database. What it is set to is decided here
alone: of the user's ``PREFECT_*`` variables and profiles only PREFECT_HOME and, at the first start, PREFECT_SERVER_API_PORT
count (who wants another server starts it himself and points PREFECT_API_URL at it). Its address stays the same across restarts,
and so does its API auth string if it was ever given one.

It refuses what another origin's page sends (CORS, CSRF protection). That alone is no defence against a page whose name is
made to resolve to this machine (DNS rebinding): such a page is of the server's own origin to the browser. An API auth string is.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import psutil
from pydantic import BaseModel, ConfigDict, Field

from meta_prefect.errors import ProcessError
from meta_prefect.local.asked_settings import asked_port
from meta_prefect.local.environment import clean_environment, without_prefect_settings
from meta_prefect.local.ports import HOST, choose_port, is_free, wait_until_free
from meta_prefect.local.process import (
    ProcessRecord,
    exclusively,
    failure,
    is_alive,
    prefect_home,
    read_record,
    start_detached,
    state_folder,
    state_path,
    stop,
    write_record,
)

START_DEADLINE = 90.0  # the first start migrates a new database: 14 to 30 s on a busy machine
STOP_DEADLINE = 20.0
_LOCK_TIMEOUT = 2 * START_DEADLINE
_ATTEMPTS = 3
_POLL = 0.2


class LocalServer(BaseModel):
    """The background server of this PREFECT_HOME.

    Attributes:
        url: The address of its API, for example ``http://127.0.0.1:4200/api``.
        ui_url: The address of its UI.
        record: Its process.
        started: Whether this call started it.
        alive: Whether its process runs.
        healthy: Whether it answers.
        auth_string: Its API auth string (``user:password``), if it asks for one. Shown in no representation.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    ui_url: str
    record: ProcessRecord
    started: bool
    alive: bool
    healthy: bool
    auth_string: str | None = Field(default=None, repr=False)


def ensure_server(*, auth: bool = False) -> LocalServer:
    """Start the background server, or find it running, and wait until it answers.

    Args:
        auth: Whether it shall ask for an API auth string, made at random and kept in its state file (mode 0600).

    Raises:
        ProcessError: It did not start (with the last lines of its log), or it runs without an auth string where one is wanted.
    """
    with _lock():
        record = read_record(_state_file())
        if record is None or not is_alive(record):
            return _describe(_start(record, auth=auth), started=True)
        if auth and "auth_string" not in record.extra:
            raise ProcessError(
                f"the local server at {_url(record)} runs without an API auth string",
                hint="Stop it and its workers first: `meta-prefect worker stop`, `meta-prefect server stop`.",
            )
        try:  # who started it may still be waiting, or have been interrupted
            _wait_until_healthy(record)
        except ProcessError:
            if is_alive(record):
                raise
            return _describe(_start(record, auth=auth), started=True)  # it was just dying
        return _describe(record, started=False)


def server_status() -> LocalServer | None:
    """Describe the background server as it is now, or return None where none was ever started."""
    record = read_record(_state_file())
    return None if record is None else _describe(record, started=False)


def stop_server() -> LocalServer | None:
    """Stop the background server; its data, address and auth string are kept.

    Returns:
        The server that was stopped, or None where none was running.

    Raises:
        ProcessError: It does not end.
    """
    if read_record(_state_file()) is None:  # nothing to stop: nothing to write either
        return None
    with _lock():
        record = read_record(_state_file())
        if record is None or not stop(record, STOP_DEADLINE):
            return None
        return _describe(record, started=False)


def server_environment(
    environ: Mapping[str, str], *, home: Path, port: int, auth_string: str | None = None, ui_folder: Path | None = None
) -> dict[str, str]:
    """Make the environment of the server's process: what the user has less every Prefect setting, plus ours.

    Args:
        environ: The environment of this process.
        home: PREFECT_HOME, with the database.
        port: Where it listens.
        auth_string: The API auth string to ask for.
        ui_folder: Where to unpack the UI, if that cannot be done inside the installed package.
    """
    url = f"http://{HOST}:{port}/api"
    ours = {
        "PREFECT_HOME": str(home),
        # no such file: the profiles are for clients, and a setting in one of them could open what is closed here
        "PREFECT_PROFILES_PATH": str(home / "meta-prefect" / "server" / "no-profiles.toml"),
        "PREFECT_API_URL": url,  # also what the UI calls
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # any web page could otherwise create deployments, which run commands
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port},http://localhost:{port}",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        # leases kept in memory leak their slots for ever when the server restarts
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # by default each task run's event is a transaction of its own, against which all other writes to SQLite lose
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "2",
    }
    if auth_string is not None:
        ours |= {"PREFECT_SERVER_API_AUTH_STRING": auth_string, "PREFECT_API_AUTH_STRING": auth_string}
    if ui_folder is not None:
        ours["PREFECT_SERVER_UI_STATIC_DIRECTORY"] = str(ui_folder)
    return without_prefect_settings(clean_environment(environ)) | ours


def _start(previous: ProcessRecord | None, *, auth: bool) -> ProcessRecord:
    home, folder = prefect_home(), state_folder("server")
    remembered = int(previous.extra["port"]) if previous else None
    auth_string = previous.extra.get("auth_string") if previous else None
    if auth and auth_string is None:
        auth_string = f"meta-prefect:{secrets.token_urlsafe(24)}"
    if remembered is not None:
        wait_until_free(remembered)
    for attempt in range(_ATTEMPTS):
        port = choose_port(home, remembered, asked_port())
        record = start_detached(
            [sys.executable, "-m", "meta_prefect.local.guarded_server", HOST, str(port)],
            env=server_environment(
                os.environ, home=home, port=port, auth_string=auth_string, ui_folder=_ui_folder(folder)
            ),
            cwd=folder,  # holds no prefect.toml, .env or pyproject.toml whose settings Prefect would read
            log=folder / "server.log",
            extra={"port": str(port)} | ({} if auth_string is None else {"auth_string": auth_string}),
        )
        write_record(_state_file(), record)
        try:
            _wait_until_healthy(record)
        except ProcessError:
            stop(record, STOP_DEADLINE)
            if attempt == _ATTEMPTS - 1 or is_free(port):
                raise
            remembered = None  # somebody took the port while ours was starting: try another one
        else:
            return record
    raise AssertionError("the loop returns or raises")


def _wait_until_healthy(record: ProcessRecord) -> None:
    """Wait until the server answers on its port.

    Raises:
        ProcessError: Its process has ended, or it does not answer within the deadline.
    """
    deadline = time.monotonic() + START_DEADLINE
    while not _is_healthy(record):
        if not is_alive(record):
            raise failure(record, f"the Prefect server (pid {record.pid}) ended before it answered at {_url(record)}")
        if time.monotonic() > deadline:
            raise failure(record, f"the Prefect server did not answer at {_url(record)} within {START_DEADLINE:.0f} s")
        time.sleep(_POLL)


def _is_healthy(record: ProcessRecord) -> bool:
    """Say whether our server, and not another one that took the port, answers."""
    if not _listens(record):
        return False
    try:  # without the environment's proxies, which would be asked for the loopback address
        return httpx.get(f"{_url(record)}/health", timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _listens(record: ProcessRecord) -> bool:
    if not is_alive(record):
        return False
    try:
        connections = psutil.Process(record.pid).net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # cannot be known on this system: let the answer count
        return True
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == int(record.extra["port"]) for c in connections)


def _describe(record: ProcessRecord, *, started: bool) -> LocalServer:
    url = _url(record)
    return LocalServer(
        url=url,
        ui_url=url.removesuffix("/api"),
        record=record,
        started=started,
        alive=is_alive(record),
        healthy=_is_healthy(record),
        auth_string=record.extra.get("auth_string"),
    )


def _url(record: ProcessRecord) -> str:
    return f"http://{HOST}:{record.extra['port']}/api"


def _state_file() -> Path:
    return state_path("server") / "server.json"


def _lock() -> AbstractContextManager[None]:
    return exclusively(state_folder("server") / "server.lock", "the local Prefect server", timeout=_LOCK_TIMEOUT)


def _ui_folder(folder: Path) -> Path | None:
    """Where to unpack the UI: None for Prefect's own place inside the installed package, if that can be written."""
    import prefect.server

    package = Path(str(prefect.server.__file__)).parent
    return None if os.access(package, os.W_OK) else folder / "ui"
