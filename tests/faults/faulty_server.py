"""``python faulty_server.py PORT``: Prefect's own server, behind something that spoils some of its answers.

What is spoilt is set by a PUT of JSON to ``/faults``, ``{}`` for nothing:

* ``status``: the answer's status;
* ``rate``: the part of the matching requests that is spoilt, from 0 to 1;
* ``seed``: of the random numbers that choose them;
* ``match``: a regular expression for ``METHOD /path``;
* ``holding``: a text that the request's body must hold;
* ``after``: whether the server does the work before its answer is lost.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Faults:
    """Spoils answers.

    Args:
        app: The application behind.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._set({})

    def _set(self, faults: dict[str, Any]) -> None:
        self._faults = faults
        self._random = random.Random(faults.get("seed", 0))  # noqa: S311 - repeatable on purpose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _whole_body(receive)
        if scope["path"] == "/faults":
            self._set(json.loads(body))
            await _answer(send, 204)
            return
        spoilt = self._is_spoilt(f"{scope['method']} {scope['path']}", body)
        if spoilt and not self._faults.get("after"):
            await _answer(send, self._faults["status"])
            return
        await self._app(scope, _once(body), _swallow if spoilt else send)
        if spoilt:
            await _answer(send, self._faults["status"])

    def _is_spoilt(self, request: str, body: bytes) -> bool:
        faults = self._faults
        return (
            "status" in faults
            and re.search(faults.get("match", ""), request) is not None
            and faults.get("holding", "").encode() in body
            and self._random.random() < faults.get("rate", 1)
        )


async def _whole_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)


def _once(body: bytes) -> Receive:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _swallow(message: Message) -> None:
    del message


async def _answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b'{"detail": "spoilt by the test"}'})


def main(port: int) -> None:
    """Serve until a signal comes."""
    import uvicorn
    from prefect.server.api.server import create_app

    app: Any = Faults(create_app(final=True))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
