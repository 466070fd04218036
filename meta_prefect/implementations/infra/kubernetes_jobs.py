"""Runs as Kubernetes jobs."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from meta_prefect.implementations.infra import pod_fields
from meta_prefect.implementations.infra.containers import (
    CONTAINER_TEMPLATE,
    ContainerBuilder,
    PoolName,
    check_variable_names,
)
from meta_prefect.implementations.infra.kubernetes_worker import KubernetesWorker
from meta_prefect.implementations.infra.pod_patch import check_pod, check_pod_deeply, pod_variables
from meta_prefect.implementations.infra.quantities import Cpu, Memory, read_cpu, read_memory
from meta_prefect.implementations.infra.worker_manifests import ClusterWorker, Namespace
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, merged

_DNS_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_SECRET_KEY: Final = re.compile(r"(?P<secret>[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)/(?P<key>[-._a-zA-Z0-9]+)")


def _check_account(name: str) -> str:
    if _DNS_NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a service account: write lower-case letters, digits, '-' and '.'")
    return name


def _check_labels(labels: dict[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        name = key.rpartition("/")[2]
        if not name or _LABEL_VALUE.fullmatch(name) is None:
            raise ValueError(
                f"{key!r} is no key of a Kubernetes label: write letters, digits, '-', '_' and '.', 63 at most"
            )
        if _LABEL_VALUE.fullmatch(value) is None:
            raise ValueError(f"label {key}: {value!r} must be letters, digits, '-', '_' and '.', 63 at most")
    return labels


def _check_secrets(secrets: dict[str, str]) -> dict[str, str]:
    check_variable_names(secrets)
    for name, reference in secrets.items():
        if _SECRET_KEY.fullmatch(reference) is None:
            raise ValueError(
                f"{name}: {reference!r} names no key of a Secret: write 'secret-name/key', never the value itself"
            )
    return secrets


def _check_pod_patch(patch: dict[str, Any]) -> dict[str, Any]:
    check_pod(patch)
    return patch


class Toleration(BaseModel):
    """A taint of nodes on which runs may happen all the same; keys may be written as Kubernetes does (``tolerationSeconds``).

    Attributes:
        key: The taint; None means every one.
        operator: Whether the taint must have the value, or just exist.
        value: The taint's value.
        effect: The effect that is tolerated; None means every one.
        toleration_seconds: How long a ``NoExecute`` taint is tolerated; None means for ever.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _kubernetes_accepts(self) -> Self:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError(f"a toleration with operator Exists has no value, not {self.value!r}")
        if self.key is None and self.operator != "Exists":
            raise ValueError("a toleration without a key needs the operator Exists")
        return self


