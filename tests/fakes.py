"""A Prefect API and a host that live in memory: the seam at which components meet the world."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.json_diff import Record

PROCESS_TEMPLATE: Record = {
    "variables": {"type": "object", "properties": {"env": {"type": "object"}, "working_dir": {"type": "string"}}},
    "job_configuration": {"env": "{{ env }}", "working_dir": "{{ working_dir }}"},
}
"""What the fake knows as Prefect's own job template, of whatever type."""


class FakeHost:
    """A host without processes.

    Args:
        refusal: Why no worker may be started.
    """

    def __init__(self, refusal: str | None = None) -> None:
        self._refusal = refusal
        self.started: list[str] = []
        self.dies = False

    def pool_name(self) -> str:
        """The host's own pool."""
        return "local-pool"

    def worker_name(self, pool: str) -> str:
        """The host's worker of a pool."""
        return f"{pool}-worker"

    def worker_is_alive(self, pool: str) -> bool:
        """Whether it was started, and nothing killed it."""
        return pool in self.started and not self.dies

    def refusal(self) -> str | None:
        """Why no worker may be started."""
        return self._refusal

    async def start_worker(self, pool: str) -> None:
        """Remember that it was started."""
        self.started.append(pool)

    def worker_log(self, pool: str) -> str:
        """A place."""
        return f"/var/log/{pool}.log"


class FakeApi:
    """Objects by their paths. What is posted to a collection is stored there under its name, as Prefect does.

    Attributes:
        objects: What there is.
        workers: The workers that each pool has seen.
        sent: The writing requests, in order: method, path and body.
        unknown_types: Types of workers that Prefect does not know.
        ahead: How far its clock is ahead of this host's.
    """

    def __init__(self, host: FakeHost | None = None, **workers: list[Record]) -> None:
        self.host = host or FakeHost()
        self.objects: dict[str, Record] = {}
        self.workers = workers
        self.sent: list[tuple[str, str, Record]] = []
        self.unknown_types: set[str] = set()
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The time by its clock, which may be ahead of this host's."""
        return datetime.now(UTC) + self.ahead

    async def get(self, path: str) -> Any:
        """Read one object."""
        return copy.deepcopy(self.objects.get(path))

    async def post(self, path: str, body: Record | None = None) -> Any:
        """Create an object, or list the workers of a pool."""
        if path.endswith("/workers/filter"):
            return self.workers.get(path.split("/")[2], [])
        assert body is not None
        self.sent.append(("POST", path, body))
        self.objects[f"{path}{body['name']}"] = copy.deepcopy(body)
        return body

    async def patch(self, path: str, body: Record) -> Any:
        """Change an object."""
        self.sent.append(("PATCH", path, body))
        self.objects[path] |= copy.deepcopy(body)

    async def put(self, path: str, body: Record) -> Any:
        """Replace an object."""
        self.sent.append(("PUT", path, body))
        self.objects[path] = copy.deepcopy(body)

    async def delete(self, path: str) -> None:
        """Delete an object."""
        self.objects.pop(path, None)

    async def base_job_template(self, worker_type: str) -> Record:
        """Prefect's own template."""
        if worker_type in self.unknown_types:
            raise ConfigurationError(f"Prefect knows no worker of type {worker_type!r}")
        return copy.deepcopy(PROCESS_TEMPLATE)


def an_online_worker(name: str, heard_in: timedelta = timedelta(), **changes: Any) -> Record:
    """A worker that sent a heartbeat just now, or some time from now."""
    heard = (datetime.now(UTC) + heard_in).isoformat()
    return {"name": name, "status": "ONLINE", "last_heartbeat_time": heard, **changes}
