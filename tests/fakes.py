"""A Prefect API and a host that live in memory, and know one job template."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.testing.in_memory import InMemoryApi
from meta_prefect.testing.in_memory import InMemoryHost as FakeHost

__all__ = ["PROCESS_TEMPLATE", "FakeApi", "FakeHost", "an_online_worker"]

PROCESS_TEMPLATE: Record = {
    "variables": {"type": "object", "properties": {"env": {"type": "object"}, "working_dir": {"type": "string"}}},
    "job_configuration": {"env": "{{ env }}", "working_dir": "{{ working_dir }}"},
}
"""What the fake knows as Prefect's own job template, of whatever type."""


class FakeApi(InMemoryApi):
    """An API in memory.

    Attributes:
        unknown_types: Types of workers that Prefect does not know.
        ahead: How far its clock is ahead of this host's.
    """

    def __init__(self, host: FakeHost | None = None, **workers: list[Record]) -> None:
        super().__init__(host)
        self.workers |= workers
        self.unknown_types: set[str] = set()
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The time by its clock, which may be ahead of this host's."""
        return super().now() + self.ahead

    async def base_job_template(self, worker_type: str) -> Record:
        """The one template."""
        if worker_type in self.unknown_types:
            raise ConfigurationError(f"Prefect knows no worker of type {worker_type!r}")
        return copy.deepcopy(PROCESS_TEMPLATE)


def an_online_worker(name: str, heard_in: timedelta = timedelta(), **changes: Any) -> Record:
    """A worker that sent a heartbeat just now, or some time from now."""
    heard = (datetime.now(UTC) + heard_in).isoformat()
    return {"name": name, "status": "ONLINE", "last_heartbeat_time": heard, **changes}
