"""The custom resource from which the Dask operator creates a cluster, as a plain value.

It is built here because dask-kubernetes would start ``dask-scheduler`` and ``dask-worker``, which Dask removed in 2026.6.
"""

from __future__ import annotations

from collections.abc import Mapping

from meta_prefect.implementations.task_runner.dask_pods import IDLE_SECONDS, scheduler_command, worker_command
from meta_prefect.interfaces.json_diff import Record


def dask_cluster(
    name: str, image: str, workers: int, resources: Record, env: Mapping[str, str], threads: int | None
) -> Record:
    """Return the cluster resource for the operator (``kubernetes.dask.org/v1``).

    Args:
        name: Its name.
        image: The image of scheduler and workers.
        workers: The initial number of workers.
        resources: The resource requests and limits of each pod.
        env: Environment variables of all pods.
        threads: How many tasks a worker runs at a time; None for Dask's default.
    """
    common: Record = {
        "image": image,
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "resources": resources,
    }
    # The operator passes each worker its name and, in DASK_SCHEDULER_ADDRESS, the scheduler's address.
    worker = [*worker_command(threads), "--name", "$(DASK_WORKER_NAME)", "--dashboard", "--dashboard-address", "8788"]
    return {
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskCluster",
        "metadata": {"name": name},
        "spec": {
            "idleTimeout": IDLE_SECONDS,
            "worker": {"replicas": workers, "spec": {"containers": [{"name": "worker", **common, "args": worker}]}},
            "scheduler": {
                "spec": {
                    "containers": [
                        {
                            "name": "scheduler",
                            **common,
                            "args": scheduler_command(),
                            "ports": [
                                {"name": "tcp-comm", "containerPort": 8786, "protocol": "TCP"},
                                {"name": "http-dashboard", "containerPort": 8787, "protocol": "TCP"},
                            ],
                            "readinessProbe": {
                                "httpGet": {"port": "http-dashboard", "path": "/health"},
                                "periodSeconds": 1,
                                "timeoutSeconds": 300,
                            },
                        }
                    ]
                },
                "service": {
                    "type": "ClusterIP",
                    "selector": {"dask.org/cluster-name": name, "dask.org/component": "scheduler"},
                    "ports": [
                        {"name": "tcp-comm", "protocol": "TCP", "port": 8786, "targetPort": "tcp-comm"},
                        {"name": "http-dashboard", "protocol": "TCP", "port": 8787, "targetPort": "http-dashboard"},
                    ],
                },
            },
        },
    }
