"""The only package that talks to the Prefect API: one client per run, and batched reads."""

from __future__ import annotations

from meta_prefect.server.prefect_server import PrefectServer, connect, server_time, ui_url
from meta_prefect.server.reader import NoServer, Reader
from meta_prefect.server.reading import KeptEntries
from meta_prefect.server.requests import server_errors
from meta_prefect.server.silence import Silence, watched_by

__all__ = [
    "KeptEntries",
    "NoServer",
    "PrefectServer",
    "Reader",
    "Silence",
    "connect",
    "server_errors",
    "server_time",
    "ui_url",
    "watched_by",
]