class kubernetes(ContainerBuilder):  # noqa: N801 - used like a function
    """Runs a deployment as a Kubernetes job, for example on EKS.

    Amounts are asked for and are the limit at once, so that a run gets what it is promised; the ``_limit`` attributes allow more.

    Attributes:
        cpu: CPUs: a number (``0.8``) or text (``"800m"``).
        memory: Memory: a number of gibibytes (``1.5``) or text with a unit (``"1536Mi"``).
        cpu_limit: The most CPU that a run may use; None means ``cpu``.
        memory_limit: The most memory that a run may use; None means ``memory``.
        gpus: Graphics processors (``nvidia.com/gpu``).
        namespace: The namespace of the jobs; None means the pool's.
        service_account: The service account of the pods; None means the namespace's own.
        image_pull_policy: When the node pulls the image; None means if it is not there.
        secrets: Environment variables from Kubernetes Secrets: ``{"TOKEN": "secret-name/key"}``.
        node_selector: Labels that nodes must have.
        tolerations: Taints of nodes that are tolerated.
        labels: Labels of jobs and pods.
        annotations: Annotations of jobs and pods.
        time_to_live: Seconds for which a finished job is kept; None keeps it for ever.
        pod: A patch of the pod for everything else: ``{"metadata": …, "spec": {"priorityClassName": …, "containers": [{…}]}}``,
            merged as ``kubectl patch`` does. The first container is the one that runs the flow.
        worker: Keeps a worker running in the cluster, as it says; None only looks for one.
    """

    step: ClassVar[str] = "run on kubernetes"
    worker_type: ClassVar[str] = "kubernetes"
    template: ClassVar[Record] = merged(CONTAINER_TEMPLATE, pod_fields.POD_TEMPLATE)

    cpu: Cpu | None = None
    memory: Memory | None = None
    cpu_limit: Cpu | None = None
    memory_limit: Memory | None = None
    gpus: int | None = Field(default=None, ge=1)
    namespace: Namespace | None = None
    service_account: Annotated[str, AfterValidator(_check_account)] | None = None
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] | None = None
    secrets: Annotated[dict[str, str], AfterValidator(_check_secrets)] = Field(default={})
    node_selector: Annotated[dict[str, str], AfterValidator(_check_labels)] = Field(default={})
    tolerations: tuple[Toleration, ...] = ()
    labels: Annotated[dict[str, str], AfterValidator(_check_labels)] = Field(default={})
    annotations: dict[str, str] = Field(default={})
    time_to_live: int | None = Field(default=None, ge=0)
    pod: Annotated[dict[str, Any], AfterValidator(_check_pod_patch)] = Field(default={})
    work_pool: PoolName = "kubernetes"
    worker: ClusterWorker | None = None

    def needed_worker(self) -> Component:
        """The pool's worker: ensured in the cluster, or looked for."""
        if self.worker is None:
            return super().needed_worker()
        return KubernetesWorker(name=self.work_pool, worker=self.worker)

    @model_validator(mode="after")
    def _limits_hold_requests(self) -> Self:
        if self.cpu and self.cpu_limit and read_cpu(self.cpu_limit) < read_cpu(self.cpu):
            raise ValueError(f"cpu_limit {self.cpu_limit} is below cpu {self.cpu}")
        if self.memory and self.memory_limit and read_memory(self.memory_limit) < read_memory(self.memory):
            raise ValueError(f"memory_limit {self.memory_limit} is below memory {self.memory}")
        return self

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set pool, job variables and, where no inner builder did, the place of the code.

        Raises:
            ConfigurationError: The patch holds something that no pod has, or the image has no tag in production.
        """
        if self.pod:
            check_pod_deeply(self.pod)
        return super().update_deployment(deployment)

    def job_variables(self, given: Record) -> Record:
        """What this builder sets; a patch of the pod overrides the attributes."""
        chosen: Record = {
            "cpu_request": self.cpu,
            "cpu_limit": self.cpu_limit or self.cpu,
            "memory_request": self.memory,
            "memory_limit": self.memory_limit or self.memory,
            "gpu_limit": None if self.gpus is None else str(self.gpus),
            "namespace": self.namespace,
            "service_account_name": self.service_account,
            "image_pull_policy": self.image_pull_policy,
            "finished_job_ttl": self.time_to_live,
        }
        result = {name: value for name, value in chosen.items() if value is not None}
        for patch in (self._as_pod(), self.pod):
            result |= pod_variables(patch, {**given, **result})
        return result

    def _as_pod(self) -> Record:
        """Those attributes that are a patch of the pod."""
        spec: Record = {}
        if self.node_selector:
            spec["nodeSelector"] = self.node_selector
        if self.tolerations:
            spec["tolerations"] = [one.model_dump(by_alias=True, exclude_none=True) for one in self.tolerations]
        if self.secrets:
            env = [{"name": name, "valueFrom": _secret_reference(place)} for name, place in self.secrets.items()]
            spec["containers"] = [{"env": env}]
        named = {"labels": self.labels, "annotations": self.annotations}
        return {"metadata": {name: value for name, value in named.items() if value}, "spec": spec}


def _secret_reference(place: str) -> Record:
    secret, _, key = place.partition("/")
    return {"secretKeyRef": {"name": secret, "key": key}}


eks = kubernetes
"""Amazon's clusters take the same jobs."""
