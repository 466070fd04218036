"""The background server: Prefect on SQLite, started for users who have configured no Prefect API.

It listens on the loopback interface and keeps its data in PREFECT_HOME's database. Its settings are determined here: of the
user's ``PREFECT_*`` variables and profiles, only PREFECT_HOME and, at the first start, PREFECT_SERVER_API_PORT count. (To run
a server with other settings, start it yourself and point PREFECT_API_URL at it.) Its address and its API auth string stay the
same across restarts.

It rejects requests from pages of other origins (CORS, CSRF protection, the guard). The auth string keeps out other users of
the host, who can reach loopback too. A new server has one; a server created without one stays that way until one is
requested.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import httpx
import psutil
from pydantic import BaseModel, ConfigDict, Field

from meta_prefect.errors import ProcessError
from meta_prefect.local import lifeline
from meta_prefect.local.asked_settings import asked_port
from meta_prefect.local.database_users import server_on
from meta_prefect.local.environment import clean_environment, without_prefect_settings
from meta_prefect.local.ports import HOST, choose_port, is_free, wait_until_free
from meta_prefect.local.private import make_private
from meta_prefect.local.process import (
    exclusively,
    failure,
    is_alive,
    prefect_home,
    start_detached,
    state_folder,
    stop,
    write_record,
)
from meta_prefect.local.server_record import ServerRecord, lifeline_file, read_server, server_file
from meta_prefect.local.server_settings import guarded_settings
from meta_prefect.local.sign_in import IDENTITY_PATH, prove
from meta_prefect.local.worker import stop_workers_of

START_DEADLINE = 90.0  # seconds: the first start migrates a new database, which takes 14 to 30 s on a busy machine
STOP_DEADLINE = 20.0
_DISTANT_DEADLINE = 5.0
_LOCK_TIMEOUT = 2 * START_DEADLINE
_ATTEMPTS = 3
_POLL = 0.2


class LocalServer(BaseModel):
    """The background server of this PREFECT_HOME.

    Attributes:
        url: The API URL, for example ``http://127.0.0.1:4200/api``.
        ui_url: The UI URL.
        record: Its process record.
        started: Whether this call started it.
        alive: Whether its process runs.
        healthy: Whether it answers.
        auth_string: Its API auth string (``user:password``), if it asks for one. Excluded from every representation.
        stopped_workers: The names of its workers that this call stopped.
        former_url: Its previous URL, if this call had to start it at a new one.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    url: str
    ui_url: str
    record: ServerRecord
    started: bool
    alive: bool
    healthy: bool
    auth_string: str | None = Field(default=None, repr=False)
    stopped_workers: tuple[str, ...] = ()
    former_url: str | None = None


def ensure_server(*, auth: bool | None = None) -> LocalServer:
    """Start the background server, or find it running, and wait until it answers.

    Args:
        auth: Whether it requires an API auth string, generated at random and kept in its state file (mode 0600). By default a
            new server does, and an existing one keeps its setting.

    Raises:
        ProcessError: It did not start (with the last lines of its log), it runs with the other ``auth`` setting, or another
            process uses its database.
    """
    with _lock():
        make_private(prefect_home())
        record = read_server()
        if record is None or not record.runs:
            return _start(record, auth=auth)
        if auth is not None and auth is not (record.auth_string is not None):
            raise ProcessError(
                f"the local server at {record.url} runs with{'out' if auth else ''} an API auth string",
                hint="Stop it, then deploy again: "
                f"`meta-prefect server stop`, `meta-prefect deploy --{'' if auth else 'no-'}auth`.",
            )
        try:  # the process that started it may still be waiting, or was interrupted
            _wait_until_healthy(record)
        except ProcessError:
            if record.runs:
                raise
            return _start(record, auth=auth)  # it was just exiting
        return _describe(record)


def server_status() -> LocalServer | None:
    """Describe the background server's current state, or return None if none was ever started."""
    record = read_server()
    return None if record is None else _describe(record)


