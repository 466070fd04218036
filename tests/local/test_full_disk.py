"""Writing where the file system is full or read-only: what is said, and what is left as it was."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from disks import Disk, mounted
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_PROFILES_PATH, temporary_settings

from meta_prefect.engine.source import fetch_source
from meta_prefect.errors import MetaPrefectError, ProcessError
from meta_prefect.implementations.code.project_source import ProjectSource
from meta_prefect.local.files import cannot_write, fullness, scratch_folder
from meta_prefect.local.process import (
    ProcessRecord,
    exclusively,
    failure,
    start_detached,
    state_folder,
    state_path,
    write_record,
)
from meta_prefect.local.profile import point_profile_at

RECORD = ProcessRecord(pid=1, start_time=1.0, command=("x",), log=Path("log"))


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Disk]:
    """A disk of half a megabyte that is Prefect's home."""
    with mounted(tmp_path / "disk", "size=512k") as found:
        settings: dict[Any, Path] = {PREFECT_HOME: found.root, PREFECT_PROFILES_PATH: found.root / "profiles.toml"}
        with temporary_settings(settings, restore_defaults={PREFECT_API_URL}):
            yield found


def write_state() -> None:
    """Remember a process."""
    write_record(state_path("server") / "server.json", RECORD)


def hold_lock() -> None:
    """Hold a lock, which needs a file but nothing in it."""
    with exclusively(state_folder("locks") / "x.lock", "x", timeout=1):
        pass


def write_log() -> None:
    """Start a process that has a log."""
    command = [sys.executable, "-c", ""]
    start_detached(command, env={}, cwd=state_path("logs"), log=state_path("logs") / "x.log")


FULL = "no space left on device\n  Free some space, or set PREFECT_HOME to a folder elsewhere."
READ_ONLY = "read-only file system\n  Make it writable, or set PREFECT_HOME to a folder elsewhere."
ON_FULL: dict[str, tuple[Callable[[], object], str]] = {
    "state": (write_state, f"/disk/meta-prefect/server/server.json: cannot be written: {FULL}"),
    "profile": (
        lambda: point_profile_at("http://127.0.0.1:4200/api"),
        "/disk/profiles.toml: cannot point a Prefect profile at http://127.0.0.1:4200/api: No space left on device\n",
    ),
}
ON_READ_ONLY: dict[str, tuple[Callable[[], object], str]] = {
    "state": (write_state, f"/disk/meta-prefect/server/server.json: cannot be written: {READ_ONLY}"),
    "folder": (lambda: state_folder("new"), f"/disk/meta-prefect/new: cannot be written: {READ_ONLY}"),
    "lock": (hold_lock, f"/disk/meta-prefect/locks: cannot be written: {READ_ONLY}"),
    "log": (write_log, f"/disk/meta-prefect/logs: cannot be written: {READ_ONLY}"),
}


@pytest.mark.parametrize(("write", "expected"), ON_FULL.values(), ids=ON_FULL)
def test_a_full_disk_is_named(disk: Disk, write: Callable[[], object], expected: str) -> None:
    """What finds no room names its path and the way out, leaves no piece of itself, and works once there is room."""
    before = "active = 'mine'\n\n[profiles.mine]\nPREFECT_API_KEY = 'k'\n"
    (disk.root / "profiles.toml").write_text(before)
    for name in ("server", "profile"):
        state_folder(name)
    disk.fill()
    with pytest.raises(ProcessError) as caught:
        write()
    assert expected in str(caught.value)
    assert (disk.root / "profiles.toml").read_text() == before
    assert not list(disk.root.rglob(".*.json.*"))
    disk.make_room()
    write()


@pytest.mark.parametrize(("write", "expected"), ON_READ_ONLY.values(), ids=ON_READ_ONLY)
def test_a_read_only_disk_is_named(disk: Disk, write: Callable[[], object], expected: str) -> None:
    """What may not be written names its path and the way out."""
    state_folder("server")
    disk.mount("remount,ro")
    with pytest.raises(ProcessError) as caught:
        write()
    assert expected in str(caught.value)


def test_a_repository_that_finds_no_room_is_not_called_unreachable(disk: Disk, tmp_path: Path) -> None:
    """A copy of a repository that does not fit says that the disk is full, and not that a token may be missing."""
    (repository := tmp_path / "repository").mkdir()
    (repository / "data.bin").write_bytes(os.urandom(2_000_000))
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(repository)]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], check=True)
    (into := disk.root / "copy").mkdir()
    source = ProjectSource(repository=f"file://{repository}")
    with (
        pytest.raises(
            MetaPrefectError, match=r"the project cannot be fetched: the disk is full \(\d+ KiB left\)\n  Free"
        ),
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
    ):
        asyncio.run(fetch_source(source, None, into))


def test_a_process_that_ended_on_a_full_disk_is_explained(disk: Disk) -> None:
    """A server that could not even write its log did not end for no reason."""
    disk.fill()
    (log := disk.root / "server.log").touch()
    told = str(failure(RECORD.model_copy(update={"log": log}), "the Prefect server ended before it answered"))
    assert "ended before it answered: the disk is full (0 KiB left). Its log ends:" in told
    assert told.endswith("Free some space, or set PREFECT_HOME to a folder elsewhere.")


def test_no_folder_for_temporary_files_is_explained(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no temporary file can be written anywhere, the folder that is meant for them is named."""
    disk.mount("remount,ro")
    monkeypatch.setenv("TMPDIR", str(disk.root))
    monkeypatch.setattr("tempfile.tempdir", str(disk.root))
    with (
        pytest.raises(ProcessError, match=r"/disk: cannot be written: read-only file system\n.*set TMPDIR"),
        scratch_folder(),
    ):
        pass


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "Free some space"),
        (errno.EROFS, "Make it writable"),
        (errno.EACCES, "Let the user with the id"),
        (errno.ENOTDIR, "Make room for it there"),
    ],
)
def test_each_reason_has_its_way_out(number: int, way_out: str) -> None:
    """The hint fits the reason, and the reason is the system's own."""
    error = cannot_write(Path("/x"), OSError(number, os.strerror(number)))
    assert str(error).startswith(f"/x: cannot be written: {os.strerror(number).lower()}\n  {way_out}")


def test_a_disk_with_room_is_not_called_full(tmp_path: Path) -> None:
    """Nothing is said of a disk that has room, of a path that is yet to be made either."""
    assert fullness(tmp_path / "not" / "yet") is None
