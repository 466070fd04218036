"""Why a background process ended: stopped on purpose, shut down with the machine, or on its own."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import psutil

if TYPE_CHECKING:
    from meta_prefect.local.process import ProcessRecord

Ending = Literal["stopped", "shut down", "died"]

_BOOT_TOLERANCE: Final = 2.0
"""Seconds. Some kernels report the boot time with a jitter of a second."""


def record_stop(record: ProcessRecord) -> None:
    """Record that a process is being stopped on purpose. A failed write does not prevent the stop."""
    with contextlib.suppress(OSError):
        _mark(record).touch(mode=0o600)
        _mark(record).write_text(_stop_note(record), encoding="utf-8")


def ending(record: ProcessRecord) -> Ending:
    """Return why a process that is no longer running ended."""
    with contextlib.suppress(OSError):
        if _mark(record).read_text(encoding="utf-8") == _stop_note(record):
            return "stopped"
    return "shut down" if record.start_time < psutil.boot_time() - _BOOT_TOLERANCE else "died"


def _mark(record: ProcessRecord) -> Path:
    return record.log.with_suffix(".stopped")


def _stop_note(record: ProcessRecord) -> str:
    return f"{record.pid} {record.start_time}\n"
