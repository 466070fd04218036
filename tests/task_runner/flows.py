"""A flow whose tasks run on Dask; its own module, as workers of a cluster import it."""

from __future__ import annotations

import threading

from prefect import flow, task

from meta_prefect.implementations.task_runner import dask_k8s


@task
def squared(x: int) -> int:
    """The square."""
    return x * x


@task
def place() -> str:
    """The name of the thread that runs this."""
    return threading.current_thread().name


@dask_k8s(num_workers=2, threads_per_worker=1, cluster_options={})
@flow
def sum_of_squares(count: int) -> tuple[int, str]:
    """Add the squares of the numbers below a number; says where a task ran too."""
    futures = squared.map(range(count))
    thread: str = place.submit().result()  # pyright: ignore[reportUnknownMemberType] - partly untyped in Prefect
    return sum(future.result() for future in futures), thread
