"""Identifies the scope in which a process id is meaningful: a machine, its current boot and a PID namespace.

Two containers on one host, or two machines with the same host name, reuse the same pids for different processes. A recorded
pid may be looked up only if all three parts match.
"""

from __future__ import annotations

import hashlib
import os
import socket
from functools import cache
from pathlib import Path
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict

_MACHINE_FILES: Final = ("etc/machine-id", "var/lib/dbus/machine-id")
_BOOT_FILE: Final = "proc/sys/kernel/random/boot_id"
_NAMESPACE_LINK: Final = "proc/self/ns/pid"


class Machine(BaseModel):
    """Where a process runs. Equal values share a set of pids; different values say nothing about each other.

    Attributes:
        machine: A digest of the machine id, which is itself confidential. Machines without one are distinguished by host name.
        boot: The id of the current boot; empty if the system has none.
        pid_namespace: The PID namespace, for example ``pid:[4026531836]``; empty if the system has none.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    machine: str
    boot: str
    pid_namespace: str


@cache
def this_machine() -> Machine:
    """Return where this process runs."""
    return machine_at(Path("/"))


def machine_at(root: Path) -> Machine:
    """Identify the machine whose root file system is at ``root``.

    Args:
        root: The root of the file system.
    """
    identity = next(filter(None, (_text(root / name) for name in _MACHINE_FILES)), "") or socket.gethostname()
    return Machine(
        machine=hashlib.sha256(f"meta-prefect\n{identity}".encode()).hexdigest()[:16],
        boot=_text(root / _BOOT_FILE),
        pid_namespace=_target(root / _NAMESPACE_LINK),
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _target(link: Path) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - it leads to no path
    except OSError:
        return ""
