"""``meta-prefect server start``: the guarded server in the foreground, for people who run ``prefect server start``.

It uses the user's Prefect settings, as ``prefect server start`` does. Those that guard it, and those that keep a server on SQLite
responsive, are added where the user has not set them.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from meta_prefect.errors import ProcessError, SettingsError
from meta_prefect.local import lifeline
from meta_prefect.local.asked_settings import asked_settings
from meta_prefect.local.data import database_of
from meta_prefect.local.database_users import server_on
from meta_prefect.local.guarded_server import serve
from meta_prefect.local.ports import LOOPBACK_NAMES, is_free
from meta_prefect.local.process import prefect_home
from meta_prefect.local.server_record import lifeline_file
from meta_prefect.local.server_settings import guarded_settings

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_DATABASE: Final = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
_AUTH: Final = "PREFECT_SERVER_API_AUTH_STRING"
_SQLITE: Final = "sqlite+aiosqlite"
_POSTGRESQL: Final = "postgresql+asyncpg"
_EVERY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
_CONNECT_SECONDS: Final = 20


@dataclass(frozen=True)
class ForegroundServer:
    """A server that is ready to start.

    Attributes:
        host: The address to listen on.
        port: The port to listen on.
        names: Additional host names under which it is reached.
        url: The URL of its UI.
        database: The URL of its database, without the password.
        authenticates: Whether it requires an API auth string.
        added: The names of the settings added to the user's.
        environment: The environment of its process.
    """

    host: str
    port: int
    names: tuple[str, ...]
    url: str
    database: str
    authenticates: bool
    added: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)

    def run(self) -> NoReturn:
        """Replace this process with the server, which runs until a signal ends it."""
        command = [sys.executable, "-m", __name__, self.host, str(self.port), self.url, *self.names]
        os.execve(sys.executable, command, dict(self.environment))  # noqa: S606


def prepare_server(
    *,
    host: str | None = None,
    port: int | None = None,
    database: str | None = None,
    names: Sequence[str] = (),
    auth: bool = True,
) -> ForegroundServer:
    """Check that a server can start here, and build its environment. Nothing is written.

    Args:
        host: The address to listen on. Defaults to Prefect's setting, which is 127.0.0.1 unless changed.
        port: The port to listen on. Defaults to Prefect's setting, which is 4200 unless changed.
        database: The URL of the database. Defaults to Prefect's setting, which is SQLite in PREFECT_HOME unless changed.
        names: Host names under which clients and browsers reach it, with the port of a proxy if there is one.
        auth: Whether to require an API auth string if it listens on more than loopback.

    Raises:
        SettingsError: The URL of the database is invalid, or the server would be open to the network.
        ProcessError: The address is in use, the database does not respond, or another server uses it.
    """
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, get_current_settings

    server, asked = get_current_settings().server, asked_settings()
    host, port = host or server.api.host, port or server.api.port
    authenticates = server.api.auth_string is not None
    if host not in LOOPBACK_NAMES and auth and not authenticates:
        raise SettingsError(
            f"without an API auth string, everyone who can reach {host}:{port} could run code through the workers of this server",
            hint=f"Set {_AUTH} (user:password) here and PREFECT_API_AUTH_STRING for clients, or pass --no-auth.",
        )
    _check_address(host, port)
    parsed = _parse(database or PREFECT_API_DATABASE_CONNECTION_URL.value())
    _check_database(parsed)
    own = _own_addresses(host, port, names)
    ours = guarded_settings([f"http://{address}" for address in own]) | {
        "PREFECT_SERVER_UI_API_URL": f"http://{own[0]}/api",
    }
    added = {name: value for name, value in ours.items() if name not in asked}
    return ForegroundServer(
        host=host,
        port=port,
        names=tuple(names),
        url=f"http://{own[0]}",
        database=parsed.render_as_string(hide_password=True),
        authenticates=authenticates,
        added=tuple(sorted(added)),
        environment={**os.environ, **added, **({} if database is None else {_DATABASE: database})},
    )


def main(host: str, port: int, url: str, names: Sequence[str]) -> None:
    """Serve Prefect's API, UI and services until a signal arrives.

    Args:
        host: The address to listen on.
        port: The port to listen on.
        url: The URL of the UI, which is printed once the server responds.
        names: Additional host names under which it is reached.
    """
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

    database = _parse(PREFECT_API_DATABASE_CONNECTION_URL.value())
    if _file_of(database) == database_of(prefect_home()) and not lifeline.hold(lifeline_file()):
        sys.exit("Another Prefect server uses the database of this PREFECT_HOME.")
    from meta_prefect.prefect_internals.serving import create_app

    app = create_app(final=True)
    os.umask(0o077)  # not earlier: the UI, just unpacked, may be shared by all users of an installation

    def ready() -> None:
        sys.stdout.write(f"Ready: {url} (API: {url}/api). Ctrl-C stops it.\n")
        sys.stdout.flush()

    serve(app, host, port, names=names, ready=ready)


def _own_addresses(host: str, port: int, names: Sequence[str]) -> list[str]:
    """Return the addresses at which its own pages are opened, the most familiar to browsers first."""
    listening = () if host in _EVERY_ADDRESS else (f"[{host}]" if ":" in host else host,)
    addresses = [*(name if ":" in name else f"{name}:{port}" for name in names)]
    addresses += [f"{name}:{port}" for name in (*listening, *LOOPBACK_NAMES)]
    return list(dict.fromkeys(addresses))


def _check_address(host: str, port: int) -> None:
    try:
        free = is_free(port, host)
    except socket.gaierror as error:
        raise ProcessError(
            f"cannot listen on {host!r}: {error.strerror}", hint="Pass an address of this machine."
        ) from error
    if not free:
        raise ProcessError(f"cannot listen on port {port} of {host}: it is in use", hint="Pass another --port.")


def _parse(url: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    known = f"{_SQLITE}:////path/to/prefect.db or {_POSTGRESQL}://user@host:5432/prefect"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # its message quotes the URL, which may hold a password
        raise SettingsError("the URL of the database cannot be parsed", hint=f"Write {known}.") from None
    if parsed.drivername not in (_SQLITE, _POSTGRESQL):
        raise SettingsError(
            f"Prefect does not support the database driver {parsed.drivername!r}", hint=f"Write {known}."
        )
    return parsed


def _check_database(url: URL) -> None:
    if url.drivername == _POSTGRESQL:
        asyncio.run(_connect(url))
    elif (file := _file_of(url)) is not None and (holder := server_on(file)) is not None:
        raise ProcessError(
            f"{holder} uses this database already; two servers would corrupt each other's data",
            where=str(file),
            hint="Stop it first (`meta-prefect server stop` stops the one in the background), or pass another --database.",
        )


def _file_of(url: URL) -> Path | None:
    """Return the file of a SQLite database; None for PostgreSQL and for an in-memory database."""
    if url.drivername != _SQLITE or not url.database or ":memory:" in url.database:
        return None
    return Path(url.database)


async def _connect(url: URL) -> None:
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS), engine.connect():
            pass
    except TimeoutError as error:
        raise ProcessError(f"the database did not answer within {_CONNECT_SECONDS} s", where=str(url)) from error
    except (OSError, SQLAlchemyError) as error:
        raise ProcessError(f"cannot connect to the database: {error}", where=str(url)) from error
    finally:
        await engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:])
