"""A worker that a deploy keeps running in a Kubernetes cluster."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from contextlib import suppress
from typing import ClassVar, Final, Self

from pydantic import Field

from meta_prefect.errors import ConfigurationError, ConflictError, MetaPrefectError, ProcessError
from meta_prefect.implementations.infra.kubernetes_api import Cluster, connect_cluster, reference
from meta_prefect.implementations.infra.worker_manifests import (
    CREDENTIAL_VERSION,
    MANAGED_BY,
    MANAGER,
    ClusterWorker,
    Credential,
    check_reachable,
    object_name,
    secret_manifest,
    worker_manifests,
    worker_name,
)
from meta_prefect.implementations.infra.worker_owner import MARKS, Keeper, keeper_by, keeper_of
from meta_prefect.implementations.infra.worker_pods import (
    LONGEST_STANDSTILL,
    is_hopeless,
    is_pulling_in_vain,
    is_refused_for_good,
    is_rolled_out,
    reasons,
    refusal,
)
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components import Component, fresh_workers, last_heard, none_online
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_by_name, differences_within
from meta_prefect.texts import presentable

_CHANGED: Final = "(secret, changed)"
_MAX_PLACES: Final = 3
_OF_THE_SERVER: Final = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")


class KubernetesWorker(Component):
    """A worker in a cluster: its service account, its RBAC rules, the Secret with the API credentials, and its Deployment.

    They are applied on the server side under one field manager, so changes by others to these fields are reverted, and their
    additions are kept. If a worker with another name already serves the pool (from Helm, or custom), nothing is done.


    Attributes:
        name: The work pool it serves.
        worker: Its completed specification.
        project: The requiring project; from the deployment.
        former_projects: Former names of that project.
    """

    kind: ClassVar[str] = "kubernetes worker"
    verbs: ClassVar[tuple[str, str]] = ("applied", "applied")

    worker: ClusterWorker = Field(default=ClusterWorker())
    project: str = ""
    former_projects: tuple[str, ...] = Field(default=(), exclude=True)

    def __hash__(self) -> int:
        return super().__hash__()

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Fill in the pool and the namespace of the jobs from the deployment."""
        del host
        jobs_in = deployment.job_variables.get("namespace") or "default"
        worker = self.worker.completed(jobs_in)
        if jobs_in not in worker.job_namespaces:
            raise ConfigurationError(
                f"jobs run in the namespace {jobs_in!r}, in which the worker may run none: {', '.join(worker.job_namespaces)}",
                where=f"{self.kind} {self.name}",
                hint="Add it to `job_namespaces`.",
            )
        context = deployment.context
        return self.model_copy(
            update={
                "name": self.name or deployment.work_pool_name or "",
                "worker": worker,
                "project": context.project,
                "former_projects": context.renamed_from,
            }
        )

    async def read(self, api: Api) -> Record | None:
        """Find out who serves the pool, and dry-run our manifests in the cluster."""
        ours = worker_name(self.name, self.worker)
        online = await fresh_workers(api, self.name)
        others = [name for name in online if name != ours]
        if others and ours not in online:
            return {"others": others, "objects": {}}
        api_url, credential, secret = self._access()
        async with connect_cluster(self.worker.context, str(self)) as cluster:
            objects: Record = {}
            version = None
            deployment = await cluster.read(self._deployment())
            for wanted in self._secrets(credential, secret):
                live = await cluster.read(wanted)
                objects[reference(wanted)] = _secret_in_words(live, wanted)
                if wanted["metadata"]["namespace"] == self.worker.namespace:
                    version = _version_of(live, wanted, deployment)
            keeper, wanting = keeper_of(deployment), self._keeper(api_url, credential)
            for wanted in self._manifests(api_url, credential, version, self._kept_by(deployment, wanting)):
                objects[reference(wanted)] = await self._drift(cluster, wanted)
            found: Record = {"others": [], "objects": objects, "online": ours in online}
            if deployment is not None and ours not in online:
                found["last_heard"] = await last_heard(api, self.name)
                found["why"] = await self._why(cluster, deployment, await self._pods(cluster))
        if self._is_of_another(keeper):
            found["keeper"] = {"project": keeper.project, "wants_the_same": keeper.wants_the_same_as(wanting)}
        return found

    def manifests(self, credential: Credential | None) -> list[Record]:
        """Return what a deploy applies to an empty cluster, except for the Secret.

        Args:
            credential: The credential for the Prefect API.

        Raises:
            ConfigurationError: The Prefect API's URL cannot be used from a cluster.
        """
        api_url = self._address()
        return self._manifests(api_url, credential, None, self._keeper(api_url, credential))

    def secrets(self) -> Iterable[str]:
        """Return where the Secret must exist, as ``name in namespace``."""
        places = dict.fromkeys((self.worker.namespace or "default", *self.worker.job_namespaces))
        return (f"{object_name(self.name)} in {place}" for place in places)

    def _keeper(self, api_url: str, credential: Credential | None) -> Keeper:
        """Return this project as the worker's keeper."""
        return keeper_by(self.project, worker_manifests(self.name, self.worker, api_url, credential))

    def _is_of_another(self, keeper: Keeper) -> bool:
        return keeper.project not in ("", self.project, *self.former_projects)

    def _kept_by(self, deployment: Record | None, wanting: Keeper) -> Keeper:
        """Return the keeper to record on the worker: the current one, else this project."""
        keeper = keeper_of(deployment)
        return keeper if self._is_of_another(keeper) else wanting

    def _manifests(
        self, api_url: str, credential: Credential | None, version: str | None, keeper: Keeper
    ) -> list[Record]:
        made = worker_manifests(self.name, self.worker, api_url, credential, version)
        keeper.mark(made[-1])
        return made

    async def _drift(self, cluster: Cluster, wanted: Record) -> Record:
        """Return an object's current and its desired state."""
        live = await cluster.read(wanted)
        after = _without_the_servers_own(await cluster.apply(wanted, dry_run=True))
        return {"before": None if live is None else _without_the_servers_own(live), "after": after}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Yield the differences, object by object.

        Raises:
            ConflictError: An object of that name belongs to someone else.
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
                differences_within(ABSENT, state["after"], name)
                if new
                else differences_by_name(before, state["after"], name)
            )
        if changes and (keeper := live.get("keeper")) and not keeper["wants_the_same"]:
            places = ", ".join(change.path for change in changes[:_MAX_PLACES])
            raise ConflictError(
                f"the project {keeper['project']!r} keeps this worker, and {self.project!r} wants it otherwise: {places}",
                where=str(self),
                hint="Give both the same `worker_options`, or let this one refer to it: `worker: find`. If nobody deploys "
                f"{keeper['project']!r} any more: kubectl --namespace {self.worker.namespace} annotate deployment "
                f"{object_name(self.name)} {MARKS[0]}-",
            )
        if not changes and self.worker.wait_seconds and not live.get("online", True):
            # Applying it again makes the deploy wait for it, and fail for as long as it does not start.
            return (FieldChange("status", "offline", "online"),)
        return changes

    def cannot_run(self, live: Record | None) -> str | None:
        """No heartbeat arrives; say since when, and why."""
        if live is None or live.get("online", True) or live["others"]:
            return None
        why = f": {live['why']}" if "why" in live else ""
        return f"{none_online(self.name, live.get('last_heard'))}{why}"

    def remarks(self, live: Record | None) -> Iterable[str]:
        """Tell whose worker is used."""
        if live is not None and live["others"]:
            yield f"work pool {self.name} is served by {', '.join(live['others'])}; no worker of ours is applied beside it"
        if live is not None and "why" in live and (offline := self.cannot_run(live)) is not None:
            yield offline
        if live is not None and "keeper" in live:
            yield f"the worker of work pool {self.name} is kept by the project {live['keeper']['project']!r} too"

    async def write(self, api: Api, live: Record | None) -> None:
        """Apply the objects; the Deployment last.

        Raises:
            ConfigurationError: The cluster denies it.
        """
        del api, live
        api_url, credential, secret = self._access()
        async with connect_cluster(self.worker.context, str(self)) as cluster:
            version = None
            deployment = await cluster.read(self._deployment())
            for manifest in self._secrets(credential, secret):
                before = await cluster.read(manifest)
                applied = await cluster.apply(manifest)
                if manifest["metadata"]["namespace"] == self.worker.namespace:
                    is_kept = before is not None and _version_of(before, manifest, deployment) is None
                    version = None if is_kept else applied["metadata"]["resourceVersion"]
            keeper = self._kept_by(deployment, self._keeper(api_url, credential))
            for manifest in self._manifests(api_url, credential, version, keeper):
                await cluster.apply(manifest)

    async def wait_until_ready(self, api: Api) -> None:
        """Wait until the rollout is complete and a newer heartbeat has arrived.

        Raises:
            ProcessError: No heartbeat arrived in time, or none can arrive; the message includes the cluster's reasons.
        """
        import anyio

        if not self.worker.wait_seconds:
            return
        ours, applied_at = worker_name(self.name, self.worker), api.now()
        began = anyio.current_time()
        still_since: float | None = None
        async with connect_cluster(self.worker.context, str(self)) as cluster:
            while True:
                deployment, pods = await cluster.read(self._deployment()), await self._pods(cluster)
                now = anyio.current_time()
                if deployment is not None and is_rolled_out(deployment):
                    if ours in await fresh_workers(api, self.name, since=applied_at):
                        return
                elif any(map(is_hopeless, pods)) or is_refused_for_good(deployment):
                    raise await self._failed(cluster, deployment, pods, "the worker does not start")
                stands_still = any(map(is_pulling_in_vain, pods)) or refusal(deployment) is not None
                still_since = (still_since or now) if stands_still else None
                if still_since is not None and now - still_since > LONGEST_STANDSTILL:
                    raise await self._failed(cluster, deployment, pods, "the worker does not start")
                if now - began > self.worker.wait_seconds:
                    late = f"the worker sent no heartbeat within {self.worker.wait_seconds} seconds"
                    raise await self._failed(cluster, deployment, pods, late)
                await anyio.sleep(1)

    async def _failed(self, cluster: Cluster, deployment: Record | None, pods: list[Record], what: str) -> ProcessError:
        return ProcessError(
            f"{what}: {await self._why(cluster, deployment, pods)}",
            where=str(self),
            hint=f"kubectl --namespace {self.worker.namespace} describe deployment {object_name(self.name)}",
        )

    async def _why(self, cluster: Cluster, deployment: Record | None, pods: list[Record]) -> str:
        """Return the cluster's information about the worker, as far as it is accessible."""
        warnings: dict[str, str] = {}
        logs: dict[str, str] = {}
        with suppress(MetaPrefectError):
            warnings = await cluster.warnings(self.worker.namespace or "default")
        for pod in pods:
            with suppress(MetaPrefectError):
                if line := await cluster.last_line(pod):
                    logs[pod["metadata"]["name"]] = presentable(line)
        return reasons(deployment, pods, warnings, logs)

    def _deployment(self) -> Record:
        """Return the identity of the worker's Deployment."""
        metadata = {"name": object_name(self.name), "namespace": self.worker.namespace or "default"}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}

    async def _pods(self, cluster: Cluster) -> list[Record]:
        labels = {"app.kubernetes.io/instance": object_name(self.name)}
        return await cluster.list("Pod", self.worker.namespace or "default", labels)

    def _secrets(self, credential: Credential | None, secret: str) -> list[Record]:
        """Return the Secret, for the namespaces of the worker and its jobs."""
        if credential is None:
            return []
        encoded = base64.b64encode(secret.encode()).decode()
        places = dict.fromkeys((self.worker.namespace or "default", *self.worker.job_namespaces))
        return [secret_manifest(self.name, place, credential, encoded) for place in places]

    def _address(self) -> str:
        """Return the URL at which the worker reaches the Prefect API.

        Raises:
            ConfigurationError: The URL would refer to the worker's own pod.
        """
        from prefect.settings import get_current_settings

        try:
            return check_reachable(self.worker.api_url or get_current_settings().api.url)
        except ValueError as error:
            raise ConfigurationError(str(error), where=str(self)) from None
        except ConfigurationError as error:
            raise ConfigurationError(error.message, where=str(self), hint=error.hint) from None

    def _access(self) -> tuple[str, Credential | None, str]:
        """Return how the worker reaches the Prefect API, and its credential."""
        from prefect.settings import get_current_settings

        url, api = self._address(), get_current_settings().api
        if api.key is not None:
            return url, "api-key", api.key.get_secret_value()
        if api.auth_string is not None:
            return url, "api-auth-string", api.auth_string.get_secret_value()
        return url, None, ""


