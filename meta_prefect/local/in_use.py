"""Marks the background server as in use while a command writes through it, so that nothing stops it meanwhile.

A deploy is in use before its flow run exists on the server.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from meta_prefect.local.files import writing
from meta_prefect.local.process import state_folder, state_path

_FILE: Final = "in-use.lock"


@contextmanager
def in_use() -> Generator[None]:
    """Mark the server as in use; several processes may at once. The kernel releases the mark if this process dies.

    Raises:
        ProcessError: The lock file cannot be written.
    """
    path = state_folder("server") / _FILE
    with writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def is_in_use() -> bool:
    """Return whether a command is writing through the background server."""
    try:
        descriptor = os.open(state_path("server") / _FILE, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
