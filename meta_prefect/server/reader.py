"""What a plan is made from: a Prefect API, or the certainty that there is none."""

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
    """What a plan is made from."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read from, so that nothing can be said to be missing."""
        ...

    @property
    def unsound(self) -> Mapping[str, str]:
        """What was read and cannot be used, by its id: what it is, and how to remove it."""
        ...

    async def read_deployments(self, names: Iterable[tuple[str, str]]) -> dict[str, LiveDeployment]:
        """Read many deployments at once: those that exist, by ``flow/deployment``."""
        ...

    async def read_owned(self, names: Names, environment: str) -> list[LiveDeployment]:
        """Read every deployment of a project in an environment, by its tags, in the order of names."""
        ...

    async def read_last_entries(
        self, names: Names, deployments: Iterable[str], *, live: Mapping[str, LiveDeployment]
    ) -> dict[str, HistoryEntry]:
        """Find what the last deploys wrote of deployments, each given as ``flow/deployment``, with the live ones."""
        ...

    async def read_holds(self) -> Mapping[str, StoredHold]:
        """Read every hold, by ``flow/deployment``."""
        ...

    async def known_blocks(self, types: Iterable[str]) -> set[tuple[str, str]]:
        """Find saved blocks of some types: pairs of block type and name. What they hold is not read."""
        ...

    async def known_variables(self) -> set[str]:
        """The names of all Prefect variables. What they hold is not kept."""
        ...


class NoServer:
    """Stands for a server that holds nothing yet: what is planned without any is planned from scratch.

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
        """What time it is on this host, as there is no other."""
        return datetime.now(UTC)

    async def get(self, path: str) -> Any:
        """Find nothing."""
        del path

    async def post(self, path: str, body: Record | None = None) -> Any:
        """Find nothing by a filter; anything else is a write."""
        if path.endswith("/filter"):
            return []
        raise self._nowhere("POST", path, body)

    async def patch(self, path: str, body: Record) -> Any:
        """Refuse to write."""
        raise self._nowhere("PATCH", path, body)

    async def put(self, path: str, body: Record) -> Any:
        """Refuse to write."""
        raise self._nowhere("PUT", path, body)

    async def delete(self, path: str) -> None:
        """Refuse to write."""
        raise self._nowhere("DELETE", path, None)

    async def base_job_template(self, worker_type: str) -> Record:
        """Prefect's own job template for a type of worker, as far as it is known here."""
        return await base_job_template(worker_type, offline=True)

    async def read_deployments(self, names: Iterable[tuple[str, str]]) -> dict[str, LiveDeployment]:
        """Find nothing."""
        del names
        return {}

    async def read_owned(self, names: Names, environment: str) -> list[LiveDeployment]:
        """Find nothing."""
        del names, environment
        return []

    async def read_last_entries(
        self, names: Names, deployments: Iterable[str], *, live: Mapping[str, LiveDeployment]
    ) -> dict[str, HistoryEntry]:
        """Find nothing."""
        del names, deployments, live
        return {}

    async def read_holds(self) -> Mapping[str, StoredHold]:
        """Find nothing."""
        return {}

    async def known_blocks(self, types: Iterable[str]) -> set[tuple[str, str]]:
        """Find nothing."""
        del types
        return set()

    async def known_variables(self) -> set[str]:
        """Find nothing."""
        return set()

    @staticmethod
    def _nowhere(method: str, path: str, body: Record | None) -> NoApiConfiguredError:
        del body
        return NoApiConfiguredError(f"there is no Prefect API for {method} {path}", hint="Set PREFECT_API_URL.")
