"""The worker for a cluster as values: valid for Kubernetes, with the least rights, without secrets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]
import pytest
import yaml
from fakes import FakeApi, FakeHost, an_online_worker
from prefect.settings import PREFECT_API_KEY, PREFECT_API_URL, temporary_settings
from texts import ADD_FLOW
from values import a_deployment, a_draft

from deployer_flows import kubernetes_run_deployer
from meta_prefect.cli.worker_manifests import WorkerOptions, manifests
from meta_prefect.errors import ConfigurationError, ConflictError
from meta_prefect.implementations.infra import ClusterWorker, Toleration, kubernetes
from meta_prefect.implementations.infra.kubernetes_worker import KubernetesWorker
from meta_prefect.implementations.infra.worker_manifests import (
    WORKER_RULES,
    object_name,
    secret_manifest,
    worker_manifests,
)
from meta_prefect.interfaces.components import Worker

URL = "https://prefect.example/api"
WORKER = ClusterWorker(namespace="workers", job_namespaces=("shop", "lab"))
MANIFESTS = [*worker_manifests("team", WORKER, URL, "api-key", "7"), secret_manifest("team", "shop", "api-key", "eA==")]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda one: f"{one['kind']} {one['metadata']['namespace']}")
def test_kubernetes_accepts_each_object(manifest: Any) -> None:
    """Kubernetes' own schema has nothing against them."""
    kubernetes_validate.validate(manifest, "1.31", strict=True)


def test_there_is_a_role_in_each_namespace_of_jobs_and_none_elsewhere() -> None:
    """Rights are given where jobs run, to the worker's account, and never in the whole cluster."""
    made = [(one["kind"], one["metadata"]["namespace"]) for one in MANIFESTS[:-1]]
    roles = [(kind, place) for place in ("shop", "lab") for kind in ("Role", "RoleBinding")]
    assert made == [("ServiceAccount", "workers"), *roles, ("Deployment", "workers")]
    bindings = [one for one in MANIFESTS if one["kind"] == "RoleBinding"]
    assert {one["subjects"][0]["namespace"] for one in bindings} == {"workers"}
    assert "*" not in str(WORKER_RULES)
    assert "secrets" not in str(WORKER_RULES)


def test_the_container_is_locked_down_and_knows_its_namespaces() -> None:
    """Not root, nothing writable but its own folders, a health check; the observer watches the jobs' namespaces only."""
    (deployment,) = [one for one in MANIFESTS if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"
    env = {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}
    assert env["PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES"] == "shop,lab"
    assert env["PREFECT_API_KEY"] == {"secretKeyRef": {"name": "prefect-worker-team", "key": "api-key"}}
    assert "--no-create-pool-if-not-found" in container["args"]
    assert deployment["spec"]["template"]["metadata"]["annotations"] == {"meta-prefect/credential-version": "7"}


def test_a_worker_is_told_where_to_be_and_what_to_know() -> None:
    """Each option has its place in account or pod, and Kubernetes takes them all together."""
    worker = ClusterWorker(
        namespace="workers",
        cpu_limit=1,
        account_annotations={"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/worker"},
        image_pull_secrets=("registry",),
        node_selector={"pool": "small"},
        tolerations=(Toleration(key="dedicated", operator="Exists"),),
        env={"HTTPS_PROXY": "http://proxy.example:3128"},
        env_from_secrets=("worker-env",),
    ).completed("shop")
    made = worker_manifests("team", worker, URL, "api-key")
    for manifest in made:
        kubernetes_validate.validate(manifest, "1.31", strict=True)
    account, deployment = made[0], made[-1]
    assert account["metadata"]["annotations"] == worker.account_annotations
    pod = deployment["spec"]["template"]["spec"]
    assert (pod["imagePullSecrets"], pod["nodeSelector"]) == ([{"name": "registry"}], {"pool": "small"})
    assert pod["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    (container,) = pod["containers"]
    assert container["resources"]["limits"] == {"memory": "512Mi", "cpu": "1"}
    assert {"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"} in container["env"]
    assert container["envFrom"] == [{"secretRef": {"name": "worker-env"}}]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param({"env": {"HTTPS_PROXY": "http://me:pw@proxy"}}, "name that in `env_from_secrets`", id="secret"),
        pytest.param({"env": {"PREFECT_API_URL": URL}}, "is set by the worker's other options", id="ours"),
        pytest.param({"cpu": 1, "cpu_limit": 0.5}, "cpu_limit 500m is below cpu 1", id="limit"),
    ],
)
def test_options_that_would_undo_others_are_refused(options: dict[str, Any], told: str) -> None:
    """Where they are written, before anything is planned."""
    with pytest.raises(ValueError, match=re.escape(told)):
        ClusterWorker.model_validate(options)


