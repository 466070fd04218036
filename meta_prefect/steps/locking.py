"""Two deploys of one project and environment take turns.

The lock is a Prefect Variable, created without overwriting, that says who holds it. Prefect's own concurrency slots would free
a killed holder after a minute at the earliest, and leak when a server that keeps its leases in memory restarts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import psutil
from prefect import get_run_logger
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict

from meta_prefect.errors import RefusedError, ServerError
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.records import Record
from meta_prefect.server import PrefectServer

RENEWAL_SECONDS = 8
STALE_SECONDS = 30
_POLL_SECONDS = 1
_FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class Holder(BaseModel):
    """Who holds a lock.

    Attributes:
        run_id: The holder's flow run.
        run_name: Its name, for whoever waits.
        host: The host that it runs on.
        pid: Its process there.
        started: When that process started, in seconds since 1970: a pid may be given again.
        beat: Goes up with each renewal.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    run_name: str
    host: str
    pid: int
    started: float
    beat: int = 0

    def __str__(self) -> str:
        return f"{self.run_name!r} (process {self.pid} on {self.host})"


def ourselves() -> Holder:
    """This process, as a holder."""
    return Holder(
        run_id=str(flow_run.get_id() or ""),
        run_name=str(flow_run.get_name() or "a deploy"),
        host=socket.gethostname(),
        pid=os.getpid(),
        started=psutil.Process().create_time(),
    )


@asynccontextmanager
async def turn(
    server: PrefectServer, project: str, environment: str, *, waiting: Callable[[str], None] = lambda _: None
) -> AsyncGenerator[None]:
    """Wait for our turn to deploy a project to an environment, and hold it.

    A lock is broken when its holder's run has ended, when its process on this host is gone, or when a holder on another host has
    not renewed it for 30 seconds by this process's own clock. A busy server may take longer than that to store a renewal; on
    this host the process itself is the better witness.

    Args:
        server: The Prefect API.
        project: The project.
        environment: The environment.
        waiting: Is told for whom we wait.
    """
    name = artifact_key(f"meta-prefect-lock-{project}-{environment}")
    holder = ourselves()
    variable_id = await _acquire(server, name, holder, waiting)
    renewal = asyncio.create_task(_renew(server, variable_id, holder))
    try:
        yield
    finally:
        renewal.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewal
        try:
            await server.delete(f"/variables/{variable_id}")
        except ServerError as error:
            # Our work is done all the same, and whoever comes next sees that our run has ended.
            get_run_logger().warning("the deploy's lock could not be released: %s", error)


async def release_lock_of(server: PrefectServer, project: str, environment: str, run_id: str) -> None:
    """Free the lock that a run held whose process has ended, so that nobody has to find that out."""
    live = await _read(server, artifact_key(f"meta-prefect-lock-{project}-{environment}"))
    if live is not None and Holder.model_validate(live["value"]).run_id == run_id:
        await server.delete(f"/variables/{live['id']}")


async def _acquire(server: PrefectServer, name: str, holder: Holder, waiting: Callable[[str], None]) -> str:
    while True:
        try:
            made: Record = await server.post("/variables/", {"name": name, "value": holder.model_dump()})
        except RefusedError:
            live = await _read(server, name)
            if live is not None and Holder.model_validate(live["value"]) == holder:
                # Ours: it was made by an earlier attempt, of which only the answer was lost.
                return live["id"]
            await _wait_until_free(server, name, waiting)
        else:
            return made["id"]


async def _wait_until_free(server: PrefectServer, name: str, waiting: Callable[[str], None]) -> None:
    """Wait until the lock is gone, or break it. Reads only, as writes of whoever waits would slow down whoever deploys."""
    logger = get_run_logger()
    seen: tuple[str, int] | None = None
    seen_at = time.monotonic()
    told: str | None = None
    while (live := await _read(server, name)) is not None:
        other = Holder.model_validate(live["value"])
        if (live["id"], other.beat) != seen:
            seen, seen_at = (live["id"], other.beat), time.monotonic()
        if reason := await _why_broken(server, other, time.monotonic() - seen_at):
            logger.warning("breaking the lock of %s: %s", other, reason)
            # By its id: whoever takes the lock meanwhile has another one.
            await server.delete(f"/variables/{live['id']}")
            return
        if told != other.run_id:
            told = other.run_id
            waiting(f"waiting for {other} to finish")
            logger.info("waiting for %s to finish", other)
        await asyncio.sleep(_POLL_SECONDS)


async def _read(server: PrefectServer, name: str) -> Record | None:
    return await server.get(f"/variables/name/{name}")


async def _why_broken(server: PrefectServer, holder: Holder, silent_for: float) -> str | None:
    if holder.host == socket.gethostname():
        if not _runs(holder):
            return "its process is gone"
    elif silent_for > STALE_SECONDS:
        return f"it was not renewed for {STALE_SECONDS} seconds"
    if holder.run_id:
        run: Record | None = await server.get(f"/flow_runs/{holder.run_id}")
        state: Record = (run or {}).get("state") or {}
        if run is None or state.get("type") in _FINAL:
            return "its run has ended"
    return None


def _runs(holder: Holder) -> bool:
    try:
        process = psutil.Process(holder.pid)
        return process.is_running() and abs(process.create_time() - holder.started) < 1
    except psutil.Error:
        return False


async def _renew(server: PrefectServer, variable_id: str, holder: Holder) -> None:
    """Show that we are alive. A renewal that fails is tried again; whoever waits has patience for several."""
    beat = 0
    while True:
        await asyncio.sleep(RENEWAL_SECONDS)
        beat += 1
        value = holder.model_copy(update={"beat": beat}).model_dump()
        try:
            await server.patch(f"/variables/{variable_id}", {"value": value})
        except ServerError as error:
            get_run_logger().warning("the deploy's lock could not be renewed: %s", error)
