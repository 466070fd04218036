"""The cluster that KUBECONFIG points at, asked without any code of the project."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import wait_until

CORE = "/api/v1"
APPS = "/apis/apps/v1"
BATCH = "/apis/batch/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Kube:
    """One namespace of the cluster.

    Args:
        namespace: The namespace.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Send a request; None where there is no such object."""

        async def send() -> Any:
            import kubernetes_asyncio

            library: Any = kubernetes_asyncio
            await library.config.load_kube_config()
            async with library.client.ApiClient() as client:
                try:
                    answer = await client.call_api(
                        path,
                        method,
                        header_params={"Accept": "application/json", "Content-Type": kind},
                        body=body,
                        auth_settings=["BearerToken"],
                        _preload_content=False,
                    )
                except library.client.exceptions.ApiException as error:
                    if error.status == 404:
                        return None
                    raise
                text = await answer.read()
                assert answer.status < 400 or answer.status == 404, text
                return None if answer.status == 404 else json.loads(text)

        return asyncio.run(send())

    def get(self, root: str, plural: str, name: str) -> Any:
        """Read an object of the namespace."""
        return self.ask("GET", f"{root}/namespaces/{self.namespace}/{plural}/{name}")

    def names(self, root: str, plural: str) -> set[str]:
        """The names of the objects of a kind."""
        found = self.ask("GET", f"{root}/namespaces/{self.namespace}/{plural}")["items"]
        return {item["metadata"]["name"] for item in found}

    def patch(self, root: str, plural: str, name: str, change: Any) -> None:
        """Change an object as `kubectl patch` does."""
        path = f"{root}/namespaces/{self.namespace}/{plural}/{name}"
        self.ask("PATCH", path, change, "application/merge-patch+json")

    def create(self, root: str, plural: str, body: Any) -> Any:
        """Create an object."""
        return self.ask("POST", f"{root}/namespaces/{self.namespace}/{plural}", body)

    def delete(self, root: str, plural: str, name: str) -> None:
        """Delete an object."""
        self.ask("DELETE", f"{root}/namespaces/{self.namespace}/{plural}/{name}")

    def may(self, account: str, verb: str, group: str, resource: str, namespace: str | None = None) -> bool:
        """Whether a service account may do something, by the cluster's own judgement."""
        resource, _, below = resource.partition("/")
        asked = {"namespace": namespace or self.namespace, "verb": verb, "group": group, "resource": resource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{self.namespace}:{account}",
                "resourceAttributes": {**asked, "subresource": below},
            },
        }
        return self.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]

    def kubeconfig_of(self, account: str, folder: Path) -> Path:
        """A kubeconfig that acts as a service account."""
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        path = f"{CORE}/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        token = self.ask("POST", path, request)["status"]["token"]
        own: Any = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        context = next(one["context"] for one in own["contexts"] if one["name"] == own["current-context"])
        config = {
            **own,
            "users": [{"name": "worker", "user": {"token": token}}],
            "contexts": [{"name": "worker", "context": {"cluster": context["cluster"], "user": "worker"}}],
            "current-context": "worker",
        }
        file = folder / "kubeconfig"
        file.write_text(yaml.safe_dump(config))  # pyright: ignore[reportUnknownMemberType] - partly untyped in the stubs
        file.chmod(0o600)
        return file


@contextmanager
def own_namespace(name: str) -> Generator[Kube]:
    """A namespace for one test, removed afterwards; skips where there is no cluster."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG points at no cluster")
    kube = Kube(name)
    kube.ask("POST", f"{CORE}/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        account = f"{CORE}/namespaces/{name}/serviceaccounts/default"
        wait_until(lambda: kube.ask("GET", account), what="the namespace is ready", seconds=60)
        yield kube
    finally:
        kube.ask("DELETE", f"{CORE}/namespaces/{name}")
