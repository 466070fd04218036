"""The Kubernetes objects of a Prefect worker, as plain values without any I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.infra.containers import check_variable_names
from meta_prefect.implementations.infra.images import ImageReference, prefect_image
from meta_prefect.implementations.infra.pod_parts import Labels, ObjectName, Toleration
from meta_prefect.implementations.infra.quantities import Cpu, Memory, read_cpu
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.redaction import redacted

MANAGER: Final = "meta-prefect"
"""Our field manager for server-side apply, and the value of the label that marks our objects."""

MANAGED_BY: Final = "app.kubernetes.io/managed-by"

CREDENTIAL_VERSION: Final = "meta-prefect/credential-version"
"""The annotation of the worker's pods that changes with the Secret, to restart them."""

Credential = Literal["api-key", "api-auth-string"]
"""The kind of API credential, which is also its key in the Secret."""

CREDENTIAL_VARIABLES: Final[dict[Credential, str]] = {
    "api-key": "PREFECT_API_KEY",
    "api-auth-string": "PREFECT_API_AUTH_STRING",
}
"""Prefect's settings for each kind of credential."""

_SECRET_SETTINGS: Final[dict[Credential, str]] = {
    "api-key": "PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_KEY_SECRET",
    "api-auth-string": "PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET",
}
"""Settings of prefect-kubernetes that make jobs refer to the Secret instead of containing it; suffixed _NAME and _KEY."""

WORKER_RULES: Final[list[Record]] = [
    # Runs are jobs: the worker creates them and deletes those of cancelled runs; its observer watches them.
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "delete", "get", "list", "watch"]},
    # The observer reports pods that crash or do not start, and forwards their output from before they reached the API.
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
]
"""Everything prefect-kubernetes 0.8 does in the namespace of its jobs, taken from its worker and observer. It needs no access
to Secrets, since its jobs refer to an existing one, and no cluster-wide access, since its observer is limited to its
namespaces."""

_OWN_VARIABLES: Final = ("HOME", "PREFECT_HOME", "PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1", "0.0.0.0")  # noqa: S104 - recognised, not listened on
_HEALTH_PORT: Final = 8080
_USER: Final = 1000
_HOME: Final = "/home/prefect"
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _check_namespace(name: str) -> str:
    if _LABEL.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a namespace: write lower-case letters, digits and '-', 63 at most")
    return name


Namespace = Annotated[str, AfterValidator(_check_namespace)]
"""The name of a namespace."""


def check_reachable(url: str | None) -> str:
    """Check that a URL of the Prefect API has the same meaning in a cluster.

    Raises:
        ConfigurationError: There is no URL, or it would refer to the worker's own pod.
        ValueError: It contains a secret.
    """
    if not url or urlsplit(url).hostname in _LOOPBACK:
        raise ConfigurationError(
            f"a worker in a cluster does not reach the Prefect API at {url or 'no address'}",
            hint="Give its `api_url`, the address of the API as the cluster sees it.",
        )
    return check_api_url(url)


def check_api_url(url: str) -> str:
    """Check the URL at which a cluster reaches the Prefect API.

    Raises:
        ValueError: It contains a secret, which would be visible in the worker's Deployment.
    """
    if redacted(url) != url:
        raise ValueError(
            "the address of the Prefect API holds a user or password, for all to read in the worker's Deployment: "
            "give the address without, and PREFECT_API_AUTH_STRING"
        )
    return url


def _check_env(env: dict[str, str]) -> dict[str, str]:
    check_variable_names(env)
    for name, value in env.items():
        if name in _OWN_VARIABLES or name.startswith("PREFECT_INTEGRATIONS_KUBERNETES_"):
            raise ValueError(f"{name} is set by the worker's other options")
        if redacted(value) != value:
            raise ValueError(
                f"{name} holds a user or password, for all to read in the worker's Deployment: put it into a Secret, and name "
                "that in `env_from_secrets`"
            )
    return env


