"""A client whose clock is not the server's: nothing that the server recorded is compared with it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from support import Api

from meta_prefect.local.host import LocalHost
from meta_prefect.server import connect
from meta_prefect.server.clock import ServerClock

FAKETIME = shutil.which("faketime")


def run_shifted(shift: str, *arguments: str) -> str:
    """Run `meta-prefect` with a clock that is wrong, successfully; returns what it prints."""
    assert FAKETIME is not None
    command = [FAKETIME, "-f", shift, sys.executable, "-m", "meta_prefect.cli", *arguments]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_time_is_that_of_the_servers_last_answer() -> None:
    """Its `Date` counts and goes on from there; before any answer, or without a date, this host's time has to do."""
    clock, date = ServerClock(), datetime(2026, 11, 20, 12, 30, 15, tzinfo=UTC)
    for header in ({}, {"Date": "yesterday"}):
        asyncio.run(clock.look_at(httpx.Response(200, headers=header)))
        assert abs(datetime.now(UTC) - clock.now()) < timedelta(seconds=5)
    asyncio.run(clock.look_at(httpx.Response(200, headers={"Date": "Fri, 20 Nov 2026 12:30:15 GMT"})))
    assert timedelta() <= clock.now() - date < timedelta(seconds=5)


def test_a_server_tells_its_time(server: Api) -> None:
    """One request is enough."""

    async def ask() -> datetime:
        async with connect(LocalHost()) as api:
            await api.check()
            return api.now()

    assert abs(asyncio.run(ask()) - datetime.now(UTC)) < timedelta(seconds=10)


@pytest.mark.skipif(FAKETIME is None, reason="faketime is not installed")
@pytest.mark.parametrize("shift", ["-3d", "+1m", "+2h", "+3d"])
def test_a_clock_that_is_wrong_changes_nothing(server: Api, one_flow: Path, unique: str, shift: str) -> None:
    """A deploy is refused nothing and misses no heartbeat, it is found in sync, and history has the server's time."""
    root, name = str(one_flow), f"{unique}/local-run-dev"
    before = datetime.now(UTC)
    assert f"created {name}" in run_shifted(shift, "deploy", root)
    assert f"in sync: {name}" in run_shifted(shift, "status", root)
    listed = json.loads(run_shifted(shift, "history", name, "--path", root, "--output", "json"))
    (at,) = (datetime.fromisoformat(one["at"]) for one in listed)
    assert timedelta(minutes=-1) < at - before < timedelta(minutes=5)
