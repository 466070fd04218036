"""How a worker's Deployment stands in a cluster: whether it is what was applied that runs, and if not, why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from meta_prefect.interfaces.json_diff import Record

_FOR_GOOD: Final = ("InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError")
_MOST_RESTARTS: Final = 3
LONGEST_STANDSTILL: Final = 40
"""Seconds for which a pod may fail to pull its image, which Kubernetes tries about three times meanwhile, or be refused."""


def is_rolled_out(deployment: Record) -> bool:
    """Whether the pods of a Deployment are those of its present form, all of them available, as `kubectl rollout status` asks."""
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status", {})
    return (
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) >= wanted > 0
    )


def refusal(deployment: Record | None) -> str | None:
    """Why the cluster makes no pod of a Deployment (its ReplicaSet's FailedCreate): a quota, a policy; None where it does."""
    conditions: list[Record] = (deployment or {}).get("status", {}).get("conditions", [])
    refused = [one for one in conditions if one["type"] == "ReplicaFailure" and one["status"] == "True"]
    return str(refused[0].get("message", refused[0].get("reason"))) if refused else None


def is_refused_for_good(deployment: Record | None) -> bool:
    """Whether a policy refuses the pods of a Deployment; a quota may be free again in a moment."""
    return "violates PodSecurity" in (refusal(deployment) or "")


def is_pulling_in_vain(pod: Record) -> bool:
    """Whether the image of a container cannot be had at the moment."""
    return any(one.get("reason") in ("ErrImagePull", "ImagePullBackOff") for one in _waiting(pod))


def is_hopeless(pod: Record) -> bool:
    """Whether a pod will not come up, however long one waits."""
    restarts = max((one.get("restartCount", 0) for one in _statuses(pod)), default=0)
    return any(
        one.get("reason") in _FOR_GOOD or (one.get("reason") == "CrashLoopBackOff" and restarts >= _MOST_RESTARTS)
        for one in _waiting(pod)
    )


def reasons(
    deployment: Record | None, pods: Iterable[Record], warnings: Mapping[str, str], logs: Mapping[str, str]
) -> str:
    """Why a worker does not answer.

    Args:
        deployment: Its Deployment.
        pods: The pods of that.
        warnings: What the cluster has to say of pods, by their names: no node that fits, no network.
        logs: The last line that pods have written, by their names.
    """
    told = [_reason(pod, warnings, logs) for pod in pods]
    return "; ".join(told) or _without_pods(deployment)


def _reason(pod: Record, warnings: Mapping[str, str], logs: Mapping[str, str]) -> str:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    refused = [one for one in status.get("conditions", []) if one.get("status") == "False" and one.get("message")]
    if waiting := [one for one in _waiting(pod) if one.get("reason") not in ("ContainerCreating", "PodInitializing")]:
        why = f"{waiting[0].get('reason')} {waiting[0].get('message', '')}".rstrip()
    elif name in warnings:
        why = warnings[name]
    elif status.get("phase") == "Pending" and refused:
        why = refused[0]["message"]
    else:
        why = status.get("phase", "unknown")
    # Of one that runs, or ran, only its log knows what it is about.
    return f"pod {name}: {why}{f', its log ends: {logs[name]}' if name in logs else ''}"


def _without_pods(deployment: Record | None) -> str:
    if deployment is None:
        return "its Deployment is gone"
    if deployment["spec"].get("replicas", 1) == 0:
        return "its Deployment is scaled to 0"
    return refusal(deployment) or "there is no pod of it"


def _statuses(pod: Record) -> list[Record]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _waiting(pod: Record) -> list[Record]:
    return [one["state"]["waiting"] for one in _statuses(pod) if "waiting" in one.get("state", {})]
