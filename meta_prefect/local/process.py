"""Detached processes: started here, recorded in a file, found again by any later command.

A process is the recorded one if its pid *and* start time match the record, because the kernel reuses pids. A zombie (ended,
but not reaped by its parent) is not alive. The record of a process on another machine, boot or PID namespace says nothing
about any process here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

import psutil
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meta_prefect.errors import ProcessError
from meta_prefect.local.endings import record_stop
from meta_prefect.local.files import ELSEWHERE, cannot_write, fullness, writing
from meta_prefect.local.machine import Machine, this_machine

# psutil derives a start time from the boot time, which some kernels report with a jitter of a second.
START_TIME_TOLERANCE = 2.0
KILL_DEADLINE = 5.0
_POLL = 0.05
_TAIL_BYTES = 64 * 1024


class ProcessRecord(BaseModel):
    """A started process, as recorded on disk.

    Attributes:
        pid: Its process id, which is also its process group id.
        start_time: When it started, in seconds since the epoch, from ``psutil.Process.create_time``.
        command: The command line; the first item is the executable.
        log: The file that holds its standard output and standard error.
        extra: Additional data of the caller. May hold a secret: it is excluded from every representation.
        machine: Where it was started; None in records written before this field existed, which count as local.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    pid: int = Field(gt=0)
    start_time: float = Field(ge=0, allow_inf_nan=False)
    command: tuple[str, ...]
    log: Path
    extra: dict[str, str] = Field(default_factory=dict, repr=False)
    machine: Machine | None = None

    @property
    def is_of_here(self) -> bool:
        """Whether its pid refers to the same process here."""
        return self.machine in (None, this_machine())


RecordType = TypeVar("RecordType", bound=ProcessRecord)


def state_path(name: str) -> Path:
    """Return ``<PREFECT_HOME>/meta-prefect/<name>`` without creating it: readers create nothing."""
    return prefect_home() / "meta-prefect" / name


def state_folder(name: str) -> Path:
    """Return ``<PREFECT_HOME>/meta-prefect/<name>``, created if missing and readable only by its owner.

    Raises:
        ProcessError: It cannot be created.
    """
    made = state_path(name)
    for folder in (prefect_home(), made.parent, made):  # parents created implicitly would get default permissions
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return made


def prefect_home() -> Path:
    """Return Prefect's home folder from the current settings, as an absolute path."""
    from prefect.settings import get_current_settings

    return get_current_settings().home.expanduser().absolute()


def write_record(path: Path, record: ProcessRecord) -> None:
    """Write a record atomically, readable only by its owner (0600)."""
    write_privately(path, record.model_dump_json(indent=2) + "\n")


def write_privately(path: Path, text: str) -> None:
    """Write a file atomically, readable only by its owner (0600).

    Raises:
        ProcessError: It cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # created with mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def read_record(path: Path, kind: type[RecordType] = ProcessRecord) -> RecordType | None:
    """Read a record, or return None if there is none.

    Args:
        path: Its file.
        kind: The expected type.

    Raises:
        ProcessError: The file cannot be read or holds no such record.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise unreadable(path) from None
    except OSError as error:
        reason = error.strerror or str(error)
    except ValidationError as error:
        first = error.errors()[0]  # omits the value: it may be the auth string
        reason = ": ".join([*(str(part) for part in first["loc"]), first["msg"].removeprefix("Value error, ")])
    raise ProcessError(
        f"this file does not hold the record of a process ({reason})",
        where=str(path),
        hint="Delete it. A process that it may have stood for has to be ended by hand.",
    )


def unreadable(path: Path) -> ProcessError:
    """Build the error for state files that belong to another user."""
    return ProcessError(
        f"may not be read by the user with the id {os.geteuid()}",
        where=str(path),
        hint="Run this as the user who deploys here, or set PREFECT_HOME to a folder of your own.",
    )


