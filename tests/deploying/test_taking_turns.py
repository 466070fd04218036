"""Whose lock it is: holders elsewhere, of earlier releases, and variables that hold no lock."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import psutil
import pytest
from prefect import flow
from support import Api, wait_until

from meta_prefect.errors import RefusedError
from meta_prefect.local.host import LocalHost
from meta_prefect.local.machine import this_machine
from meta_prefect.server import connect
from meta_prefect.state import lock
from meta_prefect.state.lock import break_stale_locks, ourselves, release_lock_of, turn

STALE = 1.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are stale after a second, and looked at often."""
    monkeypatch.setattr(lock, "STALE_SECONDS", STALE)
    monkeypatch.setattr(lock, "_POLL_SECONDS", 0.05)


def take_turn(project: str) -> list[str]:
    """Wait for a turn, and hold it for a moment; returns what whoever waits was told."""
    told: list[str] = []

    @flow(name="taking turns")
    async def takes_turn() -> None:
        async with connect(LocalHost()) as server, turn(server, project, "dev", waiting=told.append):
            pass

    asyncio.run(takes_turn())
    return told


def lock_of(project: str) -> str:
    return f"meta-prefect-lock-{project}-dev"


def holder(**changes: Any) -> dict[str, Any]:
    """A lock that this very process holds, or somebody who differs from it in something."""
    return {**ourselves().model_dump(mode="json"), "run_id": "", **changes}


NOBODY: dict[str, Any] = {"pid": 2**31 - 2, "started": 1.0}


@pytest.mark.parametrize(
    "value",
    ["garbage", [1], {}, 7, {"pid": -5}, holder(pid=-5), holder(run_id="../../admin"), holder(started="x")],
    ids=range(8),
)
def test_foreign_content_blocks_nobody(server: Api, unique: str, value: Any) -> None:
    """A variable that holds no lock is named with the way to remove it, and removed once it has stood still."""
    server.post("/variables/", name=lock_of(unique), value=value)
    began = time.monotonic()

    told = take_turn(unique)

    assert time.monotonic() - began > STALE
    (text,) = told
    assert f"the variable {lock_of(unique)} does not hold a lock" in text
    assert f"prefect variable unset {lock_of(unique)}" in text
    assert server.get(f"/variables/name/{lock_of(unique)}") is None


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param({"machine": "m", "boot": "b", "pid_namespace": "pid:[1]"}, id="another machine of our name"),
        pytest.param({**this_machine().model_dump(), "pid_namespace": "pid:[1]"}, id="another container"),
        pytest.param(None, id="an earlier release, elsewhere"),
    ],
)
def test_where_a_process_cannot_be_seen_renewal_alone_counts(server: Api, unique: str, machine: Any) -> None:
    """A holder that has our host's name, but whose process ids mean nothing here, keeps its lock while it renews it."""
    value = holder(**NOBODY, machine=machine)
    made = server.post("/variables/", name=lock_of(unique), value=value)
    waiting = threading.Thread(target=take_turn, args=(unique,))
    waiting.start()
    renewed_until = time.monotonic() + 3 * STALE

    def renewed() -> bool:
        value["beat"] += 1
        server.patch(f"/variables/{made['id']}", value=value)
        return time.monotonic() > renewed_until

    wait_until(renewed, what="the lock has been renewed for a while")
    assert waiting.is_alive()
    assert server.get(f"/variables/{made['id']}") is not None

    wait_until(lambda: not waiting.is_alive(), what="the lock is broken once it is no longer renewed", seconds=30)


def test_a_process_that_is_gone_from_here_holds_nothing(server: Api, unique: str) -> None:
    """Where process ids mean the same, a holder whose process is gone is not waited for."""
    server.post("/variables/", name=lock_of(unique), value=holder(**NOBODY))
    began = time.monotonic()

    assert take_turn(unique) == []
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("machine", [ourselves().model_dump()["machine"], None], ids=["this release", "an earlier one"])
def test_a_process_that_runs_here_keeps_its_lock_without_renewing(server: Api, unique: str, machine: Any) -> None:
    """A busy server may take long to store a renewal; a holder that is seen to run keeps its lock until it lets go."""
    made = server.post("/variables/", name=lock_of(unique), value=holder(machine=machine))
    waiting = threading.Thread(target=take_turn, args=(unique,))
    waiting.start()
    until = time.monotonic() + 2 * STALE

    wait_until(lambda: time.monotonic() > until, what="the lock has stood still for a while")

    assert waiting.is_alive()
    server.delete(f"/variables/{made['id']}")
    wait_until(lambda: not waiting.is_alive(), what="the other one has its turn", seconds=30)


def test_stale_locks_are_removed_where_nobody_deploys_any_more(server: Api, unique: str) -> None:
    """Of a preview whose deploy was killed at once, its lock alone is left; a lock that is held stays."""
    held, left = (f"meta-prefect-lock-{unique}-{environment}" for environment in ("held", "left"))
    server.post("/variables/", name=held, value=holder())
    server.post("/variables/", name=left, value=holder(**NOBODY))

    @flow(name="removing locks")
    async def removes() -> None:
        async with connect(LocalHost()) as api:
            await break_stale_locks(api, unique)

    asyncio.run(removes())
    assert [server.get(f"/variables/name/{name}") is not None for name in (held, left)] == [True, False]


def test_an_earlier_release_understands_our_lock() -> None:
    """What an earlier release reads of a holder is still there: it only looked at these."""
    told = ourselves().model_dump(mode="json")

    assert told["host"] == socket.gethostname()
    assert abs(told["started"] - psutil.Process().create_time()) < 1
    assert {"run_id", "run_name", "pid", "beat"} <= told.keys()


def test_a_cancelled_deploy_frees_no_lock_of_another(server: Api, unique: str) -> None:
    """Tidying up after a run frees its own lock, and leaves what it does not understand to those who wait."""

    async def release(run_id: str) -> None:
        async with connect(LocalHost()) as api:
            await release_lock_of(api, unique, "dev", run_id)

    run_id = "00000000-0000-0000-0000-000000000007"
    made = server.post("/variables/", name=lock_of(unique), value="garbage")
    asyncio.run(release(run_id))
    assert server.get(f"/variables/{made['id']}") is not None
    server.patch(f"/variables/{made['id']}", value=holder(run_id=run_id))
    asyncio.run(release(run_id))
    assert server.get(f"/variables/{made['id']}") is None


def test_a_lock_that_cannot_be_made_is_an_error(server: Api) -> None:
    """A name that the server refuses, as with a key that may not write, ends the deploy with what the server says."""
    with pytest.raises(RefusedError, match="refused POST /variables/"):
        take_turn("x" * 300)