class ClusterWorker(BaseModel):
    """How a worker in a cluster is to be.

    Attributes:
        namespace: The namespace of the worker; left empty, the one of the jobs.
        job_namespaces: The namespaces in which it may run jobs; left empty, its own.
        image: The image of the worker, with prefect-kubernetes; left empty, Prefect's own of the version that is installed here.
        api_url: The address at which the cluster reaches the Prefect API; left empty, the one that is in force here.
        context: The context of the kubeconfig; left empty, its current one.
        cpu: CPUs of the worker; it needs little, as runs have their own.
        cpu_limit: The most CPU that it may use; left empty, there is none.
        memory: Memory of the worker.
        account_annotations: Annotations of its service account, such as the role that it acts as on AWS
            (``eks.amazonaws.com/role-arn``).
        image_pull_secrets: Secrets of its namespace that open the registry.
        node_selector: Labels that its node must have.
        tolerations: Taints of nodes that are tolerated.
        env: Further environment variables of the worker, such as HTTPS_PROXY; runs do not get them.
        env_from_secrets: Secrets of its namespace all of whose keys are environment variables of the worker.
        wait_seconds: How long a deploy waits for its first heartbeat; 0 does not wait.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    namespace: Namespace | None = None
    job_namespaces: tuple[Namespace, ...] = ()
    image: ImageReference | None = None
    api_url: Annotated[str, AfterValidator(check_api_url)] | None = Field(
        default=None, pattern=r"^https?://.+/api(/.*)?$|^https://.+"
    )
    context: str | None = None
    cpu: Cpu = "100m"
    cpu_limit: Cpu | None = None
    memory: Memory = "512Mi"
    account_annotations: dict[str, str] = Field(default={})
    image_pull_secrets: tuple[ObjectName, ...] = ()
    node_selector: Labels = Field(default={})
    tolerations: tuple[Toleration, ...] = ()
    env: Annotated[dict[str, str], AfterValidator(_check_env)] = Field(default={})
    env_from_secrets: tuple[ObjectName, ...] = ()
    wait_seconds: int = Field(default=180, ge=0, le=1800)

    @model_validator(mode="after")
    def _namespaces_differ(self) -> Self:
        if len(set(self.job_namespaces)) != len(self.job_namespaces):
            raise ValueError(f"job_namespaces names one twice: {', '.join(self.job_namespaces)}")
        return self

    @model_validator(mode="after")
    def _limit_holds_request(self) -> Self:
        if self.cpu_limit is not None and read_cpu(self.cpu_limit) < read_cpu(self.cpu):
            raise ValueError(f"cpu_limit {self.cpu_limit} is below cpu {self.cpu}")
        return self

    def completed(self, job_namespace: str) -> Self:
        """Fill in missing values, for jobs in a namespace."""
        namespace = self.namespace or job_namespace
        return self.model_copy(
            update={"namespace": namespace, "job_namespaces": self.job_namespaces or (job_namespace,)}
        )


def object_name(pool: str) -> str:
    """Return the name shared by all objects of a pool's worker."""
    slug = re.sub(r"[^a-z0-9]+", "-", pool.lower()).strip("-")
    return f"prefect-worker-{slug}"[:63].rstrip("-")


def worker_manifests(
    pool: str, worker: ClusterWorker, api_url: str, credential: Credential | None, credential_version: str | None = None
) -> list[Record]:
    """Return the objects of a pool's worker, in the order in which they are applied. They only refer to the Secret.

    Args:
        pool: The work pool.
        worker: Its completed specification.
        api_url: The URL of the Prefect API.
        credential: The API credential; None if the API requires none.
        credential_version: Changes with the Secret, so that the worker is then restarted; None to leave it out.
    """
    name, namespace = object_name(pool), worker.namespace or "default"
    account = made_object("v1", "ServiceAccount", name, namespace)
    if worker.account_annotations:
        account["metadata"]["annotations"] = worker.account_annotations
    rights = [made for jobs_in in worker.job_namespaces for made in granted(name, namespace, jobs_in, WORKER_RULES)]
    return [account, *rights, _deployment(pool, worker, api_url, credential, credential_version)]


def secret_manifest(pool: str, namespace: str, credential: Credential, encoded: str) -> Record:
    """Return the Secret with the credential for the Prefect API.

    Args:
        pool: The work pool.
        namespace: Its namespace: the worker's, or one of its jobs'.
        credential: The kind of credential.
        encoded: The base64-encoded value.
    """
    return made_object("v1", "Secret", object_name(pool), namespace, type="Opaque", data={credential: encoded})


def made_object(api_version: str, kind: str, name: str, namespace: str, **rest: Any) -> Record:
    """Return an object labeled as ours."""
    labels = {**_selector(name), MANAGED_BY: MANAGER}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def _selector(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "prefect-worker", "app.kubernetes.io/instance": name}


