"""Chooses a port on the loopback interface for a server whose address must stay the same."""

from __future__ import annotations

import hashlib
import socket
import time
from pathlib import Path

HOST = "127.0.0.1"
LOOPBACK_NAMES = (HOST, "localhost")
PREFERRED_PORT = 4200
RELEASE_DEADLINE = 3.0
_POLL = 0.1


def choose_port(home: Path, remembered: int | None, asked: int | None = None) -> int:
    """Choose the server's port: its previous one, else the requested one or 4200, else one derived from the home, else any.

    The derived port is outside the ephemeral range, so it is likely to be free again after a restart.


    Args:
        home: PREFECT_HOME.
        remembered: The previous port, if any: the address should stay the same.
        asked: The port requested by the user.
    """
    own = 4201 + int.from_bytes(hashlib.sha256(str(home).encode()).digest()[:4]) % 799
    candidates = [remembered] if remembered is not None else [asked or PREFERRED_PORT, PREFERRED_PORT]
    return next((port for port in [*candidates, own] if is_free(port)), 0) or _any_free_port()


def is_free(port: int, host: str = HOST) -> bool:
    """Return whether a server could listen on a port right now.

    Raises:
        socket.gaierror: The host does not exist.
    """
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as candidate:
        # as Prefect does: connections of a dead server linger in TIME_WAIT
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(address)
        except OSError:
            return False
    return True


def wait_until_free(port: int) -> None:
    """Wait for a process that just died to release its port, which the kernel does only after the process is gone."""
    deadline = time.monotonic() + RELEASE_DEADLINE
    while not is_free(port) and time.monotonic() < deadline:
        time.sleep(_POLL)


def _any_free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        candidate.bind((HOST, 0))
        return candidate.getsockname()[1]
