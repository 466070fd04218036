"""The page that signs the owner's browser in, and the endpoint where the server proves its identity.

The page is the same for everyone. It reads a ticket from the URL fragment, which browsers never send to a server, and
exchanges it for the API auth string. It keeps the auth string where Prefect's UI keeps what is typed into its sign-in form:
in this origin's storage. A cookie would be sent to every port of the host.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from meta_prefect.local.sign_in import IDENTITY_PATH, PATH, Tickets, prove

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_MAX_BODY_LENGTH: Final = 1024  # bytes, of a ticket or a challenge
_SCRIPT: Final = """
const [ticket, page = "/"] = location.hash.slice(1).split("@");
history.replaceState(null, "", location.pathname);
fetch(location.pathname, {method: "POST", body: ticket, cache: "no-store"})
  .then((answer) => answer.ok ? answer.text() : Promise.reject(answer.status))
  .then((password) => { localStorage.setItem("prefect-password", password); location.replace(new URL(page, location).pathname); })
  .catch(() => { document.body.textContent = "This link has been used, or is too old. Type: meta-prefect open"; });
"""
_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Prefect</title></head>'
    f"<body>Opening the Prefect UI …<script>{_SCRIPT}</script></body></html>"
)
_ALLOWED: Final = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; script-src 'sha256-{_ALLOWED}'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Door:
    """ASGI middleware that serves our two paths and passes everything else on.

    Args:
        app: The wrapped application.
        port: The port it listens on.
        auth_string: The auth string its API requires.
    """

    def __init__(self, app: AsgiApp, port: int, auth_string: str) -> None:
        self._app, self._port, self._auth_string = app, port, auth_string
        self._tickets = Tickets(auth_string, port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one of our paths, or pass the request on."""
        match scope["type"], scope.get("method"), scope.get("path"):
            case "http", "GET", path if path == PATH:
                await _answer(send, HTTPStatus.OK, _PAGE, "text/html")
            case "http", "POST", path if path == PATH:
                if self._tickets.spend(await _read(receive)):
                    await _answer(send, HTTPStatus.OK, base64.b64encode(self._auth_string.encode()).decode())
                else:
                    await _answer(send, HTTPStatus.FORBIDDEN, "This ticket is not valid.")
            case "http", "GET", path if path == IDENTITY_PATH:
                challenge = parse_qs(scope["query_string"].decode("latin-1")).get("challenge", [""])[0]
                await _answer(send, HTTPStatus.OK, prove(self._auth_string, self._port, challenge[:_MAX_BODY_LENGTH]))
            case "http", _, path if path in (PATH, IDENTITY_PATH):
                await _answer(send, HTTPStatus.METHOD_NOT_ALLOWED, "")
            case _:
                await self._app(scope, receive, send)


async def _read(receive: Receive) -> str:
    """Return the request body, or an empty string if it is longer than any ticket."""
    body, more = b"", True
    while more and len(body) <= _MAX_BODY_LENGTH:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    return body.decode("latin-1") if len(body) <= _MAX_BODY_LENGTH else ""


async def _answer(send: Send, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
    headers = _HEADERS | {"Content-Type": f"{kind}; charset=utf-8"}
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": text.encode()})