def _secret_in_words(live: Record | None, wanted: Record) -> Record:
    """Return a Secret's current and desired state without its contents."""
    marks: Record = wanted["metadata"]["labels"]
    if live is None:
        return {"before": None, "after": {"metadata": {"labels": marks}, "holds": "(secret)"}}
    found: Record = live.get("data", {})
    is_same = all(found.get(key) == value for key, value in wanted["data"].items())
    labels = {key: live["metadata"].get("labels", {}).get(key) for key in marks}
    return {
        "before": {"metadata": {"labels": labels}, "holds": "(secret)"},
        "after": {"metadata": {"labels": marks}, "holds": "(secret)" if is_same else _CHANGED},
    }


def _version_of(live: Record | None, wanted: Record, deployment: Record | None) -> str | None:
    """Return a value that changes with the Secret without revealing it; None for a worker applied by hand and unchanged."""
    if live is None or live.get("data") != wanted["data"]:
        return "new"
    template: Record = (deployment or {}).get("spec", {}).get("template", {})
    is_by_hand = bool(template) and CREDENTIAL_VERSION not in template.get("metadata", {}).get("annotations", {})
    return None if is_by_hand else live["metadata"]["resourceVersion"]


def _without_the_servers_own(value: Record) -> Record:
    """Return an object without the fields that the cluster maintains."""
    metadata = {key: inner for key, inner in value["metadata"].items() if key not in _OF_THE_SERVER}
    # The Deployment controller counts its revisions in an annotation; the keeper alone is no reason to write.
    annotations = {
        key: inner
        for key, inner in metadata.pop("annotations", {}).items()
        if not key.startswith(("deployment.kubernetes.io/", *MARKS))
    }
    kept = {key: inner for key, inner in value.items() if key not in ("status", "metadata", "secrets")}
    return {**kept, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}
