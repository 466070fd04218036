"""What is remembered of the background server of this PREFECT_HOME."""

from __future__ import annotations

from pathlib import Path

from pydantic import field_validator

from meta_prefect.local import lifeline
from meta_prefect.local.ports import HOST
from meta_prefect.local.process import ProcessRecord, is_alive, read_record, state_path

_PORTS = range(1, 65536)


class ServerRecord(ProcessRecord):
    """The process of the background server, with its port and its API auth string, if it asks for one."""

    @field_validator("extra")
    @classmethod
    def _has_a_port(cls, extra: dict[str, str]) -> dict[str, str]:
        port = extra.get("port", "")
        if not port.isdecimal() or int(port) not in _PORTS:
            raise ValueError("no valid port")
        return extra

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.extra["port"])

    @property
    def url(self) -> str:
        """The address of its API."""
        return f"http://{HOST}:{self.port}/api"

    @property
    def auth_string(self) -> str | None:
        """What it asks for."""
        return self.extra.get("auth_string")

    @property
    def runs(self) -> bool:
        """Whether it lives: its process here, or the holder of its lock where that is out of sight."""
        return is_alive(self) if self.is_of_here else lifeline.is_held(lifeline_file())


def read_server() -> ServerRecord | None:
    """Read what is remembered, or return None where no server was ever started.

    Raises:
        ProcessError: The file is there and holds no such record.
    """
    return read_record(server_file(), ServerRecord)


def server_file() -> Path:
    """The file that holds the record."""
    return state_path("server") / "server.json"


def lifeline_file() -> Path:
    """The file that the server holds a lock on while it lives."""
    return state_path("server") / "running.lock"


def lifeline_of(api_url: str) -> Path | None:
    """Return the lock of the background server that an address leads to, or None where it leads to another one.

    A server of before there was such a lock has none either.
    """
    record = read_server()
    ours = record is not None and record.url == api_url.rstrip("/")
    return lifeline_file() if ours and lifeline.is_held(lifeline_file()) else None
