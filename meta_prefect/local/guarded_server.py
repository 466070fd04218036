"""``python -m meta_prefect.local.guarded_server HOST PORT LOCK``: Prefect's server, closed to foreign web pages.

Prefect checks neither the ``Host`` nor the ``Origin`` header. Any web page the user visits could otherwise reach a server on
loopback, directly or by resolving its own name to 127.0.0.1 (DNS rebinding), and create deployments, which run commands.
Prefect's CSRF protection does not stop DNS rebinding, and none of its settings covers web sockets.
"""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import os
import sys
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from socket import socket
from threading import Thread
from typing import Any, Final
from urllib.parse import urlsplit

from meta_prefect.local import lifeline
from meta_prefect.local.door import AsgiApp, Door, Receive, Scope, Send
from meta_prefect.local.ports import LOOPBACK_NAMES

_LOOK_SECONDS: Final = 0.2


class OwnPagesOnly:
    """ASGI middleware that rejects requests with a foreign ``Host`` or ``Origin``.

    Programs send no ``Origin``; browsers omit it only for plain same-origin reads.

    Args:
        app: The wrapped application.
        port: The port it listens on; ``127.0.0.1`` and ``localhost`` with this port are accepted.
        names: Additional host names under which it is reached, with the port of a proxy if there is one.
        any_address: Whether to accept any IP address, because it listens on more than loopback. An attacker's page can make a
            host name resolve to this server, but not an IP address.
    """

    def __init__(self, app: AsgiApp, port: int, *, names: Sequence[str] = (), any_address: bool = False) -> None:
        self._app, self._any_address = app, any_address
        self._hosts = {f"{name}:{port}" for name in (*LOOPBACK_NAMES, *names)} | set(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests to this origin and reject the rest."""
        if scope["type"] == "lifespan" or self._is_ours(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "http.response.start", "status": HTTPStatus.FORBIDDEN, "headers": []})
            await send({"type": "http.response.body", "body": b"This server answers its own pages only."})

    def _is_ours(self, scope: Scope) -> bool:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        origin = headers.get(b"origin", b"").decode("latin-1")
        if host not in self._hosts and not (self._any_address and _is_address(host)):
            return False
        return not origin or (page := origin.partition("://")[2]) == host or {page, host} <= self._hosts


def _is_address(host: str) -> bool:
    """Return whether a ``Host`` is an IP address, with or without a port."""
    try:
        ipaddress.ip_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
    return True


def collect_garbage_apart() -> None:
    """Run Python's garbage collection in a dedicated thread from now on.

    Python collects garbage wherever an object happens to be allocated, usually in the event loop. Finalizing an SQLite cursor
    there waits for its connection (``sqlite3_reset`` locks its mutex) and blocks the event loop. If that connection is itself
    waiting for a lock held by another one, whose next statement the event loop was about to send, the whole server hangs
    until SQLite gives up after the 60 seconds of Prefect's ``busy_timeout``. Seen with Prefect 3.9.1, SQLAlchemy 2.0 and
    aiosqlite on Python 3.11.
    """
    gc.disable()
    gc.collect()
    gc.freeze()
    Thread(target=_collect_garbage, name="garbage", daemon=True).start()


def _collect_garbage() -> None:
    """Collect with the interpreter's own thresholds, checking them at intervals."""
    young, middle, old = gc.get_threshold()
    while True:
        time.sleep(_LOOK_SECONDS)
        counts = gc.get_count()
        if counts[0] > young:
            gc.collect(2 if counts[2] > old else 1 if counts[1] > middle else 0)


def serve(
    app: Any, host: str, port: int, *, names: Sequence[str] = (), ready: Callable[[], None] = lambda: None
) -> None:
    """Serve an application to its own pages and to programs until a signal arrives.

    Args:
        app: Prefect's server.
        host: The address to listen on.
        port: The port to listen on.
        names: Additional host names under which it is reached.
        ready: Called once it listens.
    """
    import uvicorn
    from prefect.settings import get_current_settings

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    collect_garbage_apart()
    guarded: Any = OwnPagesOnly(app, port, names=names, any_address=host not in LOOPBACK_NAMES)
    api, level = get_current_settings().server.api, get_current_settings().server.logging_level
    server = Server(
        uvicorn.Config(
            guarded,
            host=host,
            port=port,
            log_level=level.lower(),
            timeout_keep_alive=api.keepalive_timeout,
            ws_ping_interval=api.websocket_ping_interval,
            ws_ping_timeout=api.websocket_ping_timeout,
        )
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn sends itself the signal that ended it
        server.run()
    if not server.started:  # it has logged why
        sys.exit(1)


def main(host: str, port: int, lock: Path) -> None:
    """Serve Prefect's API, UI and services until a signal arrives.

    Args:
        host: The address to listen on.
        port: The port to listen on.
        lock: The lock file to hold while running, so that no two servers share a database.
    """
    if not lifeline.hold(lock):
        sys.exit("Another Prefect server uses the database of this PREFECT_HOME.")
    from prefect.settings import get_current_settings

    from meta_prefect.local.data import database_of
    from meta_prefect.local.process import prefect_home
    from meta_prefect.local.retention import sweep_forever
    from meta_prefect.prefect_internals.serving import create_app

    app: Any = create_app(final=True)
    if (secret := get_current_settings().server.api.auth_string) is not None:
        app = Door(app, port, secret.get_secret_value())
    os.umask(0o077)  # not earlier: the UI, just unpacked, may be shared by all users of an installation
    sweep_forever(database_of(prefect_home()))
    serve(app, host, port)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