@contextlib.contextmanager
def exclusively(path: Path, what: str, *, timeout: float) -> Generator[None]:
    """Hold the lock file at ``path``; the kernel releases it if its holder dies.

    Args:
        path: The lock file.
        what: What the lock guards, for the error message.
        timeout: How long to wait for another holder, in seconds.

    Raises:
        ProcessError: Another process held the lock for the whole timeout, or the file cannot be written.
    """
    lock = FileLock(path, timeout=timeout, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise ProcessError(
            f"another command has been busy with {what} for {timeout:.0f} s",
            where=str(path),
            hint="Wait for it, or end it, then try again.",
        ) from None
    except OSError as error:
        raise cannot_write(path, error) from None
    try:
        yield
    finally:
        lock.release()


def start_detached(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, extra: Mapping[str, str] | None = None
) -> ProcessRecord:
    """Start a process that outlives this one, in its own session and process group, detached from our stdin and stdout.

    Args:
        command: The executable and its arguments.
        env: Its whole environment.
        cwd: Its working directory, created if missing.
        log: The log file, created with mode 0600; a previous one is kept with the suffix ``.1``.
        extra: Additional data to keep in its record.

    Raises:
        ProcessError: The executable cannot be started, or the log cannot be written.
    """
    with writing(cwd):
        cwd.mkdir(parents=True, exist_ok=True)
    with writing(log):
        if log.exists():
            log.replace(log.with_name(f"{log.name}.1"))
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise ProcessError(f"cannot start {command[0]!r}: {error.strerror or error}", where=str(cwd)) from None
    finally:
        os.close(output)
    record = ProcessRecord(
        pid=process.pid,
        start_time=psutil.Process(process.pid).create_time(),  # works even if it has ended: it has not been reaped yet
        command=tuple(command),
        log=log,
        extra=dict(extra or {}),
        machine=this_machine(),
    )
    # Reap it as soon as it ends, so that it does not stay a zombie while we live.
    threading.Thread(target=process.wait, name=f"collect {process.pid}", daemon=True).start()
    return record


def is_alive(record: ProcessRecord) -> bool:
    """Return whether the recorded process runs here: same pid, same start time, not a zombie."""
    return _process(record) is not None


def stop(record: ProcessRecord, timeout: float) -> bool:
    """Stop a process, its group and its children: SIGTERM to the group, SIGKILL to survivors after ``timeout`` seconds.

    Returns:
        False if the process was not alive here; no signal is sent then, whatever now has its pid.

    Raises:
        ProcessError: It survived SIGKILL.
    """
    leader = _process(record)
    if leader is None:
        return False
    record_stop(record)
    members = [leader, *_family(leader)]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(record.pid, signal.SIGTERM)
    for survivor in _wait_for_end(members, timeout):
        with contextlib.suppress(psutil.NoSuchProcess):
            survivor.kill()  # psutil checks the start time first
    if left := _wait_for_end(members, KILL_DEADLINE):
        raise ProcessError(
            f"process {left[0].pid} did not end, not even by SIGKILL",
            where=" ".join(record.command),
            hint=f"Look at its log: {record.log}",
        )
    return True


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, or an empty string if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def failure(record: ProcessRecord, message: str, *, hint: str | None = None) -> ProcessError:
    """Build the error for a failed process: the message, its log, the log's last lines, and whether the disk is full."""
    last = tail(record.log)
    if full := fullness(record.log):
        message = f"{message}: {full}"
        hint = f"Free some space, or {ELSEWHERE}."
    shown = "\n".join(f"    {line}" for line in last.splitlines()) if last else "    (the log is empty)"
    return ProcessError(f"{message}. Its log ends:\n{shown}", where=str(record.log), hint=hint)


def _process(record: ProcessRecord) -> psutil.Process | None:
    if not record.is_of_here:
        return None
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.start_time) < START_TIME_TOLERANCE
    except psutil.NoSuchProcess:
        return None
    return process if same and _runs(process) else None


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _family(leader: psutil.Process) -> list[psutil.Process]:
    """Return a process's children, in any session (a worker's runs have their own), and its group's other descendants."""
    members: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in leader.children(recursive=True):
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                if child.ppid() == leader.pid or os.getpgid(child.pid) == leader.pid:
                    members.append(child)
    return members


def _wait_for_end(processes: Sequence[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Wait at most ``timeout`` seconds for the processes to end; return those still running."""
    deadline = time.monotonic() + timeout
    while (left := [process for process in processes if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return left
