"""Where a process runs, so exactly that a process id means something."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

_MACHINE_IDS: Final = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE: Final = Path("/proc/self/ns/pid")


class Machine(BaseModel):
    """The place in which process ids are counted. A host's name is not enough: containers and machines may share one.

    Attributes:
        machine: The machine's own id; None where it has none, as in most containers.
        boot: The id of this run of its kernel; None where it cannot be found out.
        pid_namespace: The namespace of its process ids; None where it cannot be found out.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    machine: str | None = None
    boot: str | None = None
    pid_namespace: str | None = None

    def shares_processes_with(self, other: Machine | None) -> bool:
        """Whether a process id means the same here and there, as far as both are known."""
        known = self.boot is not None and self.pid_namespace is not None
        return known and other == self


@cache
def this_machine() -> Machine:
    """Where this process runs."""
    return Machine(machine=_machine_id(), boot=_text(_BOOT_ID), pid_namespace=_link(_PID_NAMESPACE))


def _machine_id() -> str | None:
    return next((text for path in _MACHINE_IDS if (text := _text(path))), None)


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _link(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:
        return None
