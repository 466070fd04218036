"""A double of Prefect Cloud: what Cloud does otherwise than a server of one's own, in front of a real one.

Facts, and where they are public:

* A workspace's API is at ``/api/accounts/<id>/workspaces/<id>``, and its UI at ``/account/<id>/workspace/<id>``:
  ``prefect.settings.models._defaults.default_ui_url``. Prefect's client takes an API for Cloud where its address begins with
  ``PREFECT_CLOUD_API_URL``: ``prefect.client.base.determine_server_type``.
* Requests, and the handshake of websockets, carry the key as a bearer token (``prefect.events.clients``); an unknown key is
  answered with 401, and what the key may not do with 403: ``prefect.client.cloud`` raises ``CloudUnauthorizedError`` for both.
* There is no CSRF token, no version and no ``/admin``: Prefect's client asks Cloud for none of them
  (``raise_for_api_version_mismatch``, ``enable_csrf_support`` in ``prefect.client``).
* Requests to ``flow_runs``, ``task_runs`` and ``flows`` are limited to 250 a minute on the smallest plan, 500, 1,000 and 2,000 on
  others, each log line counts towards 500 and more; what is above is answered with 429 and ``Retry-After``; flow runs, task runs
  and artifacts are deleted after 7, 14 or 30 days: https://docs.prefect.io/v3/concepts/rate-limits. That page has also said
  that every request counts towards one limit of the account, so the double can do both. Deployments are limited here in
  either case.
"""

from __future__ import annotations

import asyncio
import math
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import orjson
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

WORKSPACE = re.compile(r"^/api/accounts/(?P<account>[^/]+)/workspaces/(?P<workspace>[^/]+)(?P<path>/.*)$")
NOT_IN_CLOUD = re.compile(r"^/(admin(/|$)|hello$|csrf-token$|version$)")
SOME = ("flow_runs", "task_runs", "flows", "deployments")
"""The first parts of the paths that are limited."""

_MADE = re.compile(r"^/(?P<kind>flow_runs|artifacts)/$|^/deployments/[^/]+/create_flow_run$")
_NO_KEPT = httpx.Limits(max_keepalive_connections=0)
"""Each request on a connection of its own: one that is kept may be closed by the server just as it is used again."""

_TEMPLATE = "/collections/views/aggregate-worker-metadata"
_PASSED_ON = frozenset({b"content-type", b"accept", b"user-agent", b"x-prefect-api-version"})


@dataclass
class Limits:
    """How much may be asked at a time.

    Attributes:
        requests: How many requests.
        logs: How many lines of logs.
        seconds: How long it takes until as much may be asked again once that is used up: a minute, but for tests that have none.
            It begins when the first one too many is asked, so that it does not matter how fast the machine is.
        paths: The first parts of the paths that count; empty where all of them do.
    """

    requests: int = 250
    logs: int = 500
    seconds: float = 60
    paths: tuple[str, ...] = SOME


@dataclass
class Traffic:
    """What was asked.

    Attributes:
        asked: Each request, ``METHOD /path`` below the workspace, in order.
        limited: How many requests counted towards the limit of requests.
        refused: How many requests were answered with 429.
        lines: How many lines of logs came.
    """

    asked: list[str] = field(default_factory=list[str])
    limited: int = 0
    refused: int = 0
    lines: int = 0

    def by_path(self) -> Counter[str]:
        """How many by method and first part of the path."""
        return Counter("/".join(one.split("/")[:2]) for one in self.asked)


