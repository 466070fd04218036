"""Rights in a cluster beside those of workers: of runs that deploy a worker, and of runs that have a Dask cluster."""

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
    # Why a worker does not come up.
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    # Nobody may give away rights that they do not have.
    *WORKER_RULES,
]
"""What a deploy from within the cluster needs to apply a worker, and to say why it does not come up."""

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
"""What a run needs to have a Dask cluster in its namespace: of plain pods, or of the operator."""


def rights_of_deployer(account: str, worker: ClusterWorker) -> Iterable[Record]:
    """The account of runs that deploy a worker, and its rights where the worker and its jobs are.

    Args:
        account: Its name, in the worker's namespace.
        worker: The worker; completed.
    """
    home = worker.namespace or "default"
    yield made_object("v1", "ServiceAccount", account, home)
    for place in dict.fromkeys((home, *worker.job_namespaces)):
        yield from granted(account, home, place, DEPLOYER_RULES)


def rights_of_dask(account: str, worker: ClusterWorker) -> Iterable[Record]:
    """The account of runs that have a Dask cluster, and its rights, in each namespace of jobs.

    Args:
        account: Its name; runs have it as their `service_account`.
        worker: The worker that starts them; completed.
    """
    for place in worker.job_namespaces:
        yield made_object("v1", "ServiceAccount", account, place)
        yield from granted(account, place, place, DASK_RULES)
