"""Prefect's internal helpers that determine what it stores or displays."""

from __future__ import annotations

from prefect.utilities.asyncutils import run_coro_as_sync
from prefect.utilities.callables import parameter_schema
from prefect.utilities.templating import resolve_block_document_references
from prefect.utilities.urls import url_for

__all__ = ["parameter_schema", "resolve_block_document_references", "run_coro_as_sync", "url_for"]
