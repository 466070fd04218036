"""How many runs at a time."""

from meta_prefect.implementations.concurrency.limit import run_limit

__all__ = ["run_limit"]
