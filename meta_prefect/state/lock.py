"""The deploy lock: deploys of the same project and environment take turns.

The lock is a Prefect Variable, created without overwrite, that names its holder. Prefect's own concurrency slots would
release a killed holder after a minute at the earliest, and leak when a server with in-memory leases restarts.

The holder (of any release) renews its lock every 8 seconds by changing the variable. So if the content has not changed for 30
seconds on the waiting process's clock, the lock is stale: its holder hangs, is a release with another format, or the variable
was never a lock. Only if the holder's process is visible, on the same machine and in the same PID namespace, is the process
itself checked instead. Anyone who can write variables can delay deploys, but cannot make a deploy write anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import psutil
from prefect import get_run_logger
from prefect.runtime import flow_run
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from meta_prefect.errors import RefusedError, ServerError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.local.machine import Machine, this_machine
from meta_prefect.server import PrefectServer

RENEWAL_SECONDS = 8
STALE_SECONDS = 30
_POLL_SECONDS = 1
_MAX_REFUSALS = 3
"""If creating the lock fails this many times and there is still none, it was rejected for another reason."""

_FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def _is_run_id(text: str) -> str:
    return str(UUID(text)) if text else text


def _is_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds control characters")
    return text


class Holder(BaseModel):
    """The holder of a lock.

    Attributes:
        run_id: The holder's flow run; empty if there is none.
        run_name: The run's name, shown to those who wait.
        host: The name of its host.
        machine: Where exactly it runs; None for a holder from an earlier release.
        pid: Its process id there.
        started: When that process started, in seconds since the epoch, because pids are reused.
        beat: Incremented with each renewal.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    run_id: Annotated[str, AfterValidator(_is_run_id)]
    run_name: str = Field(max_length=1000)
    host: Annotated[str, AfterValidator(_is_printable)] = Field(max_length=300)
    machine: Machine | None = None
    pid: int = Field(gt=0, lt=2**31, strict=True)
    started: float = Field(ge=0, allow_inf_nan=False)
    beat: int = Field(default=0, ge=0, strict=True)

    def __str__(self) -> str:
        return f"{self.run_name!r} (process {self.pid} on {self.host})"


def holder_of(value: Any) -> Holder | None:
    """Parse the holder of a lock; None if the variable holds something else."""
    try:
        return Holder.model_validate(value)
    except ValidationError:
        return None


def ourselves() -> Holder:
    """Return this process as a holder."""
    return Holder(
        run_id=str(flow_run.get_id() or ""),
        run_name=str(flow_run.get_name() or "a deploy"),
        host=socket.gethostname(),
        machine=this_machine(),
        pid=os.getpid(),
        started=psutil.Process().create_time(),
    )


