"""Deploys of somebody whose disk is full, and again once there is room."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

import pytest
from disks import Disk, mounted
from faulty import FaultyServer

pytestmark = pytest.mark.faults

PROJECT = """
project: UNIQUE
deployments:
  job:
    - {recipe: local_run_deployer, variables: {name: UNIQUE}}
"""
FLOW = """
from prefect import flow

@flow
def job() -> None: ...
"""


class Done(NamedTuple):
    """What a command has come to."""

    code: int
    out: str
    err: str


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Disk]:
    """A disk for Prefect's home."""
    with mounted(tmp_path / "disk", "size=100m") as found:
        yield found


def command(disk: Disk, folder: Path, *arguments: str, **environment: str) -> Done:
    """Run `meta-prefect` with a home on that disk."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "CI"))}
    home = disk.root / "home"
    done = subprocess.run(
        [sys.executable, "-m", "meta_prefect.cli", *arguments],
        cwd=folder,
        env=clean | {"PREFECT_HOME": str(home), "META_PREFECT__START_WORKER": "false"} | environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_full_home_keeps_no_deploy_from_an_api(
    faulty_server: FaultyServer, disk: Disk, project: Callable[..., Path], unique: str
) -> None:
    """Where an API is configured a deploy needs no room, and says nothing of what it could not remember."""
    root = project(**{"meta_prefect.yaml": PROJECT, "flow.py": FLOW})
    disk.fill()
    api = {"PREFECT_API_URL": faulty_server.api.url}
    first = command(disk, root, "deploy", **api)
    assert (first.code, f"created job/{unique}-dev version 1" in first.out) == (0, True), first
    assert "disk" not in first.err
    status = command(disk, root, "status", **api)
    assert (status.code, "1 of 1 in sync in dev; 1 offline" in status.out) == (3, True), status


def test_a_server_that_finds_no_room_is_explained_and_starts_later(
    disk: Disk, project: Callable[..., Path], unique: str
) -> None:
    """On a full disk nothing is started and left behind; the same deploy goes through once there is room."""
    root = project(**{"meta_prefect.yaml": PROJECT, "flow.py": FLOW})
    (disk.root / "home" / "meta-prefect" / "server").mkdir(parents=True)
    disk.fill()
    failed = command(disk, root, "deploy", "--local")
    assert (failed.code, failed.out) == (1, "")
    assert f"error: {disk.root}/home/meta-prefect/server/server.json: cannot be written: no space left" in failed.err
    assert "Free some space, or set PREFECT_HOME to a folder elsewhere." in failed.err
    disk.make_room()
    try:
        done = command(disk, root, "deploy", "--local")
        assert (done.code, f"created job/{unique}-dev version 1" in done.out) == (0, True), done
    finally:
        command(disk, root, "server", "stop", "--force")


def test_a_disk_that_is_full_when_the_database_is_made_is_named(disk: Disk, project: Callable[..., Path]) -> None:
    """A server that ends because its database finds no room is not an error without a reason."""
    root = project(**{"meta_prefect.yaml": PROJECT, "flow.py": FLOW})
    (disk.root / "home").mkdir()
    disk.fill()
    filler = disk.root / "filler"
    os.truncate(filler, filler.stat().st_size - 200_000)
    failed = command(disk, root, "deploy", "--local")
    assert (failed.code, failed.out) == (1, "")
    assert "the disk is full (" in failed.err
    assert "Free some space, or set PREFECT_HOME to a folder elsewhere." in failed.err
    assert command(disk, root, "server", "status").code == 1
