"""``meta-prefect worker manifests``: prints the manifests of a worker, for cluster operators to apply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Group, Parameter

from meta_prefect.cli.options import Environment
from meta_prefect.cli.output import Output
from meta_prefect.interfaces.json_diff import Record

if TYPE_CHECKING:
    from meta_prefect.implementations.infra.kubernetes_worker import KubernetesWorker

_MADE_BY: Final = "# Made by `meta-prefect worker manifests`; made anew by it.\n"


@Parameter(name="*", group=Group("The worker, where no project says it"))
@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How the worker is to be."""

    namespace: Annotated[str | None, Parameter(help="Its namespace; by default `default`.")] = None
    job_namespace: Annotated[
        list[str] | None, Parameter(negative="", help="Where it may run jobs; by default in its own namespace.")
    ] = None
    image: Annotated[str | None, Parameter(help="Its image; by default Prefect's own of this version.")] = None
    api_url: Annotated[
        str | None, Parameter(help="Where the cluster finds the Prefect API; by default PREFECT_API_URL.")
    ] = None
    cpu: Annotated[str | None, Parameter(help="Its CPUs, such as 100m.")] = None
    memory: Annotated[str | None, Parameter(help="Its memory, such as 512Mi.")] = None

    def given(self) -> Record:
        """Return the given options of a worker."""
        said = {
            "namespace": self.namespace,
            "job_namespaces": tuple(self.job_namespace or ()) or None,
            "image": self.image,
            "api_url": self.api_url,
            "cpu": self.cpu,
            "memory": self.memory,
        }
        return {name: value for name, value in said.items() if value is not None}


def manifests(
    pool: str | None = None,
    /,
    *,
    project: Annotated[
        Path | None,
        Parameter(help="The project whose deployments ask for the worker: what a deploy of it would apply."),
    ] = None,
    env: Environment = None,
    options: WorkerOptions = WorkerOptions(),
    auth: Annotated[
        Literal["key", "auth-string", "none"] | None,
        Parameter(help="What opens the API; by default what opens it here: an API key, an auth string, nothing."),
    ] = None,
    deployer: Annotated[
        str | None, Parameter(help="Also this service account, for runs that deploy from within the cluster.")
    ] = None,
    dask: Annotated[
        str | None, Parameter(help="Also this service account, for runs that have a Dask cluster in their namespace.")
    ] = None,
    kustomize: Annotated[
        Path | None, Parameter(help="Write a folder for Kustomize, one file for each object, instead of printing.")
    ] = None,
) -> int:
    """Print what makes a worker in a Kubernetes cluster: ServiceAccount, Role, RoleBinding and Deployment.

    No cluster is contacted and no secret is printed: the Deployment refers to a Secret. A deploy with `worker: ensure` applies
    the same, and the Secret; what was applied by hand it takes for its own.

    Parameters
    ----------
    pool
        The work pool that it serves; by default `kubernetes`, or those of the project's workers.
    """
    from meta_prefect.implementations.infra.cluster_rights import rights_of_dask, rights_of_deployer

    if project is not None and options.given():
        raise _error("give either --project, which says how the worker is to be, or the worker's options")
    out = Output()
    objects: list[Record] = []
    notes: list[str] = []
    for worker in _of_project(project, env, pool) if project is not None else [_described(pool, options)]:
        credential = _credential(auth)
        objects += worker.manifests(credential)
        if credential is not None:
            notes += [
                f"needs the Secret {place}, whose key {credential} opens the Prefect API" for place in worker.secrets()
            ]
        objects += rights_of_deployer(deployer, worker.worker) if deployer is not None else ()
        objects += rights_of_dask(dask, worker.worker) if dask is not None else ()
    comments = "".join(f"# {note}\n" for note in dict.fromkeys(notes))
    # Two workers may share a namespace and accounts in it.
    objects = list({_file_name(one): one for one in objects}.values())
    if kustomize is None:
        out.raw(f"{comments}{_as_yaml(objects)}")
        return 0
    for file in _write(kustomize, objects, comments):
        out.raw(str(file))
    return 0


def _of_project(path: Path, environment: str | None, pool: str | None) -> list[KubernetesWorker]:
    """Return the cluster workers that a project requires."""
    import asyncio

    from meta_prefect.engine.offline import sound_plan_offline
    from meta_prefect.implementations.infra.kubernetes_worker import KubernetesWorker

    plan = asyncio.run(sound_plan_offline(path, environment, ()))
    components = [one.wanted for one in plan.batch.components]
    workers = [one for one in components if isinstance(one, KubernetesWorker)]
    chosen = [one for one in workers if pool in (None, one.name)]
    if not chosen:
        names = ", ".join(one.name for one in workers)
        raise _error(
            f"no deployment in {path} asks for a worker{f' of {pool}' if pool else ''} with `worker: ensure`",
            f"Those of {names} are asked for." if names else "Say how it is to be: --namespace, --image, --api-url, …",
        )
    return chosen


def _described(pool: str | None, options: WorkerOptions) -> KubernetesWorker:
    """Return the worker described by the options, without a project."""
    from pydantic import ValidationError

    from meta_prefect.errors import input_of, message_of
    from meta_prefect.implementations.infra.kubernetes_worker import KubernetesWorker
    from meta_prefect.implementations.infra.worker_manifests import ClusterWorker

    try:
        worker = ClusterWorker.model_validate(options.given())
    except ValidationError as error:
        first = error.errors()[0]
        raise _error(f"{message_of(first)} {input_of(first)}") from None
    return KubernetesWorker(name=pool or "kubernetes", worker=worker.completed(worker.namespace or "default"))


def _credential(auth: Literal["key", "auth-string", "none"] | None) -> Literal["api-key", "api-auth-string"] | None:
    """Return the kind of API credential in use here, or the requested one."""
    from prefect.settings import get_current_settings

    if auth is not None:
        known: dict[str, Literal["api-key", "api-auth-string"] | None]
        known = {"key": "api-key", "auth-string": "api-auth-string", "none": None}
        return known[auth]
    api = get_current_settings().api
    return "api-key" if api.key else "api-auth-string" if api.auth_string else None


def _error(message: str, hint: str | None = None) -> Exception:
    from meta_prefect.errors import ConfigurationError

    return ConfigurationError(message, where="worker manifests", hint=hint)


def _file_name(one: Record) -> str:
    metadata = one["metadata"]
    return f"{metadata['namespace']}-{metadata['name']}-{one['kind'].lower()}.yaml"


def _write(folder: Path, objects: Sequence[Record], comments: str) -> Iterator[Path]:
    """Write each object to a file, and a kustomization that lists them; other files are left alone."""
    files = {_file_name(one): _as_yaml([one]) for one in objects}
    outline = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(files)}
    files["kustomization.yaml"] = f"{comments}{_as_yaml([outline])}"
    for name in files:
        if (folder / name).exists() and not (folder / name).read_text().startswith(_MADE_BY):
            raise _error(f"{folder / name} is there, and was not made by this command", "Choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(f"{_MADE_BY}{text}\n")
        yield folder / name


def _as_yaml(objects: Sequence[Record]) -> str:
    """Format objects as one YAML stream, without anchors and aliases."""
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            del data
            return True

    return yaml.dump_all(objects, Dumper=Plain, sort_keys=False).rstrip()  # pyright: ignore[reportUnknownMemberType] - partly untyped in the stubs
