"""A lock file in PREFECT_HOME that the server holds for as long as it lives.

The kernel releases the lock when the process ends, however it ends, and wakes the processes waiting for it. So the lock tells
reliably whether this home's server is alive, even where its pid means nothing (another container, or a machine that shares
the folder), and it prevents two servers from sharing one database.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

_TIMEOUT = 5.0  # seconds: a process probing the lock holds it briefly, and so does one that is exiting
_POLL = 0.05


def hold(path: Path) -> bool:
    """Take the lock for the rest of this process's life.

    Returns:
        Whether the lock was acquired: False if another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if _in_time(lambda: _try(descriptor, fcntl.LOCK_EX)):
        return True
    os.close(descriptor)
    return False


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def stays_held(path: Path) -> bool:
    """Return whether a process holds the lock and is not just exiting: a killed process is dead before all its threads are."""
    return not _in_time(lambda: not is_held(path))


def wait_for_its_end(path: Path) -> None:
    """Block until the process that holds the lock has ended; return at once if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _in_time(check: Callable[[], bool]) -> bool:
    """Wait for a check to hold; return False if it does not within a few seconds."""
    deadline = time.monotonic() + _TIMEOUT
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True
