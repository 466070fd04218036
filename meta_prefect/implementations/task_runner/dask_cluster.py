"""Runs tasks on Dask, through prefect-dask. The cluster is chosen when a run starts, based on its environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self
from uuid import uuid4

from pydantic import Field, model_validator

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.infra.images import prefect_image
from meta_prefect.implementations.infra.kubernetes_api import connect_cluster
from meta_prefect.implementations.infra.pod_parts import ObjectName
from meta_prefect.implementations.infra.quantities import Cpu, Memory
from meta_prefect.implementations.task_runner.dask_operator import dask_cluster
from meta_prefect.implementations.task_runner.dask_pods import apart, namespace_of_this_pod
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, is_mapping
from meta_prefect.settings import read_settings

if TYPE_CHECKING:
    from prefect_dask.task_runners import DaskTaskRunner

LOCAL_CLUSTER: Final = "distributed.LocalCluster"
KUBE_CLUSTER: Final = "dask_kubernetes.operator.KubeCluster"
POD_CLUSTER: Final = "meta_prefect.implementations.task_runner.dask_pods.PodCluster"

_SCHEDULER_ADDRESS: Final = r"(tcp|tls|ws|wss|ucx|inproc)://.+"


class dask(Builder):  # noqa: N801 - used like a function
    """Runs the tasks of a flow on Dask: on a cluster that exists, or on one that lasts as long as the run.

    Applied to a flow it replaces the flow's task runner. In the environments of ``local_in`` (and so in tests) a cluster of
    threads and processes on the run's own host takes the place of ``cluster_class``; nothing else has to be there.

    Attributes:
        num_workers: How many workers there are; None leaves that to the cluster.
        min_workers: The least workers of a cluster that grows with its work.
        max_workers: The most workers of a cluster that grows with its work; with it, ``num_workers`` is not given.
        memory: The memory of each worker: gibibytes (``1.5``) or text with a unit.
        threads_per_worker: How many tasks a worker runs at a time; None leaves that to the cluster.
        cluster_class: The class of the cluster, by its dotted name; None means a local one.
        cluster_options: Further arguments of that class.
        address: The scheduler of a cluster that exists, such as ``tcp://scheduler:8786``; it is used outside ``local_in``.
        local_in: The environments (META_PREFECT__ENV) whose runs use a local cluster.
    """

    step: ClassVar[str] = "run tasks on dask"

    num_workers: int | None = Field(default=None, ge=1)
    min_workers: int | None = Field(default=None, ge=0)
    max_workers: int | None = Field(default=None, ge=1)
    memory: Memory | None = None
    threads_per_worker: int | None = Field(default=None, ge=1)
    cluster_class: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w]*(\.[A-Za-z_]\w*)+$")
    cluster_options: dict[str, Any] = Field(default={})
    address: str | None = Field(default=None, pattern=f"^{_SCHEDULER_ADDRESS}$")
    local_in: tuple[str, ...] = ("dev", "test")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.address is not None and (self.cluster_class is not None or self.cluster_options):
            raise ValueError(
                "a cluster that exists (`address`) has its class and options already: give one or the other"
            )
        if self.max_workers is None and self.min_workers is not None:
            raise ValueError("`min_workers` needs `max_workers`")
        if self.max_workers is not None and self.num_workers is not None:
            raise ValueError("give either `num_workers`, or `min_workers` and `max_workers`")
        if self.max_workers is not None and (self.min_workers or 0) > self.max_workers:
            raise ValueError(f"min_workers {self.min_workers} is above max_workers {self.max_workers}")
        return self

    def adjust_flow(self, flow: Any) -> Any:
        """Return a new flow with a task runner that is chosen when a run starts."""
        from meta_prefect.implementations.task_runner.deciding import DecidingTaskRunner

        return flow.with_options(task_runner=DecidingTaskRunner(self))

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Add a note about where tasks run; the task runner itself is part of the flow."""
        if note := self.note(deployment.environment):
            deployment.notes = [*deployment.notes, note]
        return deployment

    def note(self, environment: str) -> str | None:
        """Return a sentence for users about where tasks run in an environment; None if there is nothing to say."""
        if self.is_local(environment) and not self.is_local(""):
            return f"tasks run on a Dask cluster within the run's own process or pod, as {environment} is in `local_in`"
        return None

    def is_local(self, environment: str) -> bool:
        """Return whether an environment's runs use a cluster on their own host."""
        return environment in self.local_in or (self.address is None and self.cluster_class is None)

    def runner_options(self, environment: str) -> Record:
        """Return the arguments of prefect-dask's task runner for an environment."""
        if not self.is_local(environment) and self.address is not None:
            return {"address": self.address}
        options: Record = {"cluster_class": LOCAL_CLUSTER if self.is_local(environment) else self.cluster_class}
        options["cluster_kwargs"] = self.local_cluster() if self.is_local(environment) else self.cluster()
        if self.max_workers is not None:
            options["adapt_kwargs"] = {"minimum": self.min_workers or 0, "maximum": self.max_workers}
        return options

    def local_cluster(self) -> Record:
        """Return the arguments of a cluster on the run's own host."""
        # No dashboard: its port may be taken, and nobody would know its address.
        arguments: Record = {"dashboard_address": None, "n_workers": self.num_workers or self.min_workers or 1}
        if self.threads_per_worker is not None:
            arguments["threads_per_worker"] = self.threads_per_worker
        return arguments

    def cluster(self) -> Record:
        """Return the arguments of ``cluster_class``, as accepted by Dask's own cluster classes."""
        chosen: Record = {
            "n_workers": self.num_workers if self.num_workers is not None else self.min_workers,
            "threads_per_worker": self.threads_per_worker,
            "memory_limit": None if self.memory is None else _dask_memory(str(self.memory)),
        }
        return {**{name: value for name, value in chosen.items() if value is not None}, **self.cluster_options}

    def task_runner(self) -> DaskTaskRunner:
        """Create prefect-dask's task runner for a run that starts now.

        Raises:
            ConfigurationError: The class of the cluster is not installed.
        """
        from prefect.logging import get_logger
        from prefect_dask.task_runners import DaskTaskRunner

        environment = read_settings().env
        options = self.runner_options(environment)
        if note := self.note(environment):
            get_logger("dask").info(note)
        if not self.is_local(environment):
            self.check_cluster()
        try:
            return DaskTaskRunner(**options)
        except (ModuleNotFoundError, AttributeError) as error:
            raise ConfigurationError(
                f"there is no {options['cluster_class']} here ({error})",
                where=f"builder {type(self).__name__}",
                hint=self._install_hint(),
            ) from error

    def check_cluster(self) -> None:
        """Check at the start of a run that the cluster can be created.

        Raises:
            ConfigurationError: It cannot be created.
        """

    def _install_hint(self) -> str:
        return f"Install what brings {self.cluster_class} in the image that runs the flow."


