"""The record of this PREFECT_HOME's background server."""

from __future__ import annotations

from pathlib import Path

from pydantic import field_validator

from meta_prefect.local import lifeline
from meta_prefect.local.ports import HOST
from meta_prefect.local.process import ProcessRecord, is_alive, read_record, state_path

_PORTS = range(1, 65536)


class ServerRecord(ProcessRecord):
    """The process of the background server, with its port and, if it requires one, its API auth string."""

    @field_validator("extra")
    @classmethod
    def _has_a_port(cls, extra: dict[str, str]) -> dict[str, str]:
        port = extra.get("port", "")
        if not port.isdecimal() or int(port) not in _PORTS:
            raise ValueError("no valid port")
        return extra

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.extra["port"])

    @property
    def url(self) -> str:
        """Its API URL."""
        return f"http://{HOST}:{self.port}/api"

    @property
    def auth_string(self) -> str | None:
        """Its API auth string, if it requires one."""
        return self.extra.get("auth_string")

    @property
    def runs(self) -> bool:
        """Whether it is alive: its process here, or the holder of its lock if the process is not visible."""
        return is_alive(self) if self.is_of_here else lifeline.is_held(lifeline_file())


def read_server() -> ServerRecord | None:
    """Read the server's record, or return None if no server was ever started.

    Raises:
        ProcessError: The file exists but holds no such record.
    """
    return read_record(server_file(), ServerRecord)


def server_file() -> Path:
    """Return the file that holds the record."""
    return state_path("server") / "server.json"


def lifeline_file() -> Path:
    """Return the file that the server holds a lock on while it lives."""
    return state_path("server") / "running.lock"


def lifeline_of(api_url: str) -> Path | None:
    """Return the lock file of the background server at an API URL; None if the URL is another server's.

    None as well for a server started before the lock file was introduced.
    """
    record = read_server()
    ours = record is not None and record.url == api_url.rstrip("/")
    return lifeline_file() if ours and lifeline.is_held(lifeline_file()) else None
