"""``python -m meta_prefect.local.guarded_server HOST PORT LOCK``: Prefect's server, closed to foreign web pages.

Prefect checks neither the ``Host`` nor the ``Origin`` header. Any web page the user visits could otherwise reach a server on
loopback, directly or by resolving its own name to 127.0.0.1 (DNS rebinding), and create deployments, which run commands.
Prefect's CSRF protection does not stop DNS rebinding, and none of its settings covers web sockets.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from typing import Any, Final

from meta_prefect.local import lifeline
from meta_prefect.local.door import AsgiApp, Door, Receive, Scope, Send

_LOOK_SECONDS: Final = 0.2


class OwnPagesOnly:
    """ASGI middleware that rejects requests with a foreign ``Host`` or ``Origin``.

    Programs send no ``Origin``; browsers omit it only for plain same-origin reads.

    Args:
        app: The wrapped application.
        port: The port it listens on; ``127.0.0.1`` and ``localhost`` with this port are accepted.
    """

    def __init__(self, app: AsgiApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._origins = {f"http://{host}" for host in self._hosts}

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
        return host in self._hosts and (not origin or origin in self._origins)


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


def main(host: str, port: int, lock: Path) -> None:
    """Serve Prefect's API, UI and services until a signal arrives.

    Args:
        host: The address to listen on.
        port: The port to listen on.
        lock: The lock file to hold while running, so that no two servers share a database.
    """
    if not lifeline.hold(lock):
        sys.exit("Another Prefect server uses the database of this PREFECT_HOME.")
    import uvicorn
    from prefect.settings import get_current_settings

    from meta_prefect.local.data import database_of
    from meta_prefect.local.process import prefect_home
    from meta_prefect.local.retention import sweep_forever
    from meta_prefect.prefect_internals.serving import create_app

    app: Any = create_app(final=True)
    if (secret := get_current_settings().server.api.auth_string) is not None:
        app = Door(app, port, secret.get_secret_value())
    os.umask(0o077)  # not earlier: the UI, just unpacked, may be shared by all users of an installation
    collect_garbage_apart()
    sweep_forever(database_of(prefect_home()))
    guarded: Any = OwnPagesOnly(app, port)
    uvicorn.run(guarded, host=host, port=port, log_level="warning", ws_ping_interval=20, ws_ping_timeout=20)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
