"""Prefect's logging handlers."""

from __future__ import annotations

from prefect.logging.handlers import PrefectConsoleHandler

__all__ = ["PrefectConsoleHandler"]
