"""Evaluates the rollout of a worker's Deployment: whether the applied version is running, and if not, why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from meta_prefect.interfaces.json_diff import Record

_FOR_GOOD: Final = ("InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError")
_MAX_RESTARTS: Final = 3
LONGEST_STANDSTILL: Final = 40
"""Seconds for which a pod may fail to pull its image (about three attempts by Kubernetes) or be rejected."""


def is_rolled_out(deployment: Record) -> bool:
    """Return whether a rollout is complete and all pods are available, by the criteria of `kubectl rollout status`."""
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status", {})
    return (
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) >= wanted > 0
    )


def refusal(deployment: Record | None) -> str | None:
    """Return why the cluster creates no pods (FailedCreate of the ReplicaSet), such as a quota or a policy; None if it does."""
    conditions: list[Record] = (deployment or {}).get("status", {}).get("conditions", [])
    refused = [one for one in conditions if one["type"] == "ReplicaFailure" and one["status"] == "True"]
    return str(refused[0].get("message", refused[0].get("reason"))) if refused else None


def is_refused_for_good(deployment: Record | None) -> bool:
    """Return whether a policy rejects the pods permanently; a quota may free up at any moment."""
    return "violates PodSecurity" in (refusal(deployment) or "")


def is_pulling_in_vain(pod: Record) -> bool:
    """Return whether the image of a container currently cannot be pulled."""
    return any(one.get("reason") in ("ErrImagePull", "ImagePullBackOff") for one in _waiting(pod))


def is_hopeless(pod: Record) -> bool:
    """Return whether a pod will never start."""
    restarts = max((one.get("restartCount", 0) for one in _statuses(pod)), default=0)
    return any(
        one.get("reason") in _FOR_GOOD or (one.get("reason") == "CrashLoopBackOff" and restarts >= _MAX_RESTARTS)
        for one in _waiting(pod)
    )


def reasons(
    deployment: Record | None, pods: Iterable[Record], warnings: Mapping[str, str], logs: Mapping[str, str]
) -> str:
    """Explain why a worker does not respond.

    Args:
        deployment: Its Deployment.
        pods: The Deployment's pods.
        warnings: Warning events by pod name, such as no matching node or no network.
        logs: The last log line by pod name.
    """
    found = [_reason(pod, warnings, logs) for pod in pods]
    return "; ".join(found) or _without_pods(deployment)


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
    # Only the log explains a pod that is running, or was.
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