class dask_k8s(dask):  # noqa: N801 - used like a function
    """Runs the tasks of a flow on a Dask cluster in Kubernetes that lasts as long as the run; in ``local_in`` on a local one.

    It is made by the Dask operator, which has to be installed in the Kubernetes cluster, or of plain pods (``made_of="pods"``),
    for which nothing has to be. `meta-prefect worker manifests --dask NAME` prints the rights of the run's service account.

    Attributes:
        made_of: ``operator``, or ``pods``: a scheduler and ``num_workers`` workers, which do not grow with their work.
        num_workers: How many workers there are.
        cpu: CPUs of each worker and of the scheduler: a number or text such as ``"800m"``.
        image: The image of scheduler and workers; None means the run's own.
        namespace: The namespace of the cluster; None means the run's own.
        env: Environment variables of scheduler and workers.
        name: The name of the cluster; None gives each run its own.
        service_account: The service account of plain pods; None means the namespace's own.
    """

    made_of: Literal["operator", "pods"] = "operator"
    service_account: ObjectName | None = None
    cpu: Cpu | None = None
    image: str | None = None
    namespace: str | None = None
    env: dict[str, str] = Field(default={})
    name: str | None = None
    cluster_class: str | None = KUBE_CLUSTER

    @model_validator(mode="before")
    @classmethod
    def _class_by_what_it_is_made_of(cls, values: Any) -> Any:
        if not is_mapping(values):
            return values
        if "address" in values:
            return {"cluster_class": None, **values}
        return {"cluster_class": POD_CLUSTER, **values} if values.get("made_of") == "pods" else values

    @model_validator(mode="after")
    def _pods_do_not_grow(self) -> Self:
        if self.made_of == "pods" and (self.max_workers is not None or self.cluster_options):
            raise ValueError("plain pods do not grow, and take no options: give `num_workers`, or the operator")
        return self

    def note(self, environment: str) -> str | None:
        """Also mention what must be installed in the cluster, which cannot be checked from here."""
        if self.is_local(environment) or self.made_of == "pods" or self.address is not None:
            return super().note(environment)
        return (
            "tasks run on a cluster of the Dask operator: the operator has to be in the Kubernetes cluster, and "
            "meta-prefect[dask-kubernetes] in the image"
        )

    def check_cluster(self) -> None:
        """Check for the operator, instead of waiting for it in vain.

        Raises:
            ConfigurationError: It is not installed in the cluster.
        """
        if self.cluster_class == KUBE_CLUSTER and not apart(_has_operator()):
            raise ConfigurationError(
                "the Dask operator is not in this Kubernetes cluster (it knows no kubernetes.dask.org/v1)",
                where=f"builder {type(self).__name__}",
                hint='Install it (Helm chart dask/dask-kubernetes-operator), or use plain pods: made_of="pods".',
            )

    def cluster(self) -> Record:
        """Return the arguments of ``KubeCluster``, or of the class that creates plain pods."""
        amounts = {name: amount for name, amount in (("cpu", self.cpu), ("memory", self.memory)) if amount is not None}
        resources = {"requests": amounts, "limits": dict(amounts)} if amounts else {}
        image = self.image or os.environ.get("META_PREFECT__IMAGE") or prefect_image("kubernetes")
        workers = self.num_workers if self.num_workers is not None else self.min_workers
        env = {"META_PREFECT__ENV": read_settings().env, **self.env}
        name, namespace = self.name or _name_of_this_run(), self.namespace or namespace_of_this_pod()
        if self.made_of == "pods":
            return {
                "name": name,
                "namespace": namespace,
                "image": image,
                "n_workers": 1 if workers is None else workers,
                "resources": resources,
                "env": env,
                "threads": self.threads_per_worker,
                "service_account": self.service_account,
                # A pod's host name is the pod's name.
                "owner": os.environ.get("HOSTNAME") if os.environ.get("KUBERNETES_SERVICE_HOST") else None,
            }
        spec = dask_cluster(name, image, 3 if workers is None else workers, resources, env, self.threads_per_worker)
        return {"name": name, "namespace": namespace, "custom_cluster_spec": spec, **self.cluster_options}

    def _install_hint(self) -> str:
        return "Install meta-prefect[dask-kubernetes] in the image that runs the flow."


async def _has_operator() -> bool:
    async with connect_cluster(None, "dask_k8s") as cluster:
        return await cluster.serves("kubernetes.dask.org/v1")


def _name_of_this_run() -> str:
    """Return a cluster name derived from the run, if the run was started by a worker."""
    run_id = os.environ.get("PREFECT__FLOW_RUN_ID") or str(uuid4())
    return f"dask-{run_id[-12:]}"


def _dask_memory(memory: str) -> str:
    """Convert an amount of memory to Dask's notation: Kubernetes' ``1536Mi`` is Dask's ``1536MiB``."""
    return f"{memory}B"
