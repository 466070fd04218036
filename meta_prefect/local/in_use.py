"""Who writes through the background server at the moment: a stop would cut that off, before a run of it is there too."""

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
    """Hold the server in use, beside others who do so; let go by the kernel when this process dies.

    Raises:
        ProcessError: The file cannot be written.
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
    """Say whether a command is writing through the background server."""
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