@pytest.mark.parametrize("pool", ["Team Pool", "a" * 80, "x_y.z"])
def test_any_pool_gives_names_that_kubernetes_takes(pool: str) -> None:
    """Names of pools are freer than names of objects."""
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", object_name(pool))


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Generator[Callable[..., str]]:
    """The command, in a process that knows where the API is and what opens it; returns what it prints."""

    def run(pool: str = "team", *, env: str | None = None, **options: Any) -> str:
        others = {
            key: options.pop(key) for key in ("auth", "deployer", "dask", "kustomize", "project") if key in options
        }
        manifests(pool, options=WorkerOptions(**options), env=env, **others)
        return capsys.readouterr().out

    with temporary_settings({PREFECT_API_URL: URL, PREFECT_API_KEY: "pnu_hidden"}):
        yield run


def test_the_command_prints_what_a_deploy_would_apply(printed: Callable[..., str]) -> None:
    """As YAML for whoever keeps the cluster, with the Secret that is needed named and not printed."""
    told = printed(namespace="shop", image="shop/worker:1", cpu="200m", memory="1Gi")
    worker = ClusterWorker(namespace="shop", image="shop/worker:1", cpu="200m", memory="1Gi").completed("shop")
    assert list(yaml.safe_load_all(told)) == worker_manifests("team", worker, URL, "api-key")
    assert "needs the Secret prefect-worker-team in shop, whose key api-key" in told
    assert "pnu_hidden" not in told


CLUSTER_PROJECT = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: kubernetes_run_deployer
          variables:
            name: nightly
            image: registry.example/shop:1.4.2
            namespace: shop
            work_pool: team
            worker: ensure
            worker_options: {api_url: "https://prefect.example/api", memory: 1Gi}
"""


def test_the_command_reads_how_a_project_wants_its_worker(
    project: Callable[..., Path], printed: Callable[..., str], unique: str
) -> None:
    """The very objects of a deploy, with the project's name on the Deployment; of another pool there are none."""
    root = project(flow=ADD_FLOW, **{"meta_prefect.yaml": CLUSTER_PROJECT})
    made = list(yaml.safe_load_all(printed(project=root)))
    worker = ClusterWorker(api_url=URL, memory="1Gi").completed("shop")
    deployment = made[-1]
    assert deployment["metadata"].pop("annotations")["meta-prefect/project"] == unique
    assert made == worker_manifests("team", worker, URL, "api-key")
    with pytest.raises(ConfigurationError, match="asks for a worker of other with `worker: ensure`"):
        printed("other", project=root)


def test_the_rights_of_deployers_and_of_dask_go_with_it(printed: Callable[..., str]) -> None:
    """A deployer in the cluster has what it gives to the worker, and may apply it; no right is to the whole cluster."""
    made = list(yaml.safe_load_all(printed(namespace="shop", deployer="deployer", dask="runner", auth="none")))
    for manifest in made:
        kubernetes_validate.validate(manifest, "1.31", strict=True)
    roles = {one["metadata"]["name"]: one["rules"] for one in made if one["kind"] == "Role"}
    assert roles.keys() == {"prefect-worker-team", "deployer", "runner"}
    assert all(rule in roles["deployer"] for rule in roles["prefect-worker-team"])
    may_apply = [rule for rule in roles["deployer"] if "patch" in rule["verbs"]]
    applied = {(group, kind) for rule in may_apply for group in rule["apiGroups"] for kind in rule["resources"]}
    assert applied == {
        ("", "serviceaccounts"),
        ("", "secrets"),
        ("apps", "deployments"),
        ("rbac.authorization.k8s.io", "roles"),
        ("rbac.authorization.k8s.io", "rolebindings"),
    }
    accounts = {one["metadata"]["name"] for one in made if one["kind"] == "ServiceAccount"}
    assert accounts == roles.keys()


def test_a_folder_for_kustomize_names_each_object(printed: Callable[..., str], tmp_path: Path) -> None:
    """It may be made anew; what somebody else has written there stays."""
    folder = tmp_path / "worker"
    printed(namespace="shop", kustomize=folder)
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    kinds = [yaml.safe_load((folder / name).read_text())["kind"] for name in listed]
    assert kinds == ["ServiceAccount", "Role", "RoleBinding", "Deployment"]
    printed(namespace="shop", kustomize=folder, memory="1Gi")
    (folder / "kustomization.yaml").write_text("resources: []\n")
    with pytest.raises(ConfigurationError, match="was not made by this command"):
        printed(namespace="shop", kustomize=folder)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param({"namespace": "Shop"}, "'Shop' is no name of a namespace", id="namespace"),
        pytest.param({"image": "a b"}, "'a b' is no reference to an image", id="image"),
        pytest.param({"api_url": "ftp://x"}, "should match pattern", id="address"),
        pytest.param({"api_url": "http://localhost:4200/api"}, "does not reach the Prefect API", id="loopback"),
        pytest.param({"job_namespace": ["a", "a"]}, "names one twice: a, a", id="twice"),
        pytest.param({"project": Path(), "memory": "1Gi"}, "give either --project", id="both"),
    ],
)
def test_the_command_refuses_what_a_deploy_would_refuse(
    printed: Callable[..., str], options: dict[str, Any], told: str
) -> None:
    """One line that says what is wrong."""
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        printed(**options)


