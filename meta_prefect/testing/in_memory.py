"""An in-memory Prefect API and host, for testing components."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.server.requests import base_job_template

__all__ = ["InMemoryApi", "InMemoryHost"]


class InMemoryHost:
    """A host without processes; see :class:`~meta_prefect.interfaces.api.Host`.

    Args:
        refusal: Why no worker may be started; None if one may.

    Attributes:
        started: The pools for which a worker was started.
        dies: Whether workers exit right after starting.
    """

    def __init__(self, refusal: str | None = None) -> None:
        self._refusal = refusal
        self.started: list[str] = []
        self.dies = False

    def pool_name(self) -> str:
        """Return the host's own pool."""
        return "local-pool"

    def worker_name(self, pool: str) -> str:
        """Return the host's worker for a pool."""
        return f"{pool}-worker"

    def worker_is_alive(self, pool: str) -> bool:
        """Return whether it was started and has not died."""
        return pool in self.started and not self.dies

    def refusal(self) -> str | None:
        """Return why no worker may be started."""
        return self._refusal

    async def start_worker(self, pool: str) -> None:
        """Record that it was started."""
        self.started.append(pool)

    def worker_log(self, pool: str) -> str:
        """Return a fictitious path."""
        return f"/var/log/{pool}.log"


class InMemoryApi:
    """Objects by path. An object posted to a collection is stored there under its name, as in Prefect.

    Args:
        host: The host; by default one on which workers may be started.

    Attributes:
        objects: The stored objects.
        workers: The workers that each pool has seen.
        sent: The write requests, in order: method, path and body.
    """

    def __init__(self, host: InMemoryHost | None = None) -> None:
        self.host: InMemoryHost = host or InMemoryHost()
        self.objects: dict[str, Record] = {}
        self.workers: dict[str, list[Record]] = {}
        self.sent: list[tuple[str, str, Record]] = []

    def now(self) -> datetime:
        """Return this host's time."""
        return datetime.now(UTC)

    async def get(self, path: str) -> Any:
        """Read one object."""
        return copy.deepcopy(self.objects.get(self._place(path)))

    def _place(self, path: str) -> str:
        # In some collections, Prefect looks up objects by id and by name under different paths.
        return path if path in self.objects else path.replace("/name/", "/", 1)

    async def post(self, path: str, body: Record | None = None) -> Any:
        """Create an object, or list a collection's objects, ignoring the filter."""
        if path.endswith("/workers/filter"):
            return self.workers.get(path.split("/")[2], [])
        if path.endswith("/filter"):
            collection = path.removesuffix("filter")
            inside = {
                key.removeprefix(collection): one for key, one in self.objects.items() if key.startswith(collection)
            }
            return [copy.deepcopy(one) for key, one in inside.items() if "/" not in key]
        body = body or {}
        self.sent.append(("POST", path, body))
        place = f"{path}{body.get('name', len(self.sent))}"
        self.objects[place] = {"id": str(uuid5(NAMESPACE_URL, place)), **copy.deepcopy(body)}
        return copy.deepcopy(self.objects[place])

    async def patch(self, path: str, body: Record) -> Any:
        """Change an object."""
        self.sent.append(("PATCH", path, body))
        self.objects[self._place(path)] |= copy.deepcopy(body)

    async def put(self, path: str, body: Record) -> Any:
        """Replace an object."""
        self.sent.append(("PUT", path, body))
        self.objects[path] = copy.deepcopy(body)

    async def delete(self, path: str) -> None:
        """Delete an object."""
        self.objects.pop(path, None)

    async def base_job_template(self, worker_type: str) -> Record:
        """Return Prefect's own job template for a worker type, from the installed packages."""
        return copy.deepcopy(await base_job_template(worker_type, offline=True))