class CloudDouble:
    """Serves on loopback, in a thread of its own; use it as a context manager.

    Args:
        target: The API of the server behind, ``http://127.0.0.1:4200/api``.
        auth_string: What that server asks for.
        limits: What may be asked; may be changed at any time.
    """

    def __init__(self, target: str, auth_string: str | None = None, limits: Limits | None = None) -> None:
        self._target = target
        self._auth_string = auth_string
        self._csrf: dict[str, str] = {}
        self._allowed, self._allowed_lines = _Allowance(), _Allowance()
        self._made: dict[str, list[str]] = {"flow_runs": [], "artifacts": []}
        self.limits = limits or Limits()
        self.traffic = Traffic()
        self.account, self.workspace, self.key = str(uuid4()), str(uuid4()), f"pnu_{uuid4().hex}"
        self.other_key = f"pnu_{uuid4().hex}"
        """A key that is known, and has no access to the workspace."""
        self.stands_still = False
        """While true, requests are taken and not answered."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self._listener = listener
        self.cloud_url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        self.url = f"{self.cloud_url}/accounts/{self.account}/workspaces/{self.workspace}"
        config = uvicorn.Config(self, log_level="warning", lifespan="off", ws="websockets-sansio")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that lead Prefect here, as a user of Cloud has them."""
        return {
            "PREFECT_API_URL": self.url,
            "PREFECT_CLOUD_API_URL": self.cloud_url,
            "PREFECT_API_KEY": self.key,
            "PREFECT_API_AUTH_STRING": "",
        }

    def __enter__(self) -> CloudDouble:
        """Listen."""
        self._behind = httpx.AsyncClient(timeout=120, auth=self._auth, limits=_NO_KEPT)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *error: object) -> None:
        """Stop listening."""
        self.stands_still = False
        self._server.should_exit = True
        self._thread.join(timeout=20)
        self._listener.close()

    @property
    def _auth(self) -> httpx.BasicAuth | None:
        user, _, password = (self._auth_string or "").partition(":")
        return httpx.BasicAuth(user, password) if self._auth_string else None

    def retain_nothing(self) -> dict[str, int]:
        """Delete all flow runs and artifacts that were made here, as when their time is over; returns how many of each."""

        async def delete_all() -> dict[str, int]:
            done = dict.fromkeys(self._made, 0)
            async with httpx.AsyncClient(timeout=120, auth=self._auth, limits=_NO_KEPT) as client:
                for kind, ids in self._made.items():
                    for one in ids:
                        answer = await self._ask(client, "DELETE", f"{self._target}/{kind}/{one}")
                        done[kind] += answer.is_success
                    ids.clear()
            return done

        return asyncio.run(delete_all())

    # --- serving ---------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a websocket."""
        headers = dict(scope["headers"])
        key = headers.get(b"authorization", b"").decode().lower().removeprefix("bearer ").strip()
        found = WORKSPACE.match(scope["path"])
        if scope["type"] == "websocket":
            is_ours = found is not None and key == self.key and found["workspace"] == self.workspace
            await self._pass_on(found["path"] if found else "", receive, send, is_ours=is_ours)
            return
        body = await _whole_body(receive)
        while self.stands_still:  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(0.05)
        if key not in (self.key, self.other_key):
            await _answer(send, 401, {"detail": "Unauthorized"})
        elif found is None:
            await _answer(send, 404, {"detail": "Not Found"})
        elif key == self.other_key or (found["account"], found["workspace"]) != (self.account, self.workspace):
            await _answer(send, 403, {"detail": "Forbidden"})
        else:
            await self._serve(scope, found["path"], body, send)

    async def _serve(self, scope: Scope, path: str, body: bytes, send: Send) -> None:
        method = scope["method"]
        self.traffic.asked.append(f"{method} {path}")
        if NOT_IN_CLOUD.match(path):
            await _answer(send, 404, {"detail": "Not Found"})
            return
        if (wait := self._wait(path, body)) is not None:
            self.traffic.refused += 1
            headers = [(b"retry-after", str(math.ceil(wait)).encode())]
            await _answer(send, 429, {"detail": "Orchestration API rate limit reached"}, headers)
            return
        path = _TEMPLATE if path == "/collections/work_pool_types" else path
        query = scope["query_string"].decode()
        headers = {name.decode(): value.decode() for name, value in scope["headers"] if name in _PASSED_ON}
        url = f"{self._target}{path}" + (f"?{query}" if query else "")
        answer = await self._ask(self._behind, method, url, content=body, headers=headers)
        if method == "POST" and answer.status_code in (200, 201) and (made := _MADE.match(path)):
            self._made[made["kind"] or "flow_runs"].append(answer.json()["id"])
        kept = [(b"content-type", answer.headers.get("content-type", "application/json").encode())]
        await _send(send, answer.status_code, answer.content, kept)

    def _wait(self, path: str, body: bytes) -> float | None:
        """Count a request; how many seconds it is too early, and None where it is not."""
        if path == "/logs/":
            lines = len(orjson.loads(body))
            self.traffic.lines += lines
            return self._allowed_lines.take(lines, self.limits.logs, self.limits.seconds)
        if self.limits.paths and path.split("/")[1] not in self.limits.paths:
            return None
        self.traffic.limited += 1
        return self._allowed.take(1, self.limits.requests, self.limits.seconds)

    async def _ask(self, client: httpx.AsyncClient, method: str, url: str, **more: Any) -> httpx.Response:
        """Ask the server behind, with its own CSRF token."""
        more["headers"] = {**more.get("headers", {}), **self._csrf}
        answer = await client.request(method, url, **more)
        if answer.status_code == 403 and "CSRF token" in answer.text:
            asked = {"client": uuid4().hex}
            token = (await client.get(f"{self._target}/csrf-token", params=asked)).raise_for_status().json()["token"]
            self._csrf = {"Prefect-Csrf-Client": asked["client"], "Prefect-Csrf-Token": token}
            more["headers"] |= self._csrf
            answer = await client.request(method, url, **more)
        return answer

    async def _pass_on(self, path: str, receive: Receive, send: Send, *, is_ours: bool) -> None:
        """Pass on a websocket. The server behind wants its auth string as a message, and Cloud the key in the handshake."""
        await receive()
        if not is_ours:
            await send({"type": "websocket.close", "code": 1008})
            return
        url = f"{self._target.replace('http', 'ws', 1)}{path}"
        async with connect(url, subprotocols=[Subprotocol("prefect")]) as behind:
            await behind.send(orjson.dumps({"type": "auth", "token": self._auth_string}).decode())
            await behind.recv()
            await send({"type": "websocket.accept"})

            async def back() -> None:
                async for text in behind:
                    await send({"type": "websocket.send", "text": text})

            task = asyncio.create_task(back())
            try:
                while (message := await receive())["type"] == "websocket.receive":
                    await behind.send(message.get("text") or message.get("bytes") or "")
            except ConnectionClosed:
                pass
            finally:
                task.cancel()


class _Allowance:
    """How much of something may be asked still."""

    def __init__(self) -> None:
        self._used = 0
        self._used_up = 0.0

    def take(self, number: int, most: int, seconds: float) -> float | None:
        """Take some of it; returns for how many seconds there is none, or None where it was taken."""
        now = time.monotonic()
        if self._used_up and now >= self._used_up + seconds:
            self._used, self._used_up = 0, 0.0
        if self._used and self._used + number > most:
            self._used_up = self._used_up or now
            return self._used_up + seconds - now
        self._used += number
        return None


async def _whole_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)


async def _answer(send: Send, status: int, document: Any, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    await _send(send, status, orjson.dumps(document), [(b"content-type", b"application/json"), *(headers or [])])


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