def completed(worker: ClusterWorker, **job_variables: Any) -> KubernetesWorker:
    """The component as a deployment completes it."""
    deployment = a_deployment(work_pool_name="team", job_variables=job_variables)
    return KubernetesWorker(worker=worker).completed(deployment, FakeHost())


def test_the_recipe_looks_for_a_worker_unless_it_is_asked_to_ensure_one() -> None:
    """`worker: ensure` takes the jobs' namespace for the worker's own."""
    found = kubernetes_run_deployer.with_variables(name="nightly", namespace="shop")
    ensured = kubernetes_run_deployer.with_variables(
        name="nightly", namespace="shop", worker="ensure", worker_options={"api_url": URL}
    )
    assert [type(one) for one in found.requires][1:] == [Worker]
    draft = a_draft(kubernetes(namespace="shop", work_pool="team", worker=ClusterWorker(api_url=URL)))
    draft.apply(*draft.builders)
    draft.complete(FakeHost())
    assert draft.errors == []
    for one in (*ensured.requires, *draft.components):
        assert isinstance(one, KubernetesWorker) == (one.kind == "kubernetes worker")
    (made,) = [one for one in draft.components if isinstance(one, KubernetesWorker)]
    assert (made.name, made.worker.namespace, made.worker.job_namespaces) == ("team", "shop", ("shop",))


def test_jobs_outside_of_the_worker_s_namespaces_are_refused() -> None:
    """The worker could not create them: the deploy says so before anything is written."""
    with pytest.raises(ConfigurationError, match="in which the worker may run none: shop, lab"):
        completed(WORKER, namespace="elsewhere")


def test_a_worker_of_another_name_is_left_alone_and_no_cluster_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its heartbeat is enough; nobody needs a kubeconfig for that."""
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    api = FakeApi(team=[an_online_worker("helms-worker")])
    api.objects["/work_pools/team"] = {"name": "team"}
    component = completed(WORKER, namespace="shop")
    live = asyncio.run(component.read(api))
    assert tuple(component.compare(live)) == ()
    assert "served by helms-worker" in "".join(component.remarks(live))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("http://127.0.0.1:4200/api", "does not reach the Prefect API at http://127.0.0.1", id="loopback"),
        pytest.param(URL, "there is no kubeconfig here", id="no cluster"),
    ],
)
def test_what_no_cluster_could_use_is_refused_while_planning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, told: str
) -> None:
    """An address of this host, or no cluster at all."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with (
        temporary_settings({PREFECT_API_URL: url, PREFECT_API_KEY: "x"}),
        pytest.raises(ConfigurationError, match=told),
    ):
        asyncio.run(completed(WORKER, namespace="shop").read(FakeApi()))


def test_a_kubeconfig_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Broken YAML, or a context that is not in it, is no traceback."""
    file = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(file))
    for text in ("{", "[1]", "apiVersion: v1\nkind: Config\n"):
        file.write_text(text)
        with temporary_settings({PREFECT_API_URL: URL}), pytest.raises(ConfigurationError, match="kubeconfig"):
            asyncio.run(completed(WORKER, namespace="shop").read(FakeApi()))


def test_an_object_without_our_mark_is_a_conflict() -> None:
    """What somebody else made under that name is not taken over."""
    component = completed(WORKER, namespace="shop")
    theirs: Any = {"before": {"metadata": {"labels": {}}}, "after": {"metadata": {"labels": {}}}}
    with pytest.raises(ConflictError, match="Role shop/x is there, and was not made by Meta-Prefect"):
        tuple(component.compare({"others": [], "objects": {"Role shop/x": theirs}}))


def test_without_a_server_the_whole_worker_is_to_be_made() -> None:
    """A plan that asks nobody shows all objects."""
    changes = tuple(completed(WORKER, namespace="shop").compare(None))
    assert {change.path.partition(" ")[0] for change in changes} == {one["kind"] for one in MANIFESTS[:-1]}
    assert {change.path: change.after for change in changes}[
        "Deployment workers/prefect-worker-team.spec.replicas"
    ] == 1
