"""The Kubernetes operations that a deploy needs: reading and applying objects. Translates the client's errors."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

from meta_prefect.errors import ConfigurationError, MetaPrefectError, OverloadedError, RefusedError, UnreachableError
from meta_prefect.implementations.infra.worker_manifests import MANAGER
from meta_prefect.interfaces.json_diff import Record

_PLURALS: Final = {
    "Deployment": "deployments",
    "Event": "events",
    "Namespace": "namespaces",
    "Pod": "pods",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "Secret": "secrets",
    "ServiceAccount": "serviceaccounts",
}
_TEMPORARY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
_TIMEOUT_SECONDS: Final = 30


def reference(manifest: Record) -> str:
    """Return an object's name in plans: kind, namespace and name."""
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata['namespace']}/{metadata['name']}"


class Cluster:
    """An open connection to a cluster.

    Args:
        client: A client of kubernetes_asyncio.
        where: The location named in error messages.
    """

    def __init__(self, client: Any, where: str) -> None:
        self._client = client
        self._where = where

    async def read(self, manifest: Record) -> Record | None:
        """Read the object described by a manifest; None if it does not exist."""
        return await self._request("GET", _path(manifest), missing_is_none=True, what=reference(manifest))

    async def create(self, manifest: Record) -> Record:
        """Create an object; it is an error if it exists."""
        place = _path(manifest).rpartition("/")[0]
        return await self._request("POST", place, body=manifest, what=reference(manifest))

    async def delete(self, manifest: Record) -> None:
        """Delete the object described by a manifest, if it exists."""
        await self._request("DELETE", _path(manifest), missing_is_none=True, what=reference(manifest))

    async def serves(self, api_version: str) -> bool:
        """Return whether the cluster serves an API version, such as that of an operator."""
        return await self._request("GET", f"/apis/{api_version}", missing_is_none=True, what=api_version) is not None

    async def list(self, kind: str, namespace: str, labels: Mapping[str, str]) -> list[Record]:
        """List the objects of a core kind with the given labels."""
        return await self._list(kind, namespace, "labelSelector", labels)

    async def warnings(self, namespace: str) -> dict[str, str]:
        """Return the last warning event of each pod in a namespace, by pod name."""
        events = await self._list(
            "Event", namespace, "fieldSelector", {"involvedObject.kind": "Pod", "type": "Warning"}
        )
        events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
        return {event["involvedObject"]["name"]: event.get("message", "") for event in events}

    async def last_line(self, pod: Record) -> str:
        """Return the last line of a pod's log; empty if there is none."""
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{quote(metadata['namespace'])}/pods/{quote(metadata['name'])}/log"
        query = [("tailLines", "5")]
        text: str = await self._request("GET", path, query=query, what=f"the log of {metadata['name']}", is_text=True)
        return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")

    async def _list(self, kind: str, namespace: str, by: str, wanted: Mapping[str, str]) -> list[Record]:
        selector = ",".join(f"{key}={value}" for key, value in wanted.items())
        path = f"/api/v1/namespaces/{quote(namespace)}/{_PLURALS[kind]}"
        found = await self._request("GET", path, query=[(by, selector)], what=f"{kind}s in {namespace}")
        return found["items"]

    async def apply(self, manifest: Record, *, dry_run: bool = False) -> Record:
        """Apply a manifest on the server side; overrides other managers of its fields.

        Args:
            manifest: The object.
            dry_run: Return the result without storing it; the cluster still validates it.

        Returns:
            The resulting object.
        """
        query = [("fieldManager", MANAGER), ("force", "true"), *([("dryRun", "All")] if dry_run else [])]
        return await self._request("PATCH", _path(manifest), query=query, body=manifest, what=reference(manifest))

    async def _request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        query: list[tuple[str, str]] | None = None,
        body: Record | None = None,
        missing_is_none: bool = False,
        is_text: bool = False,
    ) -> Any:
        import aiohttp
        from kubernetes_asyncio.client.exceptions import ApiException

        headers = {"Accept": "*/*" if is_text else "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        try:
            answer = await self._client.call_api(
                path,
                method,
                query_params=query or [],
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=_TIMEOUT_SECONDS,
            )
            text: bytes = await answer.read()
        except ApiException as error:
            if missing_is_none and error.status == HTTPStatus.NOT_FOUND:
                return None
            raise self._refused(cast("Any", error), what) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            host = self._client.configuration.host
            raise UnreachableError(
                f"the Kubernetes API at {host} does not answer ({type(error).__name__}: {error})",
                where=self._where,
                hint="Is it the right context? `kubectl config current-context` shows which is in force.",
            ) from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            if missing_is_none and answer.status == HTTPStatus.NOT_FOUND:
                return None
            raise self._refused_with(answer.status, text, what)
        return text.decode(errors="replace") if is_text else json.loads(text)

    def _refused(self, error: Any, what: str) -> MetaPrefectError:
        return self._refused_with(error.status, error.body or b"", what)

    def _refused_with(self, status: int, body: bytes | str, what: str) -> MetaPrefectError:
        try:
            message = json.loads(body).get("message", "")
        except ValueError:
            message = ""
        if status in _TEMPORARY:
            return OverloadedError(f"the Kubernetes API answers {status} for {what}", where=self._where)
        if status == HTTPStatus.NOT_FOUND:
            hint = "Create the namespace first; a deploy creates none." if message.startswith("namespaces") else None
            return ConfigurationError(f"{what} cannot be made: {message or 'not found'}", where=self._where, hint=hint)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return ConfigurationError(
                f"the cluster refuses {what}: {message or status}",
                where=self._where,
                hint="Let somebody who may apply it: `meta-prefect worker manifests` prints what is to be applied.",
            )
        return RefusedError(f"the cluster refuses {what} ({status}): {message}", where=self._where)


def _path(manifest: Record) -> str:
    group, _, _ = manifest["apiVersion"].rpartition("/")
    root = f"/apis/{manifest['apiVersion']}" if group else f"/api/{manifest['apiVersion']}"
    metadata = manifest["metadata"]
    place = f"/namespaces/{quote(metadata['namespace'])}" if "namespace" in metadata else ""
    return f"{root}{place}/{_PLURALS[manifest['kind']]}/{quote(metadata['name'])}"


@asynccontextmanager
async def connect_cluster(context: str | None, where: str) -> AsyncGenerator[Cluster]:
    """Connect to the cluster of the kubeconfig, or the one this process runs in.

    Args:
        context: The context of the kubeconfig; None for the current one.
        where: The location named in error messages.

    Raises:
        ConfigurationError: Neither exists, or the kubeconfig is invalid.
    """
    import yaml
    from kubernetes_asyncio import config
    from kubernetes_asyncio.client import ApiClient, Configuration

    configuration = Configuration()
    library = cast("Any", config)
    try:
        if _kubeconfig_exists() or context is not None:
            # By default, the library uses the KUBECONFIG from when it was imported.
            files = os.environ.get("KUBECONFIG") or None
            await library.load_kube_config(files, context=context, client_configuration=configuration)
        elif os.environ.get("KUBERNETES_SERVICE_HOST"):
            library.load_incluster_config(client_configuration=configuration)
        else:
            raise ConfigurationError(
                "there is no kubeconfig here, and this is no pod",
                where=where,
                hint="Set KUBECONFIG, or apply what `meta-prefect worker manifests` prints.",
            )
    except (config.ConfigException, yaml.YAMLError, OSError, TypeError, KeyError) as error:
        raise ConfigurationError(f"the kubeconfig cannot be used: {error}", where=where) from error
    client: Any
    async with cast("Any", ApiClient)(configuration) as client:
        yield Cluster(client, where)


def _kubeconfig_exists() -> bool:
    places = os.environ.get("KUBECONFIG", "~/.kube/config").split(os.pathsep)
    return any(Path(place).expanduser().is_file() for place in places if place)
