"""Where a process id means something: this machine, since it booted, in this PID namespace.

Two containers of one host, and two machines of one host name, give the same ids to different processes. Only where all three
parts are equal may a process be looked up by the id that somebody has written down.
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
    """Where a process runs. Equal values share their process ids; of different ones nothing is known.

    Attributes:
        machine: A digest that stands for the machine; the id itself is confidential. Machines that have none are told apart by
            their host name.
        boot: The id of the present boot; empty where the system has none.
        pid_namespace: The PID namespace, for example ``pid:[4026531836]``; empty where the system has none.
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
    """Return what the file system below a root says of the machine.

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
