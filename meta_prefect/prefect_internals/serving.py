"""Prefect's server, as started by our own program, and its database models."""

from __future__ import annotations

from prefect.server.api.server import create_app
from prefect.server.database import provide_database_interface
from prefect.server.schemas.states import TERMINAL_STATES

__all__ = ["TERMINAL_STATES", "create_app", "provide_database_interface"]
