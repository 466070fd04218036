"""What somebody has set for a Prefect server: the background server takes its port from there, and names what it does not use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meta_prefect.local.ports import HOST, is_free

PORT: Final = "PREFECT_SERVER_API_PORT"
_HOST: Final = "PREFECT_SERVER_API_HOST"
_OF_CLIENTS: Final = "PREFECT_SERVER_EPHEMERAL_"
"""These are about the server that Prefect itself starts for the time of a command."""


def asked_settings() -> dict[str, str]:
    """The settings of a server that are made in the environment, in a profile or in a file, with their values."""
    from prefect.settings import get_current_settings

    made = get_current_settings().to_environment_variables(exclude_unset=True)
    return {name: value for name, value in made.items() if name.startswith("PREFECT_SERVER_")}


def asked_port() -> int | None:
    """The port that somebody has asked for."""
    return int(port) if (port := asked_settings().get(PORT)) else None


def unused_settings(asked: Mapping[str, str], ours: Mapping[str, str], port: int, *, started: bool) -> list[str]:
    """Say which settings the background server does not use, and why; of their values only address and port are shown.

    Args:
        asked: The settings that somebody has made.
        ours: The environment that the server is given.
        port: Where it listens.
        started: Whether it has just been started. Otherwise only the port is worth a word: it may have been set since.
    """
    warnings: list[str] = []
    if (other := asked.get(PORT)) not in (None, str(port)):
        why = "the server keeps the address that it had before" if is_free(int(other or 0)) else "that port is taken"
        warnings.append(f"{PORT}={other} is not used: {why} ({port})")
    if not started:
        return warnings
    if asked.get(_HOST) not in (None, HOST, "localhost"):
        warnings.append(f"{_HOST}={asked[_HOST]} is not used: the server listens on {HOST} alone")
    rest = sorted(
        name
        for name, value in asked.items()
        if name not in (PORT, _HOST)
        and not name.startswith(_OF_CLIENTS)
        and ours.get(name, "").lower() != value.lower()
    )
    if rest:
        warnings.append(
            f"not used by the server on this host, which has settings of its own: {', '.join(rest)}. "
            "To use them, start a server with `meta-prefect server start` and point PREFECT_API_URL at it."
        )
    return warnings
