"""Prefect's server as a program of ours starts it, and the tables of its database."""

from __future__ import annotations

from prefect.server.api.server import create_app
from prefect.server.database import provide_database_interface
from prefect.server.schemas.states import TERMINAL_STATES

__all__ = ["TERMINAL_STATES", "create_app", "provide_database_interface"]
