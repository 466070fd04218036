"""RBAC rules for accounts other than the worker's: runs that deploy a worker, and runs that create a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from meta_prefect.implementations.infra.worker_manifests import WORKER_RULES, ClusterWorker, granted, made_object
from meta_prefect.interfaces.json_diff import Record

_APPLY: Final = ["get", "create", "patch"]

DEPLOYER_RULES: Final[list[Record]] = [
    {"apiGroups": [""], "resources": ["serviceaccounts", "secrets"], "verbs": _APPLY},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": _APPLY},
    {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": _APPLY},
    # To report why a worker does not start.
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    # RBAC forbids granting rights that one does not have.
    *WORKER_RULES,
]
"""The rights a deploy inside the cluster needs to apply a worker and to report why it does not start."""

DASK_RULES: Final[list[Record]] = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "delete", "get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["create", "delete", "get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/log", "events"], "verbs": ["get", "list"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]},
    {
        "apiGroups": ["kubernetes.dask.org"],
        "resources": ["daskclusters", "daskworkergroups", "daskworkergroups/scale", "daskjobs", "daskautoscalers"],
        "verbs": ["create", "delete", "get", "list", "patch", "watch"],
    },
]
"""The rights a run needs to create a Dask cluster in its namespace, with plain pods or the operator."""


def rights_of_deployer(account: str, worker: ClusterWorker) -> Iterable[Record]:
    """Return the service account of runs that deploy a worker, with rights in the namespaces of the worker and its jobs.

    Args:
        account: Its name, in the worker's namespace.
        worker: The completed worker.
    """
    home = worker.namespace or "default"
    yield made_object("v1", "ServiceAccount", account, home)
    for place in dict.fromkeys((home, *worker.job_namespaces)):
        yield from granted(account, home, place, DEPLOYER_RULES)


def rights_of_dask(account: str, worker: ClusterWorker) -> Iterable[Record]:
    """Return the service account of runs that create a Dask cluster, with rights in each namespace of jobs.

    Args:
        account: Its name, which runs use as `service_account`.
        worker: The completed worker that starts them.
    """
    for place in worker.job_namespaces:
        yield made_object("v1", "ServiceAccount", account, place)
        yield from granted(account, place, place, DASK_RULES)
