"""What a component is handed to be read and written with: the Prefect API, and this host's processes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Protocol

from meta_prefect.interfaces.json_diff import Record

__all__ = ["Api", "Host", "read_all"]

_PAGE: Final = 200
"""The most objects that the API returns at once."""


class Host(Protocol):
    """The processes of the host that deploys."""

    def pool_name(self) -> str:
        """The name of this host's and user's own process work pool."""
        ...

    def worker_name(self, pool: str) -> str:
        """The name under which this host's worker of a pool shows in Prefect."""
        ...

    def worker_is_alive(self, pool: str) -> bool:
        """Whether the worker process that was started here for a pool still runs."""
        ...

    def refusal(self) -> str | None:
        """Why no worker may be started here (a container, a setting); None where one may."""
        ...

    async def start_worker(self, pool: str) -> None:
        """Start a process worker for a pool unless one runs; it outlives this process.

        Raises:
            ProcessError: It did not start.
        """
        ...

    def worker_log(self, pool: str) -> str:
        """Where that worker writes its log."""
        ...


class Api(Protocol):
    """The Prefect REST API. Temporary errors are retried before they are raised.

    Every call raises :class:`~meta_prefect.errors.UnreachableError` or :class:`~meta_prefect.errors.OverloadedError` where
    the server cannot serve it now, and :class:`~meta_prefect.errors.RefusedError` where it will not.
    """

    @property
    def host(self) -> Host:
        """The processes of this host."""
        ...

    def now(self) -> datetime:
        """What time it is for the server. What it recorded is compared with no other clock: this host's may be days off."""
        ...

    async def get(self, path: str) -> Any:
        """Read one object; None where there is none (404)."""
        ...

    async def post(self, path: str, body: Record | None = None) -> Any:
        """Send a POST and return the answer's JSON."""
        ...

    async def patch(self, path: str, body: Record) -> Any:
        """Send a PATCH and return the answer's JSON."""
        ...

    async def put(self, path: str, body: Record) -> Any:
        """Send a PUT and return the answer's JSON."""
        ...

    async def delete(self, path: str) -> None:
        """Delete an object; one that is gone already is no error."""
        ...

    async def base_job_template(self, worker_type: str) -> Record:
        """Prefect's own job template for a type of worker, such as ``process`` or ``kubernetes``.

        Raises:
            ConfigurationError: Prefect knows no such type.
        """
        ...


async def read_all(api: Api, path: str, condition: Record) -> list[Record]:
    """Read a list to its end.

    Args:
        api: The Prefect API.
        path: A path that ends in ``/filter``.
        condition: The filter.
    """
    found: list[Record] = []
    while True:
        page: list[Record] = await api.post(path, {**condition, "limit": _PAGE, "offset": len(found)})
        found += page
        if len(page) < _PAGE:
            return found
