"""A Dask cluster of plain pods, without an operator, for as long as a run lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from meta_prefect.errors import MetaPrefectError, ProcessError
from meta_prefect.implementations.infra.kubernetes_api import Cluster, connect_cluster
from meta_prefect.implementations.infra.pod_parts import RESTRICTED_CONTAINER
from meta_prefect.implementations.infra.worker_pods import is_hopeless, reasons
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.texts import presentable

T = TypeVar("T")

_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_PORT: Final = 8786
_WHERE: Final = "dask_k8s"

IDLE_SECONDS: Final = 300
"""After so long without work a scheduler ends, and its workers with it: where a run was killed, nobody else removes them."""


def namespace_of_this_pod() -> str:
    """The namespace of the pod that this process is in; ``default`` outside of one."""
    try:
        return _NAMESPACE.read_text().strip()
    except OSError:
        return "default"


def scheduler_command() -> list[str]:
    """How a scheduler is started; ``dask-scheduler`` is gone from Dask 2026.6 on."""
    return ["dask", "scheduler", "--host", "0.0.0.0", "--port", str(_PORT), "--idle-timeout", str(IDLE_SECONDS)]  # noqa: S104 - within its pod


def worker_command(threads: int | None) -> list[str]:
    """How a worker is started."""
    return ["dask", "worker", *(["--nthreads", str(threads)] if threads is not None else [])]


class PodCluster:
    """A scheduler and workers, each a pod, made when it is entered and removed when it is left, whatever happens in between.

    Entering gives the scheduler's address. The pods belong to the run's own pod where there is one, so that Kubernetes removes
    them with it; those that nobody removes end by themselves.

    Args:
        name: What the pods' names begin with.
        namespace: Their namespace.
        image: Their image.
        n_workers: How many workers there are.
        resources: What each pod asks for and may use.
        env: Environment variables.
        threads: How many tasks a worker runs at a time; None leaves that to Dask.
        service_account: The service account of the pods; None means the namespace's own.
        owner: The run's own pod, by its name; None where there is none.
        start_seconds: How long the scheduler may take to start.
    """

    def __init__(
        self,
        name: str,
        namespace: str,
        image: str,
        n_workers: int = 1,
        resources: Record | None = None,
        env: Mapping[str, str] | None = None,
        threads: int | None = None,
        service_account: str | None = None,
        owner: str | None = None,
        start_seconds: int = 60,
    ) -> None:
        self._name, self._namespace, self._image = name, namespace, image
        self._workers, self._threads, self._start_seconds = n_workers, threads, start_seconds
        self._resources, self._env = resources or {}, dict(env or {})
        self._account, self._owner = service_account, owner

    def __enter__(self) -> str:
        """Make the pods.

        Raises:
            ProcessError: The scheduler does not start; the message says why, and the pods are removed.
            ConfigurationError: The cluster does not let us.
        """
        try:
            return apart(self._start())
        except BaseException:
            self._remove_quietly()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the pods."""
        self._remove_quietly()

    def _remove_quietly(self) -> None:
        # What ended the run is not to be hidden by this; the pods end by themselves.
        with suppress(MetaPrefectError):
            apart(self._remove())

    async def _start(self) -> str:
        async with connect_cluster(None, _WHERE) as cluster:
            owners = await self._owners(cluster)
            scheduler = self.pod("scheduler", scheduler_command(), owners)
            await cluster.create(scheduler)
            address = f"tcp://{await self._address(cluster, scheduler)}:{_PORT}"
            for number in range(self._workers):
                # A worker that finds no scheduler any more ends.
                command = [*worker_command(self._threads), address, "--no-dashboard", "--death-timeout", "60"]
                await cluster.create(self.pod(f"worker-{number}", command, owners))
            return address

    async def _owners(self, cluster: Cluster) -> list[Record]:
        if self._owner is None:
            return []
        own = await cluster.read(self._reference(self._owner))
        if own is None:
            return []
        return [{"apiVersion": "v1", "kind": "Pod", "name": self._owner, "uid": own["metadata"]["uid"]}]

    async def _address(self, cluster: Cluster, scheduler: Record) -> str:
        """Where the scheduler answers, once it is ready."""
        import anyio

        pod: Record | None = None
        with anyio.move_on_after(self._start_seconds):
            while True:
                pod = await cluster.read(scheduler)
                status: Record = (pod or {}).get("status", {})
                containers: list[Record] = status.get("containerStatuses", [])
                if status.get("podIP") and containers and all(one.get("ready") for one in containers):
                    return status["podIP"]
                if pod is None or is_hopeless(pod) or status.get("phase") in ("Failed", "Succeeded"):
                    break
                await anyio.sleep(0.5)
        warnings: dict[str, str] = {}
        logs: dict[str, str] = {}
        with suppress(MetaPrefectError):
            warnings = await cluster.warnings(self._namespace)
        with suppress(MetaPrefectError):
            logs = {scheduler["metadata"]["name"]: presentable(await cluster.last_line(scheduler))}
        why = "it is gone" if pod is None else reasons(None, [pod], warnings, {k: v for k, v in logs.items() if v})
        raise ProcessError(f"the scheduler of the Dask cluster does not start: {why}", where=_WHERE)

    async def _remove(self) -> None:
        async with connect_cluster(None, _WHERE) as cluster:
            for name in ("scheduler", *(f"worker-{number}" for number in range(self._workers))):
                await cluster.delete(self._reference(f"{self._name}-{name}"))

    def _reference(self, name: str) -> Record:
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": self._namespace}}

    def pod(self, role: str, command: list[str], owners: list[Record]) -> Record:
        """The manifest of a pod.

        Args:
            role: ``scheduler``, or ``worker-`` and a number.
            command: What it runs.
            owners: Whose it is.
        """
        manifest = self._reference(f"{self._name}-{role}")
        manifest["metadata"] |= {
            "labels": {"app.kubernetes.io/instance": self._name, "app.kubernetes.io/component": role.partition("-")[0]},
            **({"ownerReferences": owners} if owners else {}),
        }
        container: Record = {
            "name": "dask",
            "image": self._image,
            "args": command,
            "env": [{"name": name, "value": value} for name, value in self._env.items()],
            "resources": self._resources,
            "securityContext": {"allowPrivilegeEscalation": RESTRICTED_CONTAINER["allowPrivilegeEscalation"]},
        }
        if role == "scheduler":
            container["readinessProbe"] = {"tcpSocket": {"port": _PORT}, "periodSeconds": 1}
        manifest["spec"] = {
            "restartPolicy": "Never",
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            **({"serviceAccountName": self._account} if self._account else {}),
            "containers": [container],
        }
        return manifest


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Do work of an event loop's to its end, also where one runs already."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, work).result()
