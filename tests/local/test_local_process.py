"""Detached processes, their records and their end."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import psutil
import pytest

from meta_prefect.errors import ProcessError
from meta_prefect.local.process import (
    ProcessRecord,
    exclusively,
    failure,
    is_alive,
    read_record,
    start_detached,
    stop,
    tail,
    write_record,
)

Until = Callable[[Callable[[], Any]], Any]
Start = Callable[[str], ProcessRecord]


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start]:
    """Start a shell script detached; whatever is left of it is ended after the test."""
    records: list[ProcessRecord] = []

    def start(script: str) -> ProcessRecord:
        log = tmp_path / "process.log"
        records.append(start_detached(["sh", "-c", script], env=dict(os.environ), cwd=tmp_path, log=log))
        return records[-1]

    yield start
    for record in records:
        stop(record, timeout=1)


def test_a_process_is_detached_and_its_output_is_private(start: Start, until: Until) -> None:
    """A process leads a session of its own, reads nothing, and writes both outputs to a log that only its owner reads."""
    record = start("cat; echo out; echo error >&2; sleep 100")
    until(lambda: tail(record.log) == "out\nerror")
    assert is_alive(record)
    assert os.getsid(record.pid) == record.pid
    assert stat.S_IMODE(record.log.stat().st_mode) == 0o600


def test_a_process_outlives_the_command_that_started_it(tmp_path: Path, until: Until) -> None:
    """A process goes on after its starter has ended, and is found alive by its record."""
    starter = (
        "import sys; from pathlib import Path; from meta_prefect.local.process import *; here = Path(sys.argv[1]);"
        "record = start_detached(['sleep', '100'], env={'PATH': '/usr/bin:/bin'}, cwd=here, log=here / 'log');"
        "write_record(here / 'record.json', record)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", starter, str(tmp_path)], check=True, timeout=60)
    record = read_record(tmp_path / "record.json")
    assert record is not None
    assert is_alive(record)
    assert stop(record, timeout=5)
    until(lambda: not is_alive(record))


def test_a_dead_child_does_not_look_alive(start: Start, until: Until) -> None:
    """A process that has ended is not alive although its starter still lives, and it leaves no zombie."""
    record = start("exit 3")
    until(lambda: not is_alive(record))
    until(lambda: not psutil.pid_exists(record.pid))


def test_a_zombie_is_not_alive(tmp_path: Path, until: Until) -> None:
    """A process that ended and whose parent never collects it is not alive, and there is nothing to stop."""
    code = "import subprocess, sys; p = subprocess.Popen(['true']); print(p.pid, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))
        until(lambda: process.status() == psutil.STATUS_ZOMBIE)
        record = ProcessRecord(
            pid=process.pid, start_time=process.create_time(), command=("true",), log=tmp_path / "log"
        )
        assert not is_alive(record)
        assert not stop(record, timeout=1)
        parent.communicate()


def test_another_process_with_the_pid_is_left_alone(start: Start) -> None:
    """A record whose start time is not that of the process with its pid means nobody: nothing is stopped."""
    other = start("sleep 100")
    record = other.model_copy(update={"start_time": other.start_time - 60})
    assert not is_alive(record)
    assert not stop(record, timeout=1)
    assert is_alive(other)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("echo ready; exec sleep 100", id="ends when asked"),
        pytest.param("trap '' TERM; echo ready; while :; do sleep 100; done", id="ignores SIGTERM"),
        pytest.param("sleep 100 & echo ready; wait", id="has a child"),
        pytest.param("setsid sleep 100 & echo ready; wait", id="has a child in a session of its own"),
    ],
)
def test_stopping_ends_the_whole_group(start: Start, until: Until, script: str) -> None:
    """Stopping a process ends it and its children, by SIGKILL if need be."""
    record = start(script)
    until(lambda: tail(record.log) == "ready")
    members = [psutil.Process(record.pid), *psutil.Process(record.pid).children(recursive=True)]
    assert stop(record, timeout=0.5)
    assert not is_alive(record)
    until(lambda: not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in members))
    assert not stop(record, timeout=0.5)


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    """A record is read as it was written, from a file that only its owner reads, and leaves no other file."""
    record = ProcessRecord(
        pid=7, start_time=1.5, command=("a", "b c"), log=tmp_path / "log", extra={"auth_string": "user:hidden"}
    )
    path = tmp_path / "record.json"
    assert read_record(path) is None
    write_record(path, record)
    assert read_record(path) == record
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert "hidden" not in repr(record)


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    """A file that holds no record is an error that names the file and says what to do."""
    path = tmp_path / "record.json"
    path.write_text('{"pid": "seven"}')
    with pytest.raises(ProcessError, match=r"record\.json: .*\n  Delete it"):
        read_record(path)


def test_a_missing_executable_is_named(tmp_path: Path) -> None:
    """A command that does not exist is an error that names it."""
    with pytest.raises(ProcessError, match="cannot start 'no-such-program'"):
        start_detached(["no-such-program"], env={}, cwd=tmp_path, log=tmp_path / "log")


def test_a_new_start_keeps_the_log_of_the_one_before(start: Start, until: Until) -> None:
    """The log holds the present process's output alone; the one before is beside it."""
    first = start("echo first")
    until(lambda: not is_alive(first))
    second = start("echo second")
    until(lambda: tail(second.log) == "second")
    assert tail(second.log.with_name("process.log.1")) == "first"


def test_a_failure_shows_the_log(tmp_path: Path) -> None:
    """The error about a process names its log and shows the log's last lines only."""
    log = tmp_path / "process.log"
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    record = ProcessRecord(pid=7, start_time=1.5, command=("a",), log=log)
    error = failure(record, "it ended", hint="Look there.")
    assert error.where == str(log)
    assert "line 99" in error.message
    assert "line 80" not in error.message


def test_a_held_lock_is_an_error_in_time(tmp_path: Path) -> None:
    """Who waits in vain for a lock is told what it guards and where it lies."""
    path = tmp_path / "some.lock"
    with (
        exclusively(path, "the thing", timeout=1),
        pytest.raises(ProcessError, match=r"some\.lock: another command has been busy with the thing"),
        exclusively(path, "the thing", timeout=0.1),
    ):
        pass
