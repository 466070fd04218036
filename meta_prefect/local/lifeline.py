"""A lock that the server holds for as long as it lives, on a file of its PREFECT_HOME.

The kernel lets go of it when the process ends, in whatever way, and wakes those who wait for it. So it says for certain whether
the server of this home lives, also where its pid means nothing (another container, a machine that shares the folder), and no two
servers can share one database.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

_PATIENCE = 5.0  # somebody who looks whether it is held, holds it for a moment; so does a process that is ending
_POLL = 0.05


def hold(path: Path) -> bool:
    """Take the lock for the rest of this process's life.

    Returns:
        Whether it could be had: False where another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if _in_time(lambda: _try(descriptor, fcntl.LOCK_EX)):
        return True
    os.close(descriptor)
    return False


def is_held(path: Path) -> bool:
    """Say whether a living process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def stays_held(path: Path) -> bool:
    """Say whether a process holds the lock and is not just ending: a killed one counts as dead before all its threads have."""
    return not _in_time(lambda: not is_held(path))


def wait_for_its_end(path: Path) -> None:
    """Sleep until the process that holds the lock has ended; return at once if none holds it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _in_time(check: Callable[[], bool]) -> bool:
    """Wait until a check holds; False where it does not within some seconds."""
    deadline = time.monotonic() + _PATIENCE
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