def granted(account: str, home: str, place: str, rules: Sequence[Record]) -> Sequence[Record]:
    """Return a role in a namespace and its binding to an account.

    Args:
        account: The name of the account and of the role.
        home: The account's namespace.
        place: The namespace to which the rules apply.
        rules: The rules.
    """
    group = "rbac.authorization.k8s.io"
    role = made_object(f"{group}/v1", "Role", account, place, rules=rules)
    binding = made_object(
        f"{group}/v1",
        "RoleBinding",
        account,
        place,
        roleRef={"apiGroup": group, "kind": "Role", "name": account},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": home}],
    )
    return role, binding


def _deployment(
    pool: str, worker: ClusterWorker, api_url: str, credential: Credential | None, credential_version: str | None
) -> Record:
    name, namespace = object_name(pool), worker.namespace or "default"
    metadata: Record = {"labels": {**_selector(name), MANAGED_BY: MANAGER}}
    if credential_version is not None:
        metadata["annotations"] = {CREDENTIAL_VERSION: credential_version}
    spec: Record = {
        "replicas": 1,
        # Two workers with the same name would mistake each other's heartbeat for their own.
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": _selector(name)},
        "template": {
            "metadata": metadata,
            "spec": {
                "serviceAccountName": name,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": _USER,
                    "runAsGroup": _USER,
                    "fsGroup": _USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                **_placement(worker),
                "containers": [_container(pool, worker, api_url, credential)],
                "volumes": [
                    {"name": "home", "emptyDir": dict[str, str]()},
                    {"name": "scratch", "emptyDir": dict[str, str]()},
                ],
            },
        },
    }
    return made_object("apps/v1", "Deployment", name, namespace, spec=spec)


def _placement(worker: ClusterWorker) -> Record:
    """Return the scheduling fields and image pull secrets of the worker's pod, omitting those not set."""
    parts: Record = {
        "nodeSelector": worker.node_selector,
        "tolerations": [one.model_dump(by_alias=True, exclude_none=True) for one in worker.tolerations],
        "imagePullSecrets": [{"name": name} for name in worker.image_pull_secrets],
    }
    return {name: value for name, value in parts.items() if value}


def worker_name(pool: str, worker: ClusterWorker) -> str:
    """Return the worker's name in Prefect."""
    return f"{object_name(pool)}@{worker.namespace}"


def _container(pool: str, worker: ClusterWorker, api_url: str, credential: Credential | None) -> Record:
    start = ["prefect", "worker", "start", "--pool", pool, "--type", "kubernetes", "--name", worker_name(pool, worker)]
    probe = {"httpGet": {"path": "/health", "port": _HEALTH_PORT}, "periodSeconds": 15, "timeoutSeconds": 5}
    return {
        "name": "worker",
        "image": worker.image or prefect_image("kubernetes"),
        "args": [*start, "--no-create-pool-if-not-found", "--with-healthcheck", "--install-policy", "never"],
        "env": _variables(pool, worker, api_url, credential),
        **(
            {"envFrom": [{"secretRef": {"name": one}} for one in worker.env_from_secrets]}
            if worker.env_from_secrets
            else {}
        ),
        "ports": [{"name": "health", "containerPort": _HEALTH_PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": worker.cpu, "memory": worker.memory},
            "limits": {"memory": worker.memory, **({"cpu": worker.cpu_limit} if worker.cpu_limit else {})},
        },
        "startupProbe": {**probe, "failureThreshold": 20},
        "livenessProbe": {**probe, "failureThreshold": 4},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "home", "mountPath": _HOME}, {"name": "scratch", "mountPath": "/tmp"}],  # noqa: S108
    }


def _variables(pool: str, worker: ClusterWorker, api_url: str, credential: Credential | None) -> list[Record]:
    """Return the worker's environment. Variables with a ``valueFrom`` come last, because Kubernetes compares them in order."""
    name = object_name(pool)
    plain = {
        "HOME": _HOME,
        "PREFECT_HOME": f"{_HOME}/.prefect",
        "PREFECT_API_URL": api_url,
        "PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES": ",".join(worker.job_namespaces),
        **worker.env,
    }
    if credential is None:
        return [{"name": key, "value": value} for key, value in plain.items()]
    plain |= {f"{_SECRET_SETTINGS[credential]}_NAME": name, f"{_SECRET_SETTINGS[credential]}_KEY": credential}
    source = {"secretKeyRef": {"name": name, "key": credential}}
    return [
        *({"name": key, "value": value} for key, value in plain.items()),
        {"name": CREDENTIAL_VARIABLES[credential], "valueFrom": source},
    ]