def stop_server() -> LocalServer | None:
    """Stop the background server's workers, then the server; its data, address and auth string are kept.

    Returns:
        The server that was stopped, or None if none was running.

    Raises:
        ProcessError: It did not stop, or it runs elsewhere.
    """
    if read_server() is None:  # nothing to stop, so write nothing either
        return None
    with _lock():
        record = read_server()
        if record is None:
            return None
        if record.runs and not record.is_of_here:
            raise _out_of_sight(record, "cannot be stopped from here")
        workers = stop_workers_of(record.url)
        if not stop(record, STOP_DEADLINE):
            return None
        return _describe(record, stopped_workers=workers)


def server_environment(
    environ: Mapping[str, str], *, home: Path, port: int, auth_string: str | None = None, ui_folder: Path | None = None
) -> dict[str, str]:
    """Build the environment of the server's process: the user's, minus every Prefect setting, plus ours.

    Args:
        environ: The environment of this process.
        home: PREFECT_HOME, with the database.
        port: The port it listens on.
        auth_string: The API auth string to require.
        ui_folder: Where to unpack the UI, if that is not possible inside the installed package.
    """
    url = f"http://{HOST}:{port}/api"
    ours = {
        "PREFECT_HOME": str(home),
        # does not exist: profiles are for clients, and a setting in one could weaken the server's protection
        "PREFECT_PROFILES_PATH": str(home / "meta-prefect" / "server" / "no-profiles.toml"),
        "PREFECT_API_URL": url,  # the UI calls this too
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    } | guarded_settings([f"http://{HOST}:{port}", f"http://localhost:{port}"])
    if auth_string is not None:
        ours |= {"PREFECT_SERVER_API_AUTH_STRING": auth_string, "PREFECT_API_AUTH_STRING": auth_string}
    if ui_folder is not None:
        ours["PREFECT_SERVER_UI_STATIC_DIRECTORY"] = str(ui_folder)
    return without_prefect_settings(clean_environment(environ)) | ours


def choose_auth_string(previous: ServerRecord | None, auth: bool | None) -> str | None:
    """Choose the server's auth string at start: the previous one, unless ``auth`` says otherwise.

    Args:
        previous: The server as it was; None for a new one, which gets an auth string.
        auth: Whether it must have one; None if not specified.
    """
    had = previous.auth_string if previous else None
    if auth is False or (auth is None and previous is not None and had is None):
        return None
    return had or f"meta-prefect:{secrets.token_urlsafe(24)}"


def _start(previous: ServerRecord | None, *, auth: bool | None) -> LocalServer:
    home, former = prefect_home(), previous.url if previous else None
    auth_string = choose_auth_string(previous, auth)
    # workers started before the lock file existed still poll the former address
    stopped = stop_workers_of(former) if former else ()
    _refuse_a_second_one(home)
    remembered = previous.port if previous else None
    if remembered is not None:
        wait_until_free(remembered)
    for attempt in range(_ATTEMPTS):
        port = choose_port(home, remembered, asked_port())
        record = _start_at(port, home, auth_string)
        try:
            _wait_until_healthy(record)
        except ProcessError:
            stop(record, STOP_DEADLINE)
            if attempt == _ATTEMPTS - 1 or is_free(port):
                raise
            remembered = None  # the port was taken while our server was starting: try another one
        else:
            moved_from = former if former != record.url else None
            return _describe(record, started=True, stopped_workers=stopped, former_url=moved_from)
    raise AssertionError("the loop returns or raises")


def _start_at(port: int, home: Path, auth_string: str | None) -> ServerRecord:
    """Start the process and record it; on failure leave nothing running."""
    folder = state_folder("server")
    started = start_detached(
        [sys.executable, "-m", "meta_prefect.local.guarded_server", HOST, str(port), str(lifeline_file())],
        env=server_environment(os.environ, home=home, port=port, auth_string=auth_string, ui_folder=_ui_folder(folder)),
        cwd=folder,  # holds no prefect.toml, .env or pyproject.toml for Prefect to read settings from
        log=folder / "server.log",
        extra={"port": str(port)} | ({} if auth_string is None else {"auth_string": auth_string}),
    )
    try:
        record = ServerRecord(**dict(started))
        write_record(server_file(), record)
    except BaseException:  # it could not be found again
        stop(started, STOP_DEADLINE)
        raise
    return record


