"""A worker that a deploy keeps running in a cluster: against the API server that KUBECONFIG points at."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from cluster.kube import APPS, BATCH, CORE, RBAC, Kube, own_namespace
from prefect.settings import get_current_settings
from support import Api, wait_until
from texts import ADD_FLOW

from meta_prefect.deploy import deploy
from meta_prefect.errors import DeployFailed, ValidationFailed

pytestmark = pytest.mark.kubernetes

API_URL = "http://prefect.example:4200/api"

PROJECT = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: kubernetes_run_deployer
          variables:
            name: nightly
            image: registry.example/shop:1.4.2
            namespace: UNIQUE
            work_pool: UNIQUE
            cpu: 0.8
            memory: 1.5
            env_vars: {STAGE: blue}
            worker: ensure
            worker_options: {api_url: "http://prefect.example:4200/api", wait_seconds: 0}
"""


@pytest.fixture
def kube(unique: str) -> Generator[Kube]:
    """A namespace of the test's own."""
    with own_namespace(unique) as namespace:
        yield namespace


@pytest.fixture
def shop(project: Any) -> Path:
    """A project whose recipe ensures the worker."""
    return project(flow=ADD_FLOW, **{"meta_prefect.yaml": PROJECT})


@pytest.fixture
def worker(unique: str) -> str:
    """The name of the worker's objects."""
    return f"prefect-worker-{unique}"


def auth_string() -> str:
    """What opens the server of the tests."""
    auth = get_current_settings().api.auth_string
    assert auth is not None
    return auth.get_secret_value()


def actions(report: Any) -> list[str]:
    """What happened to the deployments."""
    return [outcome.action for outcome in report.outcomes]


