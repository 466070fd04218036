"""A Dask cluster made of plain pods, without an operator, for the duration of a run."""

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
"""Idle time after which a scheduler exits, and its workers with it: nothing else removes them if the run was killed."""


def namespace_of_this_pod() -> str:
    """Return the namespace of the pod this process runs in; ``default`` outside a pod."""
    try:
        return _NAMESPACE.read_text().strip()
    except OSError:
        return "default"


def scheduler_command() -> list[str]:
    """Return the command that starts a scheduler; Dask removed ``dask-scheduler`` in 2026.6."""
    return ["dask", "scheduler", "--host", "0.0.0.0", "--port", str(_PORT), "--idle-timeout", str(IDLE_SECONDS)]  # noqa: S104 - within its pod


def worker_command(threads: int | None) -> list[str]:
    """Return the command that starts a worker."""
    return ["dask", "worker", *(["--nthreads", str(threads)] if threads is not None else [])]


class PodCluster:
    """A scheduler and workers, each a pod; a context manager that creates them and always removes them.

    Entering it returns the scheduler's address. The pods are owned by the run's own pod, if there is one, so that Kubernetes
    removes them with it; pods that nothing removes exit by themselves.


    Args:
        name: Prefix of the pods' names.
        namespace: Their namespace.
        image: Their image.
        n_workers: How many workers there are.
        resources: The resource requests and limits of each pod.
        env: Environment variables.
        threads: How many tasks a worker runs at a time; None for Dask's default.
        service_account: The service account of the pods; None for the namespace's default.
        owner: The name of the run's own pod; None if there is none.
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
        """Create the pods.

        Raises:
            ProcessError: The scheduler does not start; the message says why, and the pods are removed.
            ConfigurationError: The cluster denies it.
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
        # Must not hide what ended the run; the pods exit by themselves.
        with suppress(MetaPrefectError):
            apart(self._remove())

    async def _start(self) -> str:
        async with connect_cluster(None, _WHERE) as cluster:
            owners = await self._owners(cluster)
            scheduler = self.pod("scheduler", scheduler_command(), owners)
            await cluster.create(scheduler)
            address = f"tcp://{await self._address(cluster, scheduler)}:{_PORT}"
            for number in range(self._workers):
                # A worker exits when it loses its scheduler.
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
        """Return the scheduler's address once it is ready."""
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
        """Return the manifest of a pod.

        Args:
            role: ``scheduler``, or ``worker-`` and a number.
            command: Its command.
            owners: Its owner references.
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
    """Run a coroutine to completion, even inside a running event loop."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, work).result()
