"""The processes on this host, as the :class:`~meta_prefect.interfaces.api.Host` that components see."""

from __future__ import annotations

import asyncio
import os

from meta_prefect.errors import ProcessError
from meta_prefect.local.guard import why_no_worker
from meta_prefect.local.worker import (
    WorkerProcess,
    ensure_worker_process,
    local_pool_name,
    worker_name,
    worker_status,
)
from meta_prefect.redaction import without_userinfo


class LocalHost:
    """The host that runs the deploy; see :class:`~meta_prefect.interfaces.api.Host`.

    Args:
        start_worker: Whether workers may be started here at all.
    """

    def __init__(self, *, start_worker: bool = True) -> None:
        self._start_worker = start_worker

    def pool_name(self) -> str:
        """The name of the process work pool of this host and user."""
        return local_pool_name()

    def worker_name(self, pool: str) -> str:
        """The name of this host's worker for a pool, as shown in Prefect."""
        return worker_name(pool)

    def worker_is_alive(self, pool: str) -> bool:
        """Whether the worker process started here for a pool of the current API is running."""
        return any(worker.alive for worker in _workers_of(pool))

    def refusal(self) -> str | None:
        """Why no worker may be started here, or None if one may."""
        return why_no_worker(self._start_worker, os.environ)

    async def start_worker(self, pool: str) -> None:
        """Start a process worker for a pool unless one is running."""
        environment = _api_environment()
        await asyncio.to_thread(ensure_worker_process, pool, api_environment=environment)

    def worker_log(self, pool: str) -> str:
        """The path of that worker's log."""
        logs = [worker.record.log for worker in _workers_of(pool)]
        return str(logs[0]) if logs else "there is none"


def _workers_of(pool: str) -> list[WorkerProcess]:
    """Return this host's workers for a pool of the current API, as far as their records are readable."""
    url = without_userinfo(_api_environment().get("PREFECT_API_URL", "")).rstrip("/")
    try:
        return [worker for worker in worker_status() if worker.pool == pool and worker.api_url.rstrip("/") == url]
    except ProcessError:
        return []


def _api_environment() -> dict[str, str]:
    """Return the variables that point a new process at the current API, whatever profile is active by then."""
    from prefect.settings import get_current_settings

    api = get_current_settings().api
    secrets = {"PREFECT_API_KEY": api.key, "PREFECT_API_AUTH_STRING": api.auth_string}
    environment = {name: secret.get_secret_value() for name, secret in secrets.items() if secret is not None}
    if api.url:
        environment["PREFECT_API_URL"] = api.url
    return environment
