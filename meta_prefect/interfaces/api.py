"""The protocols through which components are read and written: the Prefect API and this host's processes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Protocol

from meta_prefect.interfaces.json_diff import Record

__all__ = ["Api", "Host", "read_all"]

_PAGE: Final = 200
"""The maximum number of objects that the API returns per request."""


class Host(Protocol):
    """The processes on the host that runs the deploy."""

    def pool_name(self) -> str:
        """Return the name of the process work pool of this host and user."""
        ...

    def worker_name(self, pool: str) -> str:
        """Return the name of this host's worker for a pool, as shown in Prefect."""
        ...

    def worker_is_alive(self, pool: str) -> bool:
        """Return whether the worker process started here for a pool is running."""
        ...

    def refusal(self) -> str | None:
        """Return why no worker may be started here (a container, a setting), or None if one may."""
        ...

    async def start_worker(self, pool: str) -> None:
        """Start a process worker for a pool unless one is running; it outlives this process.

        Raises:
            ProcessError: It did not start.
        """
        ...

    def worker_log(self, pool: str) -> str:
        """Return the path of that worker's log."""
        ...


class Api(Protocol):
    """The Prefect REST API. Temporary errors are retried before they are raised.

    Every call raises :class:`~meta_prefect.errors.UnreachableError` or :class:`~meta_prefect.errors.OverloadedError` if the
    server cannot serve it at the moment, and :class:`~meta_prefect.errors.RefusedError` if the server rejects it.
    """

    @property
    def host(self) -> Host:
        """The processes of this host."""
        ...

    def now(self) -> datetime:
        """Return the server's time. Compare timestamps recorded by the server only with this: local clocks may be days off."""
        ...

    async def get(self, path: str) -> Any:
        """Read one object; None if it does not exist (404)."""
        ...

    async def post(self, path: str, body: Record | None = None) -> Any:
        """Send a POST and return the response's JSON."""
        ...

    async def patch(self, path: str, body: Record) -> Any:
        """Send a PATCH and return the response's JSON."""
        ...

    async def put(self, path: str, body: Record) -> Any:
        """Send a PUT and return the response's JSON."""
        ...

    async def delete(self, path: str) -> None:
        """Delete an object; it is not an error if it does not exist."""
        ...

    async def base_job_template(self, worker_type: str) -> Record:
        """Return Prefect's own job template for a worker type, such as ``process`` or ``kubernetes``.

        Raises:
            ConfigurationError: Prefect does not know the type.
        """
        ...


async def read_all(api: Api, path: str, condition: Record) -> list[Record]:
    """Read all pages of a list.

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
