"""How many runs at a time."""

from meta_prefect.implementations.concurrency.limit import run_limit
from meta_prefect.implementations.concurrency.queue import work_queue

__all__ = ["run_limit", "work_queue"]
