"""The Prefect settings shared by the background and the foreground server."""

from __future__ import annotations

from collections.abc import Iterable


def guarded_settings(origins: Iterable[str]) -> dict[str, str]:
    """Return the settings that keep other web pages out, and a server on SQLite responsive.

    Args:
        origins: The origins of its own pages, for example ``http://localhost:4200``.
    """
    return {
        # Any web page could otherwise create deployments, which run commands.
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": ",".join(origins),
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        # In-memory leases leak their slots for good when the server restarts.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # By default each task run event is its own transaction, which starves all other SQLite writers.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "2",
    }
