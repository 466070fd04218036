"""Prefect server settings made by the user: which ones the background server honors (the port) and which it ignores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meta_prefect.local.ports import HOST, is_free

PORT: Final = "PREFECT_SERVER_API_PORT"
_HOST: Final = "PREFECT_SERVER_API_HOST"
_OF_CLIENTS: Final = "PREFECT_SERVER_EPHEMERAL_"
"""Settings of the ephemeral server that Prefect itself starts for the duration of a command."""


def asked_settings() -> dict[str, str]:
    """Return the server settings from the environment, the active profile and settings files, with their values."""
    from prefect.settings import get_current_settings

    made = get_current_settings().to_environment_variables(exclude_unset=True)
    return {name: value for name, value in made.items() if name.startswith("PREFECT_SERVER_")}


def asked_port() -> int | None:
    """Return the port set by the user, if any."""
    return int(port) if (port := asked_settings().get(PORT)) else None


def unused_settings(asked: Mapping[str, str], ours: Mapping[str, str], port: int, *, started: bool) -> list[str]:
    """Describe the settings that the background server ignores, and why. Of the values, only address and port are shown.

    Args:
        asked: The settings made by the user.
        ours: The environment the server runs with.
        port: The port it listens on.
        started: Whether it was just started. If not, only the port is mentioned: it may have been set since.
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