def test_a_deploy_applies_the_worker_once(server: Api, kube: Kube, shop: Path, worker: str, unique: str) -> None:
    """Account, rights and Deployment are there after the first deploy; the next one has nothing to do."""
    report = deploy([str(shop)])
    assert actions(report) == ["created"]
    assert (f"kubernetes worker {unique}", "applied") in report.components

    assert kube.get(CORE, "serviceaccounts", worker) is not None
    assert kube.get(RBAC, "roles", worker) is not None
    (subject,) = kube.get(RBAC, "rolebindings", worker)["subjects"]
    assert (subject["name"], subject["namespace"]) == (worker, unique)
    pod = kube.get(APPS, "deployments", worker)["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == worker
    env = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
    assert env["PREFECT_API_URL"] == API_URL
    assert env["PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES"] == unique

    again = deploy([str(shop)], only_changed=True)
    assert (actions(again), again.components) == (["unchanged"], ())


def test_what_others_changed_is_taken_back_and_what_they_added_stays(
    server: Api, kube: Kube, shop: Path, worker: str
) -> None:
    """Fields that we set are ours: a scaled Deployment and a lost right are mended; a note of somebody else's remains."""
    deploy([str(shop)])
    kube.patch(APPS, "deployments", worker, {"spec": {"replicas": 0}, "metadata": {"annotations": {"note": "theirs"}}})
    kube.patch(RBAC, "roles", worker, {"rules": []})
    kube.delete(RBAC, "rolebindings", worker)

    plan = deploy([str(shop)], dry_run=True, only_changed=True)
    told = str(plan.plan)
    assert f"Deployment {kube.namespace}/{worker}.spec.replicas" in told
    assert f"RoleBinding {kube.namespace}/{worker}.roleRef" in told
    assert kube.get(APPS, "deployments", worker)["spec"]["replicas"] == 0, "a plan writes nothing"

    deploy([str(shop)], only_changed=True)
    deployment = kube.get(APPS, "deployments", worker)
    assert deployment["spec"]["replicas"] == 1
    assert deployment["metadata"]["annotations"]["note"] == "theirs"
    assert len(kube.get(RBAC, "roles", worker)["rules"]) == 3
    assert kube.get(RBAC, "rolebindings", worker) is not None
    assert deploy([str(shop)], only_changed=True).components == ()


def test_a_dry_run_shows_the_manifests_and_applies_nothing(server: Api, kube: Kube, shop: Path, worker: str) -> None:
    """The plan holds the very objects; the cluster has none of them."""
    plan = str(deploy([str(shop)], dry_run=True).plan)
    for kind in ("ServiceAccount", "Role", "RoleBinding", "Deployment"):
        assert f"{kind} {kube.namespace}/{worker}" in plan
    assert "pods/log" in plan
    assert kube.names(APPS, "deployments") == set()
    assert worker not in kube.names(CORE, "serviceaccounts")


def test_what_opens_the_api_is_in_a_secret_and_nowhere_else(
    server: Api, kube: Kube, shop: Path, worker: str, unique: str
) -> None:
    """The Secret holds it; Deployment, plan, report and deployment do not. Another one in it is taken back, and told."""
    auth, another = auth_string(), base64.b64encode(b"admin:another").decode()
    hidden = (auth, base64.b64encode(auth.encode()).decode(), another)
    report = deploy([str(shop)])
    assert deploy([str(shop)], only_changed=True).components == ()
    data = kube.get(CORE, "secrets", worker)["data"]
    assert base64.b64decode(data["api-auth-string"]).decode() == auth
    before = kube.get(APPS, "deployments", worker)
    told = f"{before}{report}{server.deployment(f'{unique}/nightly-dev')}"
    artifacts = server.post("/artifacts/filter", limit=200, sort="CREATED_DESC")
    assert not any(secret in text for secret in hidden for text in (told, str(artifacts)))

    kube.patch(CORE, "secrets", worker, {"data": {"api-auth-string": another}})
    plan = str(deploy([str(shop)], dry_run=True).plan)
    assert "(secret, changed)" in plan
    assert not any(secret in plan for secret in hidden)
    deploy([str(shop)])
    after = kube.get(APPS, "deployments", worker)
    key = "meta-prefect/credential-version"
    annotations = [one["spec"]["template"]["metadata"]["annotations"][key] for one in (before, after)]
    assert annotations[0] != annotations[1], "the worker is restarted"


def test_a_worker_that_somebody_else_runs_is_left_alone(
    server: Api, kube: Kube, shop: Path, worker: str, unique: str
) -> None:
    """A heartbeat of a worker of another name is enough: nothing is applied, and the report says whose worker it is."""
    deploy([str(shop)])
    kube.delete(APPS, "deployments", worker)
    server.post(f"/work_pools/{unique}/workers/heartbeat", name="helms-worker")
    report = deploy([str(shop)])
    assert "helms-worker" in " ".join(report.remarks)
    assert kube.names(APPS, "deployments") == set()


def test_an_object_of_somebody_else_stops_the_deploy_before_anything_is_written(
    server: Api, kube: Kube, shop: Path, worker: str, unique: str
) -> None:
    """An object of that name without our mark is not taken over."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": worker}}
    kube.create(CORE, "serviceaccounts", account)
    with pytest.raises(ValidationFailed, match="was not made by Meta-Prefect"):
        deploy([str(shop)])
    assert server.deployments_of(unique) == []
    assert kube.names(APPS, "deployments") == set()


def test_a_namespace_that_is_not_there_stops_the_deploy_before_anything_is_written(
    server: Api, kube: Kube, shop: Path, unique: str
) -> None:
    """A deploy creates no namespaces; it says which one is missing."""
    file = shop / "meta_prefect.yaml"
    file.write_text(file.read_text().replace(f"namespace: {unique}", f"namespace: {unique}-no"))
    with pytest.raises(ValidationFailed, match="Create the namespace first"):
        deploy([str(shop)])
    assert server.deployments_of(unique) == []


def test_a_worker_that_does_not_come_up_is_told_with_what_its_pods_wait_for(
    server: Api, kube: Kube, shop: Path, worker: str
) -> None:
    """Its image is nowhere: after the time that it was given the deploy fails, and names the pod."""
    file = shop / "meta_prefect.yaml"
    file.write_text(file.read_text().replace("wait_seconds: 0", "wait_seconds: 5, image: 127.0.0.1:1/nowhere:1"))
    with pytest.raises(DeployFailed) as failure:
        deploy([str(shop)])
    report = failure.value.report
    assert "sent no heartbeat within 5 seconds" in report.failed[0].detail
    assert f"pod {worker}-" in report.failed[0].detail


ALLOWED = [
    *((verb, "batch", "jobs") for verb in ("create", "delete", "get", "list", "watch")),
    *((verb, "", "pods") for verb in ("get", "list", "watch")),
    ("get", "", "pods/log"),
]
REFUSED = [
    *((verb, "", "secrets") for verb in ("get", "list", "create", "delete")),
    ("create", "", "pods"),
    ("delete", "", "pods"),
    ("create", "", "pods/exec"),
    ("patch", "batch", "jobs"),
    ("create", "rbac.authorization.k8s.io", "roles"),
    ("patch", "apps", "deployments"),
]


def test_the_worker_may_do_what_it_needs_and_no_more(server: Api, kube: Kube, shop: Path, worker: str) -> None:
    """By the judgement of the cluster itself; in other namespaces the worker may do nothing."""
    deploy([str(shop)])
    assert [one for one in ALLOWED if not kube.may(worker, *one)] == []
    assert [one for one in REFUSED if kube.may(worker, *one)] == []
    assert [one for one in ALLOWED if kube.may(worker, *one, namespace="default")] == []


def test_prefects_own_worker_works_with_that_account(
    server: Api, kube: Kube, shop: Path, worker: str, unique: str, tmp_path: Path
) -> None:
    """Started with the account's token and the Deployment's settings, it creates a run's job.

    Its observer tells of the job's pod and is refused nothing; the pod gets the secret by reference.
    """
    deploy([str(shop)])
    # Where there is a kubelet, the worker in the cluster would be a second one of that name.
    kube.patch(APPS, "deployments", worker, {"spec": {"replicas": 0}})
    (container,) = kube.get(APPS, "deployments", worker)["spec"]["template"]["spec"]["containers"]
    settings = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    environment = {
        **os.environ,
        **settings,
        "HOME": str(tmp_path),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": server.url,
        "PREFECT_API_AUTH_STRING": auth_string(),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
        "PREFECT_WORKER_WEBSERVER_PORT": "0",
        "KUBECONFIG": str(kube.kubeconfig_of(worker, tmp_path)),
    }
    arguments = [argument for argument in container["args"][1:] if argument != "--with-healthcheck"]
    log = tmp_path / "worker.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments], env=environment, stdout=out, stderr=out, cwd=tmp_path
        )
    try:
        deployment = server.deployment(f"{unique}/nightly-dev")
        run: Any = server.post(f"/deployments/{deployment['id']}/create_flow_run")
        (name,) = wait_until(lambda: kube.names(BATCH, "jobs"), what="the job is created")
        job = kube.get(BATCH, "jobs", name)
        (pod,) = job["spec"]["template"]["spec"]["containers"]
        assert pod["resources"]["requests"] == {"cpu": "800m", "memory": "1536Mi"}
        assert pod["image"] == "registry.example/shop:1.4.2"
        env = {one["name"]: one.get("value", one.get("valueFrom")) for one in pod["env"]}
        assert (env["META_PREFECT__ENV"], env["STAGE"]) == ("dev", "blue")
        assert env["PREFECT_API_AUTH_STRING"] == {"secretKeyRef": {"name": worker, "key": "api-auth-string"}}
        assert auth_string() not in str(job)

        wait_until(lambda: events_of_pods(server, run["id"]), what="the observer tells of the job's pod")
        # What it writes when it is ended while it watches pods is no complaint.
        told = log.read_text()
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert "orbidden" not in told, told
    assert "Traceback" not in told, told


def events_of_pods(server: Api, run: str) -> list[Any]:
    """What the worker's observer told Prefect of the pods of a run."""
    found = server.post("/events/filter", filter={"event": {"prefix": ["prefect.kubernetes.pod"]}}, limit=50)["events"]
    return [event for event in found if run in str(event)]
