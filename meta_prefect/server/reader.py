"""What plans read from: a Prefect API, or a stand-in for when there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Protocol

from meta_prefect.errors import NoApiConfiguredError
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.tags import Names
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.holds import StoredHold
from meta_prefect.plan.ledger import HistoryEntry
from meta_prefect.server.requests import base_job_template


class Reader(Api, Protocol):
    """What plans read from."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read from, so that nothing can be reported as missing."""
        ...

    @property
    def unsound(self) -> Mapping[str, str]:
        """Invalid records that were found, by id: what each is, and how to remove it."""
        ...

    async def read_deployments(self, names: Iterable[tuple[str, str]]) -> dict[str, LiveDeployment]:
        """Read the existing ones of many deployments at once, by ``flow/deployment``."""
        ...

    async def read_owned(self, names: Names, environment: str) -> list[LiveDeployment]:
        """Read all deployments of a project in an environment, by their tags, ordered by name."""
        ...

    async def read_last_entries(
        self, names: Names, deployments: Iterable[str], *, live: Mapping[str, LiveDeployment]
    ) -> dict[str, HistoryEntry]:
        """Find what was last deployed to deployments given as ``flow/deployment``, with their live state."""
        ...

    async def read_holds(self) -> Mapping[str, StoredHold]:
        """Read every hold, by ``flow/deployment``."""
        ...

    async def known_blocks(self, types: Iterable[str]) -> set[tuple[str, str]]:
        """Return the saved blocks of some types, as pairs of block type and name. Their contents are not read."""
        ...

    async def known_variables(self) -> set[str]:
        """Return the names of all Prefect variables. Their values are not kept."""
        ...


class NoServer:
    """Stands in for an empty server: everything is planned from scratch.

    Args:
        host: The processes of this host.
    """

    is_empty = True
    unsound: Mapping[str, str] = MappingProxyType({})

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def host(self) -> Host:
        """The processes of this host."""
        return self._host

    def now(self) -> datetime:
        """Return this host's time, since there is no server."""
        return datetime.now(UTC)

    async def get(self, path: str) -> Any:
        """Return nothing."""
        del path

    async def post(self, path: str, body: Record | None = None) -> Any:
        """Return nothing for a filter; reject anything else as a write."""
        if path.endswith("/filter"):
            return []
        raise self._nowhere("POST", path, body)

    async def patch(self, path: str, body: Record) -> Any:
        """Reject the write."""
        raise self._nowhere("PATCH", path, body)

    async def put(self, path: str, body: Record) -> Any:
        """Reject the write."""
        raise self._nowhere("PUT", path, body)

    async def delete(self, path: str) -> None:
        """Reject the write."""
        raise self._nowhere("DELETE", path, None)

    async def base_job_template(self, worker_type: str) -> Record:
        """Return Prefect's own job template for a worker type, as far as it is known here."""
        return await base_job_template(worker_type, offline=True)

    async def read_deployments(self, names: Iterable[tuple[str, str]]) -> dict[str, LiveDeployment]:
        """Return nothing."""
        del names
        return {}

    async def read_owned(self, names: Names, environment: str) -> list[LiveDeployment]:
        """Return nothing."""
        del names, environment
        return []

    async def read_last_entries(
        self, names: Names, deployments: Iterable[str], *, live: Mapping[str, LiveDeployment]
    ) -> dict[str, HistoryEntry]:
        """Return nothing."""
        del names, deployments, live
        return {}

    async def read_holds(self) -> Mapping[str, StoredHold]:
        """Return nothing."""
        return {}

    async def known_blocks(self, types: Iterable[str]) -> set[tuple[str, str]]:
        """Return nothing."""
        del types
        return set()

    async def known_variables(self) -> set[str]:
        """Return nothing."""
        return set()

    @staticmethod
    def _nowhere(method: str, path: str, body: Record | None) -> NoApiConfiguredError:
        del body
        return NoApiConfiguredError(f"there is no Prefect API for {method} {path}", hint="Set PREFECT_API_URL.")
