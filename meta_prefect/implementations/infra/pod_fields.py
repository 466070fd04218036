"""The parts of a pod that a deployment can set, and the job variable for each."""

from __future__ import annotations

import re
from typing import Any, Final

from meta_prefect.interfaces.json_diff import Record

POD: Final = {
    "activeDeadlineSeconds": "integer",
    "affinity": "object",
    "automountServiceAccountToken": "boolean",
    "dnsConfig": "object",
    "dnsPolicy": "string",
    "enableServiceLinks": "boolean",
    "hostAliases": "array",
    "hostIPC": "boolean",
    "hostNetwork": "boolean",
    "hostPID": "boolean",
    "hostUsers": "boolean",
    "hostname": "string",
    "imagePullSecrets": "array",
    "initContainers": "array",
    "nodeName": "string",
    "nodeSelector": "object",
    "os": "object",
    "overhead": "object",
    "preemptionPolicy": "string",
    "priority": "integer",
    "priorityClassName": "string",
    "readinessGates": "array",
    "resourceClaims": "array",
    "runtimeClassName": "string",
    "schedulerName": "string",
    "schedulingGates": "array",
    "securityContext": "object",
    "setHostnameAsFQDN": "boolean",
    "shareProcessNamespace": "boolean",
    "subdomain": "string",
    "terminationGracePeriodSeconds": "integer",
    "tolerations": "array",
    "topologySpreadConstraints": "array",
    "volumes": "array",
}
"""Fields of a pod's ``spec`` with their JSON types."""

CONTAINER: Final = {
    "command": "array",
    "envFrom": "array",
    "lifecycle": "object",
    "livenessProbe": "object",
    "ports": "array",
    "readinessProbe": "object",
    "securityContext": "object",
    "startupProbe": "object",
    "stdin": "boolean",
    "terminationMessagePath": "string",
    "terminationMessagePolicy": "string",
    "tty": "boolean",
    "volumeDevices": "array",
    "volumeMounts": "array",
    "workingDir": "string",
}
"""Fields of the flow's container with their JSON types."""

PREFECTS_OWN: Final = {"serviceAccountName": "service_account_name"}
"""Fields of a pod's ``spec`` for which Prefect's template has a variable."""

CONTAINER_PREFECTS_OWN: Final = {"image": "image", "imagePullPolicy": "image_pull_policy"}
"""Fields of the container for which Prefect's template has a variable."""

RESOURCES: Final = {
    "requests": {"cpu": "cpu_request", "memory": "memory_request", "ephemeral-storage": "ephemeral_storage_request"},
    "limits": {
        "cpu": "cpu_limit",
        "memory": "memory_limit",
        "ephemeral-storage": "ephemeral_storage_limit",
        "nvidia.com/gpu": "gpu_limit",
        "amd.com/gpu": "amd_gpu_limit",
    },
}
"""The variables for resource requests and limits."""

SECRET_ENV: Final = "secret_env"  # noqa: S105 - the name of a variable
"""The variable for environment variables whose values Kubernetes takes from Secrets and ConfigMaps."""

ACTIVE_DEADLINE: Final = "job_active_deadline_seconds"
"""The variable for a job's maximum duration, including pods that never start."""

_A_DAY: Final = 86_400

_DEFAULTS: Final = {
    # Works with every image under the Pod Security Standard `restricted`; the rest of it requires an image with a numeric
    # user.
    "pod_security_context": {"seccompProfile": {"type": "RuntimeDefault"}},
    "container_security_context": {"allowPrivilegeEscalation": False},
}
"""The pool's defaults for our own variables."""

_IN_PREFECTS_TEMPLATE: Final = {"cpu", "memory"}

_REFUSED: Final = {
    "restartPolicy": "Prefect's worker needs `Never`",
    "serviceAccount": "Kubernetes replaced it: write `serviceAccountName`",
    "ephemeralContainers": "Kubernetes adds those to running pods only",
}
REFUSED_IN_POD: Final = _REFUSED
"""Fields of a pod's ``spec`` that cannot be set, with reasons."""

REFUSED_IN_CONTAINER: Final = {"args": "Prefect's worker writes the command that runs the flow there"}
"""Fields of the container that cannot be set, with reasons."""


def variable_of(field: str, prefix: str) -> str:
    """Return the name of a field's job variable: ``nodeSelector`` of a ``pod`` is ``pod_node_selector``."""
    return f"{prefix}_{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', field).lower()}"


def _placeholder(variable: str) -> str:
    return "{{ " + variable + " }}"


def _declared(kind: str, title: str, description: str) -> Record:
    # No default: a variable without a value omits its field from the job.
    return {"type": kind, "title": title, "description": description}


def _pod_template() -> Record:
    variables: dict[str, Any] = {}
    pod: Record = {}
    container: Record = {"env": _placeholder(SECRET_ENV), "resources": {}}
    for fields, prefix, place in ((POD, "pod", pod), (CONTAINER, "container", container)):
        for field, kind in fields.items():
            variable = variable_of(field, prefix)
            variables[variable] = _declared(
                kind, variable.replace("_", " ").capitalize(), f"`{field}` of the {prefix}."
            )
            if variable in _DEFAULTS:
                variables[variable]["default"] = _DEFAULTS[variable]
            place[field] = _placeholder(variable)
    for kind, resources in RESOURCES.items():
        added = {name: variable for name, variable in resources.items() if name not in _IN_PREFECTS_TEMPLATE}
        container["resources"][kind] = {name: _placeholder(variable) for name, variable in added.items()}
        for name, variable in added.items():
            what = f"`resources.{kind}` of the container: {name}, a quantity such as '1' or '2Gi'."
            variables[variable] = _declared("string", variable.replace("_", " ").capitalize(), what)
    variables[SECRET_ENV] = {
        **_declared(
            "array", "Secret environment", "Environment variables with `valueFrom`, as Kubernetes writes them."
        ),
        "items": {"type": "object", "required": ["name", "valueFrom"]},
        "default": [],
    }
    variables[ACTIVE_DEADLINE] = _declared(
        "integer", "Job active deadline", "Seconds after which a job is ended, whether or not its pod has started."
    )
    # Prefect's own variable, which by default keeps finished jobs forever.
    variables["finished_job_ttl"] = {"default": _A_DAY}
    spec: Record = {
        "activeDeadlineSeconds": _placeholder(ACTIVE_DEADLINE),
        "template": {"spec": {**pod, "containers": {"0": container}}},
    }
    return {"variables": {"properties": variables}, "job_configuration": {"job_manifest": {"spec": spec}}}


POD_TEMPLATE: Final = _pod_template()
"""Additions to the template of Kubernetes pools that let each deployment set any part of its pod."""
