"""Runs as Kubernetes jobs."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from meta_prefect.implementations.infra import pod_fields
from meta_prefect.implementations.infra.containers import (
    CONTAINER_TEMPLATE,
    ContainerBuilder,
    PoolName,
    check_variable_names,
)
from meta_prefect.implementations.infra.kubernetes_worker import KubernetesWorker
from meta_prefect.implementations.infra.pod_parts import ObjectName, PodParts, PodPatch
from meta_prefect.implementations.infra.pod_patch import check_pod_deeply, pod_variables
from meta_prefect.implementations.infra.quantities import Cpu, Memory, Seconds, read_cpu, read_memory
from meta_prefect.implementations.infra.worker_manifests import ClusterWorker, Namespace
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, merged

_SECRET_KEY: Final = re.compile(r"(?P<secret>[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)/(?P<key>[-._a-zA-Z0-9]+)")


def _check_secrets(secrets: dict[str, str]) -> dict[str, str]:
    check_variable_names(secrets)
    for name, reference in secrets.items():
        if _SECRET_KEY.fullmatch(reference) is None:
            raise ValueError(
                f"{name}: {reference!r} names no key of a Secret: write 'secret-name/key', never the value itself"
            )
    return secrets


class kubernetes(PodParts, ContainerBuilder):  # noqa: N801 - used like a function
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
        time_to_live: How long a finished job is kept, in seconds or as ``10 minutes``; None means the pool's default, a day.
        backoff_limit: How often Kubernetes starts a pod again that failed or was evicted; None leaves that to Prefect, which
            schedules the run of an evicted pod anew.
        active_deadline: The longest that a job may take, time to start included; then it is ended, and its run has crashed.
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
    service_account: ObjectName | None = None
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] | None = None
    secrets: Annotated[dict[str, str], AfterValidator(_check_secrets)] = Field(default={})
    time_to_live: Seconds | None = None
    backoff_limit: int | None = Field(default=None, ge=0)
    active_deadline: Annotated[Seconds, Field(ge=1)] | None = None
    pod: PodPatch = Field(default={})
    work_pool: PoolName = "kubernetes"
    worker: ClusterWorker | None = None

    def needed_worker(self) -> Component:
        """Return the pool's worker: ensured in the cluster, or only checked for."""
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
        """Set pool, job variables and, if no inner builder did, the code source.

        Raises:
            ConfigurationError: The patch has a field that pods do not have, or the image has no tag in production.
        """
        for patch in (self.as_patch(), self.pod):
            check_pod_deeply(patch)
        return super().update_deployment(deployment)

    def job_variables(self, given: Record) -> Record:
        """Return the variables this builder sets; a patch of the pod overrides the attributes."""
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
            "backoff_limit": self.backoff_limit,
            pod_fields.ACTIVE_DEADLINE: self.active_deadline,
        }
        result = {name: value for name, value in chosen.items() if value is not None}
        for patch in (self.as_patch(), self._secret_env(), self.pod):
            result |= pod_variables(patch, {**given, **result})
        return result

    def _secret_env(self) -> Record:
        """Return the variables from Secrets as a patch of the pod."""
        env = [{"name": name, "valueFrom": _secret_reference(place)} for name, place in self.secrets.items()]
        return {"spec": {"containers": [{"env": env}]}} if env else {}


def _secret_reference(place: str) -> Record:
    secret, _, key = place.partition("/")
    return {"secretKeyRef": {"name": secret, "key": key}}


eks = kubernetes
"""Amazon's clusters run the same jobs."""
