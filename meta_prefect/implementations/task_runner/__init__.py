"""Task runners for flows. Dask itself is imported when a run starts, not with these names."""

from meta_prefect.implementations.task_runner.dask_cluster import dask, dask_k8s

__all__ = ["dask", "dask_k8s"]