def _refuse_a_second_one(home: Path) -> None:
    """Make sure that nothing serves this home's database already.

    Raises:
        ProcessError: Something does; the message names it if it is visible.
    """
    database = home / "prefect.db"
    holder = server_on(database)
    if holder is None and lifeline.stays_held(lifeline_file()):
        holder = "a server of Meta-Prefect, in another container or on another machine,"
    if holder is not None:
        raise ProcessError(
            f"{holder} uses this database already; a second server would damage what both write",
            where=str(database),
            hint="End it and try again, point PREFECT_API_URL at it, or choose another PREFECT_HOME.",
        )


def _wait_until_healthy(record: ServerRecord) -> None:
    """Wait until the server answers on its port.

    Raises:
        ProcessError: Its process ended, or it did not answer before the deadline.
    """
    deadline = time.monotonic() + (START_DEADLINE if record.is_of_here else _DISTANT_DEADLINE)
    while not _is_healthy(record):
        if not record.runs:
            raise failure(record, f"the Prefect server (pid {record.pid}) ended before it answered at {record.url}")
        if time.monotonic() > deadline:
            if not record.is_of_here:
                raise _out_of_sight(record, "does not answer here")
            raise failure(record, f"the Prefect server did not answer at {record.url} within {START_DEADLINE:.0f} s")
        time.sleep(_POLL)


def _out_of_sight(record: ServerRecord, what: str) -> ProcessError:
    return ProcessError(
        f"the Prefect server of this PREFECT_HOME runs in another container or on another machine, and {what} ({record.url})",
        where=str(server_file()),
        hint="Stop it there (`meta-prefect server stop`), or choose another PREFECT_HOME here.",
    )


def _is_healthy(record: ServerRecord) -> bool:
    """Return whether it is our server that answers, not another one that took the port."""
    if not (_listens(record) if record.is_of_here else _proves_itself(record)):
        return False
    try:  # bypass proxies from the environment, which would apply to loopback too
        return httpx.get(f"{record.url}/health", timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _listens(record: ServerRecord) -> bool:
    if not is_alive(record):
        return False
    try:
        connections = psutil.Process(record.pid).net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # cannot be determined on this system: trust the answer
        return True
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == record.port for c in connections)


def _proves_itself(record: ServerRecord) -> bool:
    """Challenge a server whose process is not visible to prove that it knows the auth string, without sending it."""
    if record.auth_string is None:
        return record.runs
    challenge = secrets.token_hex(16)
    address = f"{record.url.removesuffix('/api')}{IDENTITY_PATH}"
    try:
        answer = httpx.get(address, params={"challenge": challenge}, timeout=2.0, trust_env=False)
    except httpx.HTTPError:
        return False
    return secrets.compare_digest(answer.content, prove(record.auth_string, record.port, challenge).encode())


def _describe(
    record: ServerRecord,
    *,
    started: bool = False,
    stopped_workers: tuple[str, ...] = (),
    former_url: str | None = None,
) -> LocalServer:
    return LocalServer(
        url=record.url,
        ui_url=record.url.removesuffix("/api"),
        record=record,
        started=started,
        alive=record.runs,
        healthy=_is_healthy(record),
        auth_string=record.auth_string,
        stopped_workers=stopped_workers,
        former_url=former_url,
    )


def _lock() -> AbstractContextManager[None]:
    return exclusively(state_folder("server") / "server.lock", "the local Prefect server", timeout=_LOCK_TIMEOUT)


def _ui_folder(folder: Path) -> Path | None:
    """Return where to unpack the UI; None for Prefect's own place in the installed package, if that is writable."""
    import prefect

    package = Path(str(prefect.__file__)).parent / "server"
    return None if os.access(package, os.W_OK) else folder / "ui"
