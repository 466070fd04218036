"""Workers."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, Self
from urllib.parse import quote

from meta_prefect.errors import ProcessError
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components.component import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import FieldChange, Record


class Worker(Component):
    """A worker that serves a pool. For a process pool, one is started on this host; for others, only its presence is checked.

    Attributes:
        name: If empty, this host's default name for a worker of that pool.
        pool: The pool it serves; if empty, the deployment's.
        type: The pool's type; None accepts any, and nothing is started.
        elsewhere: Whether its workers run on other hosts, so that none is started here.
    """

    kind: ClassVar[str] = "worker"
    verbs: ClassVar[tuple[str, str]] = ("started", "started")

    pool: str = ""
    type: str | None = "process"
    elsewhere: bool = False

    def __hash__(self) -> int:
        return super().__hash__()

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Fill in the pool and, if empty, the name from host and pool; without a type, any worker of the pool will do."""
        pool = self.pool or deployment.work_pool_name or host.pool_name()
        name = self.name or (f"of {pool}" if self.type is None else host.worker_name(pool))
        return self.model_copy(update={"pool": pool, "name": name})

    async def read(self, api: Api) -> Record | None:
        """Return whether a worker of the pool is alive; never None, because a stopped worker leaves no trace."""
        found: Record | None = await api.get(_pool(self.pool))
        pool_type: str = (found or {}).get("type") or self.type or ""
        if needs_no_worker(pool_type):
            return {"status": "none needed", "process": False, "refusal": None, "type": pool_type}
        worker_type = self.type or pool_type
        online = [] if found is None else await _fresh(api, self.pool)
        ours = self.type == "process" and api.host.worker_is_alive(self.pool)
        # A killed worker appears online for another minute: for our own worker, the process is more reliable.
        others = [name for name in online if name != self.name]
        is_online = others or (ours and self.name in online)
        return {
            "status": "online" if is_online else "offline",
            "process": ours,
            "refusal": self._refusal(api.host, worker_type),
            "type": worker_type,
            # Left out while online, when it changes with every read.
            **({} if is_online or found is None else {"last_heard": await last_heard(api, self.pool)}),
        }

    def _refusal(self, host: Host, worker_type: str | None) -> str | None:
        """Return why no worker is started on this host; None if one may be."""
        if self.elsewhere:
            return "its workers run elsewhere"
        return host.refusal() if self.type == "process" else f"a {worker_type} worker does not run here"

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """A worker that is not alive is a change, unless none may be started here."""
        if live is None or (live["status"] == "offline" and live["refusal"] is None):
            return (FieldChange("status", "offline", "online"),)
        return ()

    def remarks(self, live: Record | None) -> Iterable[str]:
        """Tell what to run if no worker may be started here."""
        if live is not None and (offline := self.cannot_run(live)) is not None:
            worker_type = live.get("type") or self.type
            command = f"prefect worker start -p {shlex.quote(self.pool)}"
            command += f" -t {shlex.quote(worker_type)}" if worker_type else ""
            yield f"{offline}, and none is started ({live['refusal']}): run `{command}`"

    def cannot_run(self, live: Record | None) -> str | None:
        """No worker is online, and the deploy does not start one."""
        if live is None or live["status"] != "offline" or live["refusal"] is None:
            return None
        return none_online(self.pool, live.get("last_heard"))

    async def write(self, api: Api, live: Record | None) -> None:
        """Start a worker process on this host; it outlives the deploy."""
        del live
        await api.host.start_worker(self.pool)

    async def wait_until_ready(self, api: Api) -> None:
        """Wait for a heartbeat from the new worker, not from the one it replaces.

        Raises:
            ProcessError: The process exited, or sent no heartbeat within 90 seconds; the message names its log.
        """
        import anyio

        deadline, started_at = anyio.current_time() + 90, api.now()
        while self.name not in await fresh_workers(api, self.pool, since=started_at):
            if not api.host.worker_is_alive(self.pool):
                raise self._did_not_start(api, "ended before its first heartbeat")
            if anyio.current_time() > deadline:
                raise self._did_not_start(api, "sent no heartbeat within 90 seconds")
            await anyio.sleep(0.25)

    def _did_not_start(self, api: Api, what: str) -> ProcessError:
        log = api.host.worker_log(self.pool)
        return ProcessError(f"the worker process {what}", where=str(self), hint=f"Its log: {log}")


def needs_no_worker(pool_type: str) -> bool:
    """Return whether Prefect Cloud itself starts the runs of a pool type: push (``ecs:push``) or managed."""
    return pool_type.endswith((":push", ":managed"))


async def fresh_workers(api: Api, pool: str, since: datetime | None = None) -> list[str]:
    """Return the names of a pool's workers with a recent heartbeat; none if the pool does not exist.

    Args:
        api: The Prefect API.
        pool: The pool.
        since: Only those with a heartbeat after this moment, in the server's time.
    """
    return [] if await api.get(_pool(pool)) is None else await _fresh(api, pool, since)


async def _fresh(api: Api, pool: str, since: datetime | None = None) -> list[str]:
    fresh = [worker for worker in await _workers(api, pool) if _is_fresh(worker, api.now())]
    return [one["name"] for one in fresh if since is None or _heard(one) > since]


def none_online(pool: str, heard: str | None) -> str:
    """Build the message that no worker of a pool is online, and since when.

    Args:
        pool: The work pool.
        heard: When the last heartbeat was received; None if unknown.
    """
    since = f"; the last one was heard of at {datetime.fromisoformat(heard):%Y-%m-%d %H:%MZ}" if heard else ""
    return f"no worker of work pool {pool} is online{since}"


async def last_heard(api: Api, pool: str) -> str | None:
    """Return the time of the pool's last heartbeat; None if there never was one or the pool does not exist."""
    if await api.get(_pool(pool)) is None:
        return None
    return max((worker.get("last_heartbeat_time") or "" for worker in await _workers(api, pool)), default="") or None


async def _workers(api: Api, pool: str) -> list[dict[str, Any]]:
    return await api.post(f"{_pool(pool)}/workers/filter", {})


def _pool(name: str) -> str:
    return f"/work_pools/{quote(name)}"


def _is_fresh(worker: dict[str, Any], now: datetime) -> bool:
    """Return whether the last heartbeat is within twice the worker's interval (Prefect says ONLINE for 90 seconds).

    Args:
        worker: The server's record of it.
        now: The server's current time.
    """
    if worker.get("status") != "ONLINE" or not worker.get("last_heartbeat_time"):
        return False
    interval = worker.get("heartbeat_interval_seconds") or 30
    return (now - _heard(worker)).total_seconds() < 2 * interval


def _heard(worker: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(worker["last_heartbeat_time"])
