"""A proxy on loopback that counts the requests of a rival, and may keep each of them waiting, as a network would."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"^content-length:\s*(\d+)", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding:\s*chunked", re.IGNORECASE | re.MULTILINE)
LIMITED = (["flow_runs"], ["task_runs"], ["flows"], ["deployments"])
"""The first part of the paths whose requests Prefect Cloud limits; see ``tests/cloud_double.py``."""
_HOST = re.compile(rb"^host:[^\r\n]*", re.IGNORECASE | re.MULTILINE)


@dataclass
class Traffic:
    """What went through.

    Attributes:
        requests: How many requests.
        limited: How many of them Prefect Cloud counts against 250 a minute on its smallest plan.
        lines: How many lines of logs, of which it takes 500.
        overloaded: How many requests were answered with 503.
        paths: How many by method and first parts of the path.
    """

    requests: int = 0
    limited: int = 0
    lines: int = 0
    overloaded: int = 0
    paths: Counter[str] = field(default_factory=Counter[str])


class Proxy:
    """Passes HTTP/1.1 and web sockets on to a server; use it as a context manager.

    Args:
        target: The server's address, ``http://127.0.0.1:4200``.
        delay: Seconds that each request waits.
    """

    def __init__(self, target: str, delay: float = 0) -> None:
        parts = urlsplit(target)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._delay = delay
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.traffic = Traffic()
        self.url = ""

    def __enter__(self) -> Proxy:
        """Listen."""
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *error: object) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection(self._host, self._port)
            while await self._exchange(reader, writer, back, forth):
                pass
            forth.close()
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of the two sides has hung up, as it may
        writer.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamReader,
        forth: asyncio.StreamWriter,
    ) -> bool:
        """Pass one request and its answer on; returns whether another one may follow."""
        head = await reader.readuntil(b"\r\n\r\n")
        body = await _body(reader, head)
        self._count(head, body)
        if self._delay:
            await asyncio.sleep(self._delay)
        forth.write(_HOST.sub(f"Host: {self._host}:{self._port}".encode(), head, count=1) + body)
        answer = await back.readuntil(b"\r\n\r\n")
        if b" 101 " in answer[:16]:
            writer.write(answer)
            await asyncio.gather(_pump(reader, forth), _pump(back, writer))
            return False
        self.traffic.overloaded += b" 503 " in answer[:16]
        writer.write(answer + await _body(back, answer))
        await writer.drain()
        return True

    def _count(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        self.traffic.requests += 1
        self.traffic.limited += path.split("/")[2:3] in LIMITED
        if (method, path) == ("POST", "/api/logs/"):
            self.traffic.lines += len(json.loads(body))
        self.traffic.paths[f"{method} {'/'.join(path.split('/')[:4])}"] += 1


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if _CHUNKED.search(head):
        parts: list[bytes] = []
        while True:
            size = await reader.readuntil(b"\r\n")
            chunk = await reader.readexactly(int(size, 16) + 2)
            parts += [size, chunk]
            if int(size, 16) == 0:
                return b"".join(parts)
    length = _LENGTH.search(head)
    return await reader.readexactly(int(length[1])) if length else b""


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
