"""A worker that a deploy keeps running in a Kubernetes cluster."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import ClassVar, Final, Self
from urllib.parse import urlsplit

from pydantic import Field

from meta_prefect.errors import ConfigurationError, ConflictError, ProcessError
from meta_prefect.implementations.infra.kubernetes_api import Cluster, connect_cluster, reference
from meta_prefect.implementations.infra.worker_manifests import (
    MANAGED_BY,
    MANAGER,
    ClusterWorker,
    Credential,
    check_api_url,
    object_name,
    secret_manifest,
    worker_manifests,
    worker_name,
)
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components import Component, fresh_workers
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences, differences_within

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1", "0.0.0.0")  # noqa: S104 - recognised, not listened on
_OF_THE_SERVER: Final = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")


class KubernetesWorker(Component):
    """A worker in a cluster: its account, its rights, the Secret that opens the Prefect API, and its Deployment.

    They are applied on the server's side under one manager of fields, so that what others change in them is taken back, and what
    others add stays. Where a worker of another name serves the pool already (Helm's, somebody's own), nothing is done.

    Attributes:
        name: The work pool that it serves.
        worker: How it is to be; completed.
    """

    kind: ClassVar[str] = "kubernetes worker"
    verbs: ClassVar[tuple[str, str]] = ("applied", "applied")
    __hash__ = Component.__hash__

    worker: ClusterWorker = Field(default=ClusterWorker())

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Take the pool, and the namespace of the jobs, from the deployment."""
        del host
        jobs_in = deployment.job_variables.get("namespace") or "default"
        worker = self.worker.completed(jobs_in)
        if jobs_in not in worker.job_namespaces:
            raise ConfigurationError(
                f"jobs run in the namespace {jobs_in!r}, in which the worker may run none: {', '.join(worker.job_namespaces)}",
                where=f"{self.kind} {self.name}",
                hint="Add it to `job_namespaces`.",
            )
        return self.model_copy(update={"name": self.name or deployment.work_pool_name or "", "worker": worker})

    async def read(self, api: Api) -> Record | None:
        """Find out who serves the pool, and what a cluster would make of our manifests."""
        ours = worker_name(self.name, self.worker)
        online = await fresh_workers(api, self.name)
        others = [name for name in online if name != ours]
        if others and ours not in online:
            return {"others": others, "objects": {}}
        api_url, credential, secret = self._access()
        async with connect_cluster(self.worker.context, str(self)) as cluster:
            objects: Record = {}
            version = None
            for wanted in self._secrets(credential, secret):
                live = await cluster.read(wanted)
                objects[reference(wanted)] = _secret_in_words(live, wanted)
                if wanted["metadata"]["namespace"] == self.worker.namespace:
                    version = _version_of(live, wanted)
            for wanted in worker_manifests(self.name, self.worker, api_url, credential, version):
                objects[reference(wanted)] = await self._drift(cluster, wanted)
        return {"others": [], "objects": objects}

    async def _drift(self, cluster: Cluster, wanted: Record) -> Record:
        """An object as it is, and as it would be."""
        live = await cluster.read(wanted)
        after = _without_the_servers_own(await cluster.apply(wanted, dry_run=True))
        return {"before": None if live is None else _without_the_servers_own(live), "after": after}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Say what differs, object by object.

        Raises:
            ConflictError: An object of that name belongs to somebody else.
        """
        if live is None:
            manifests = worker_manifests(self.name, self.worker, self.worker.api_url or "(PREFECT_API_URL)", None)
            return [change for one in manifests for change in differences_within(ABSENT, one, reference(one))]
        changes: list[FieldChange] = []
        for name, state in live["objects"].items():
            before = state["before"]
            if before is not None and before.get("metadata", {}).get("labels", {}).get(MANAGED_BY) != MANAGER:
                raise ConflictError(
                    f"{name} is there, and was not made by Meta-Prefect",
                    where=str(self),
                    hint="Delete it, or choose another namespace for the worker; one that somebody else runs is left alone.",
                )
            new = before is None
            changes += (
                differences_within(ABSENT, state["after"], name) if new else differences(before, state["after"], name)
            )
        return changes

    def remarks(self, live: Record | None) -> Iterable[str]:
        """Say whose worker is used."""
        if live is not None and live["others"]:
            yield f"work pool {self.name} is served by {', '.join(live['others'])}; no worker of ours is applied beside it"

    async def write(self, api: Api, live: Record | None) -> None:
        """Apply the objects; the Deployment last.

        Raises:
            ConfigurationError: The cluster does not let us.
        """
        del api, live
        api_url, credential, secret = self._access()
        async with connect_cluster(self.worker.context, str(self)) as cluster:
            version = None
            for manifest in self._secrets(credential, secret):
                applied = await cluster.apply(manifest)
                if manifest["metadata"]["namespace"] == self.worker.namespace:
                    version = applied["metadata"]["resourceVersion"]
            for manifest in worker_manifests(self.name, self.worker, api_url, credential, version):
                await cluster.apply(manifest)

    async def wait_until_ready(self, api: Api) -> None:
        """Wait for the first heartbeat.

        Raises:
            ProcessError: There was none in time; the message says what the pods are waiting for.
        """
        import anyio

        ours = worker_name(self.name, self.worker)
        deadline = anyio.current_time() + self.worker.wait_seconds
        while self.worker.wait_seconds and ours not in await fresh_workers(api, self.name):
            if anyio.current_time() > deadline:
                raise ProcessError(
                    f"the worker sent no heartbeat within {self.worker.wait_seconds} seconds: {await self._why()}",
                    where=str(self),
                    hint=f"kubectl --namespace {self.worker.namespace} describe deployment {object_name(self.name)}",
                )
            await anyio.sleep(1)

    async def _why(self) -> str:
        """What the cluster says of the worker's pods."""
        labels = {"app.kubernetes.io/instance": object_name(self.name)}
        async with connect_cluster(self.worker.context, str(self)) as cluster:
            pods = await cluster.list("Pod", self.worker.namespace or "default", labels)
        return "; ".join(_state_of(pod) for pod in pods) or "there is no pod of it"

    def _secrets(self, credential: Credential | None, secret: str) -> list[Record]:
        """The Secret, for the worker and wherever its jobs are."""
        if credential is None:
            return []
        encoded = base64.b64encode(secret.encode()).decode()
        places = dict.fromkeys((self.worker.namespace or "default", *self.worker.job_namespaces))
        return [secret_manifest(self.name, place, credential, encoded) for place in places]

    def _access(self) -> tuple[str, Credential | None, str]:
        """Where the worker finds the Prefect API, and what opens it there.

        Raises:
            ConfigurationError: It is an address that means the worker itself in a cluster.
        """
        from prefect.settings import get_current_settings

        api = get_current_settings().api
        url = self.worker.api_url or api.url or ""
        if not url or urlsplit(url).hostname in _LOOPBACK:
            raise ConfigurationError(
                f"a worker in a cluster does not reach the Prefect API at {url or 'no address'}",
                where=str(self),
                hint="Give its `api_url`, the address of the API as the cluster sees it.",
            )
        try:
            check_api_url(url)
        except ValueError as error:
            raise ConfigurationError(str(error), where=str(self)) from None
        if api.key is not None:
            return url, "api-key", api.key.get_secret_value()
        if api.auth_string is not None:
            return url, "api-auth-string", api.auth_string.get_secret_value()
        return url, None, ""