@asynccontextmanager
async def turn(
    server: PrefectServer, project: str, environment: str, *, waiting: Callable[[str], None] = lambda _: None
) -> AsyncGenerator[None]:
    """Wait for our turn to deploy a project to an environment, and hold the lock meanwhile.

    A lock is broken if its holder's run has ended, if its process on this machine is gone, or if a holder elsewhere has not
    renewed it for 30 seconds on this process's clock. A busy server may take longer than that to store a renewal, so for a
    local holder its process is the more reliable sign.

    Args:
        server: The Prefect API.
        project: The project's current name. That is enough: a deploy under a former name notices before each write that the
            planned deployments have another owner by now, and fails.
        environment: The environment.
        waiting: Called with a description of the deploy being waited for.
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
            # Our deploy is done, and the next one sees that our run has ended.
            get_run_logger().warning("the deploy's lock could not be released: %s", error)


async def release_lock_of(server: PrefectServer, project: str, environment: str, run_id: str) -> None:
    """Release the lock of a run whose process has ended, so that nobody has to wait for it to become stale."""
    live = await _read(server, artifact_key(f"meta-prefect-lock-{project}-{environment}"))
    holder = holder_of(live["value"]) if live is not None else None
    if live is not None and holder is not None and holder.run_id == run_id:
        await server.delete(f"/variables/{live['id']}")


async def break_stale_locks(server: PrefectServer, project: str) -> None:
    """Remove the locks of killed deploys, including those of environments that are no longer deployed to."""
    prefix = artifact_key(f"meta-prefect-lock-{project}") + "-"
    async for live in server.pages("/variables/filter", {"variables": {"name": {"like_": f"{prefix}%"}}}):
        silent_for = server.now() - datetime.fromisoformat(live["updated"])
        if reason := await _why_broken(server, holder_of(live["value"]), silent_for.total_seconds()):
            get_run_logger().warning("removing the variable %s: %s", live["name"], reason)
            await server.delete(f"/variables/{live['id']}")


async def _acquire(server: PrefectServer, name: str, holder: Holder, waiting: Callable[[str], None]) -> str:
    refusals = 0
    while True:
        try:
            made: Record = await server.post("/variables/", {"name": name, "value": holder.model_dump(mode="json")})
        except RefusedError:
            live = await _read(server, name)
            if live is not None and holder_of(live["value"]) == holder:
                # Ours: created by an earlier attempt whose response was lost.
                return live["id"]
            refusals += live is None
            if refusals >= _MAX_REFUSALS:
                raise
            await _wait_until_free(server, name, waiting)
        else:
            return made["id"]


async def _wait_until_free(server: PrefectServer, name: str, waiting: Callable[[str], None]) -> None:
    """Wait until the lock is released, or break it. Only reads: writes by waiters would slow down the running deploy."""
    logger = get_run_logger()
    seen: tuple[str, Any] | None = None
    seen_at = time.monotonic()
    announced: str | None = None
    while (live := await _read(server, name)) is not None:
        if (live["id"], live["value"]) != seen:
            seen, seen_at = (live["id"], live["value"]), time.monotonic()
        other, silent_for = holder_of(live["value"]), time.monotonic() - seen_at
        if reason := await _why_broken(server, other, silent_for):
            logger.warning("breaking the lock of %s: %s", other or f"the variable {name}", reason)
            # By id: a lock acquired by another process meanwhile has a different one.
            await server.delete(f"/variables/{live['id']}")
            return
        text = f"waiting for {other} to finish" if other is not None else _foreign(name)
        if announced != text:
            announced = text
            waiting(text)
            logger.info("%s", text)
        await asyncio.sleep(_POLL_SECONDS)


def _foreign(name: str) -> str:
    # The content is not shown: it may be anything, even a secret.
    return (
        f"the variable {name} does not hold a lock of Meta-Prefect; it is removed unless it changes within "
        f"{STALE_SECONDS} seconds; to remove it now: prefect variable unset {name}"
    )


async def _read(server: PrefectServer, name: str) -> Record | None:
    return await server.get(f"/variables/name/{name}")


async def _why_broken(server: PrefectServer, holder: Holder | None, silent_for: float) -> str | None:
    is_silent = silent_for > STALE_SECONDS
    if holder is None:
        return f"it holds no lock, and has not changed for {STALE_SECONDS} seconds" if is_silent else None
    if _can_be_seen(holder.machine):
        if not _runs(holder):
            return "its process is gone"
    elif is_silent and not _is_known_to_run(holder):
        return f"it was not renewed for {STALE_SECONDS} seconds"
    if holder.run_id:
        run: Record | None = await server.get(f"/flow_runs/{holder.run_id}")
        state: Record = (run or {}).get("state") or {}
        if run is None or state.get("type") in _FINAL:
            return "its run has ended"
    return None


def _can_be_seen(machine: Machine | None) -> bool:
    """Return whether pids on that machine are meaningful here."""
    here = this_machine()
    return machine == here and bool(here.boot and here.pid_namespace)


def _is_known_to_run(holder: Holder) -> bool:
    """Return whether a holder known only by host name (from an earlier release) is seen to run here."""
    is_vague = holder.machine is None or not holder.machine.pid_namespace
    return is_vague and holder.host == socket.gethostname() and _runs(holder)


def _runs(holder: Holder) -> bool:
    try:
        process = psutil.Process(holder.pid)
        return process.is_running() and abs(process.create_time() - holder.started) < 1
    except psutil.Error:
        return False


async def _renew(server: PrefectServer, variable_id: str, holder: Holder) -> None:
    """Renew the lock. A failed renewal is retried at the next beat; the timeout of those waiting covers several."""
    beat = 0
    while True:
        await asyncio.sleep(RENEWAL_SECONDS)
        beat += 1
        value = holder.model_copy(update={"beat": beat}).model_dump(mode="json")
        try:
            await server.patch(f"/variables/{variable_id}", {"value": value})
        except ServerError as error:
            get_run_logger().warning("the deploy's lock could not be renewed: %s", error)
