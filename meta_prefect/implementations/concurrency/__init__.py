"""Builders that limit concurrent runs."""

from meta_prefect.implementations.concurrency.limit import run_limit
from meta_prefect.implementations.concurrency.queue import work_queue
from meta_prefect.implementations.concurrency.shared_limit import shared_limit

__all__ = ["run_limit", "shared_limit", "work_queue"]
