"""``meta-prefect worker manifests``: a worker for a Kubernetes cluster, for its operators to apply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Parameter

from meta_prefect.cli.output import Output
from meta_prefect.interfaces.json_diff import Record


def manifests(
    pool: str = "kubernetes",
    /,
    *,
    namespace: str = "default",
    job_namespace: Annotated[
        list[str] | None, Parameter(negative="", help="Where the worker may run jobs; by default in its own namespace.")
    ] = None,
    image: Annotated[
        str | None, Parameter(help="The worker's image; by default Prefect's own of this version.")
    ] = None,
    api_url: Annotated[
        str | None, Parameter(help="Where the cluster finds the Prefect API; by default PREFECT_API_URL.")
    ] = None,
    auth: Annotated[
        Literal["key", "auth-string", "none"] | None,
        Parameter(help="What opens the API; by default what opens it here: an API key, an auth string, nothing."),
    ] = None,
) -> int:
    """Print what makes a worker in a Kubernetes cluster: ServiceAccount, Role, RoleBinding and Deployment.

    No cluster is contacted and no secret is printed: the Deployment refers to a Secret. A deploy with `worker: ensure` applies
    the same, and the Secret.

    Parameters
    ----------
    pool
        The work pool that it serves.
    namespace
        The namespace of the worker.
    """
    from pydantic import ValidationError

    from meta_prefect.errors import ConfigurationError, got, said
    from meta_prefect.implementations.infra.worker_manifests import (
        ClusterWorker,
        Credential,
        object_name,
        worker_manifests,
    )

    found_url, found = _access()
    credentials: dict[str, Credential | None] = {"key": "api-key", "auth-string": "api-auth-string", "none": None}
    credential = found if auth is None else credentials[auth]
    url = api_url or found_url
    if url is None:
        raise ConfigurationError(
            "there is no address of the Prefect API",
            where="worker manifests",
            hint="Give --api-url, or set PREFECT_API_URL.",
        )
    try:
        worker = ClusterWorker(namespace=namespace, job_namespaces=tuple(job_namespace or ()), image=image, api_url=url)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(f"{said(first)} {got(first)}", where="worker manifests") from None
    completed = worker.completed(namespace)
    out = Output()
    if credential is not None:
        for place in dict.fromkeys((namespace, *completed.job_namespaces)):
            out.raw(f"# needs the Secret {object_name(pool)} in {place}, whose key {credential} opens the Prefect API")
    out.raw(_as_yaml(worker_manifests(pool, completed, url, credential)))
    return 0


def _as_yaml(objects: Sequence[Record]) -> str:
    """Objects as one stream of YAML, without references from one place of it to another."""
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            del data
            return True

    return yaml.dump_all(objects, Dumper=Plain, sort_keys=False).rstrip()  # pyright: ignore[reportUnknownMemberType] - partly untyped in the stubs


def _access() -> tuple[str | None, Literal["api-key", "api-auth-string"] | None]:
    """Where the Prefect API is from here, and what opens it."""
    from prefect.settings import get_current_settings

    api = get_current_settings().api
    return api.url, "api-key" if api.key else "api-auth-string" if api.auth_string else None
