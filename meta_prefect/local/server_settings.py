"""What a Prefect server of ours is set to, in the background and in the foreground."""

from __future__ import annotations

from collections.abc import Iterable


def guarded_settings(origins: Iterable[str]) -> dict[str, str]:
    """Make the settings that keep other web pages out, and a server on SQLite answering.

    Args:
        origins: The origins of its own pages, for example ``http://localhost:4200``.
    """
    return {
        # Any web page could otherwise create deployments, which run commands.
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": ",".join(origins),
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        # Leases kept in memory leak their slots for ever when the server restarts.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # By default each task run's event is a transaction of its own, against which all other writes to SQLite lose.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "2",
    }
