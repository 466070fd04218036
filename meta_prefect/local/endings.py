"""How a process of ours ended: because it was asked to, with the machine, or by itself."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import psutil

if TYPE_CHECKING:
    from meta_prefect.local.process import ProcessRecord

Ending = Literal["stopped", "shut down", "died"]

_BOOT_TOLERANCE: Final = 2.0
"""Some kernels report the boot time with a jitter of a second."""


def note_stop(record: ProcessRecord) -> None:
    """Remember that a process is stopped on purpose. That it cannot be written keeps nothing from stopping."""
    with contextlib.suppress(OSError):
        _mark(record).touch(mode=0o600)
        _mark(record).write_text(_told(record), encoding="utf-8")


def ending(record: ProcessRecord) -> Ending:
    """Say how a process that no longer runs has ended: stopped, shut down with the machine, or by itself."""
    with contextlib.suppress(OSError):
        if _mark(record).read_text(encoding="utf-8") == _told(record):
            return "stopped"
    return "shut down" if record.start_time < psutil.boot_time() - _BOOT_TOLERANCE else "died"


def _mark(record: ProcessRecord) -> Path:
    return record.log.with_suffix(".stopped")


def _told(record: ProcessRecord) -> str:
    return f"{record.pid} {record.start_time}\n"