def _secret_in_words(live: Record | None, wanted: Record) -> Record:
    """A Secret as it is and would be, without what is in it."""
    after = {"metadata": {"labels": wanted["metadata"]["labels"]}, "holds": "what opens the Prefect API"}
    if live is None:
        return {"before": None, "after": after}
    same = all(live.get("data", {}).get(key) == value for key, value in wanted["data"].items())
    labels = {key: live["metadata"].get("labels", {}).get(key) for key in wanted["metadata"]["labels"]}
    return {
        "before": {"metadata": {"labels": labels}, "holds": after["holds"] if same else "something else"},
        "after": after,
    }


def _version_of(live: Record | None, wanted: Record) -> str:
    """Changes with what the Secret holds, and tells nothing of it."""
    if live is not None and live.get("data") == wanted["data"]:
        return live["metadata"]["resourceVersion"]
    return "new"


def _without_the_servers_own(value: Record) -> Record:
    """An object without what the cluster keeps in it for itself."""
    metadata = {key: inner for key, inner in value["metadata"].items() if key not in _OF_THE_SERVER}
    # The Deployment's controller counts its own work in an annotation.
    annotations = {
        key: inner
        for key, inner in metadata.pop("annotations", {}).items()
        if not key.startswith("deployment.kubernetes.io/")
    }
    kept = {key: inner for key, inner in value.items() if key not in ("status", "metadata", "secrets")}
    return {**kept, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def _state_of(pod: Record) -> str:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    waiting = [
        one["state"]["waiting"] for one in status.get("containerStatuses", []) if "waiting" in one.get("state", {})
    ]
    if waiting:
        return f"pod {name}: {waiting[0].get('reason')} {waiting[0].get('message', '')}".rstrip()
    refused = [one for one in status.get("conditions", []) if one.get("status") == "False" and one.get("message")]
    return f"pod {name}: {refused[0]['message'] if refused else status.get('phase', 'unknown')}"
