"""Builders that define where a deployment's runs execute.

Importing these names loads nothing heavier than pydantic, since a flow's image pays the cost on every run.
"""

from meta_prefect.implementations.infra.any_pool import work_pool
from meta_prefect.implementations.infra.docker_containers import docker
from meta_prefect.implementations.infra.ecs_tasks import CapacityProvider, Network, ecs
from meta_prefect.implementations.infra.kubernetes_jobs import eks, kubernetes
from meta_prefect.implementations.infra.pod_parts import Pod, PodVolume, Toleration
from meta_prefect.implementations.infra.pool_defaults import pool_defaults
from meta_prefect.implementations.infra.process import local_process, process
from meta_prefect.implementations.infra.worker_manifests import ClusterWorker

__all__ = [
    "CapacityProvider",
    "ClusterWorker",
    "Network",
    "Pod",
    "PodVolume",
    "Toleration",
    "docker",
    "ecs",
    "eks",
    "kubernetes",
    "local_process",
    "pool_defaults",
    "process",
    "work_pool",
]
