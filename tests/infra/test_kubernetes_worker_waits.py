"""A worker in a cluster that does not come up never looks fine: what a deploy waits for, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeApi, FakeHost, an_online_worker
from infra.kube_double import KubeDouble, kube_double
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, temporary_settings
from values import a_context, a_deployment

from meta_prefect.errors import ConflictError, ProcessError
from meta_prefect.implementations.infra.kubernetes_worker import KubernetesWorker
from meta_prefect.implementations.infra.worker_manifests import ClusterWorker
from meta_prefect.implementations.infra.worker_pods import is_hopeless, is_pulling_in_vain, is_rolled_out, reasons
from meta_prefect.report.plan_text import field_line

NAME = "prefect-worker-team"
OURS = f"{NAME}@shop"
ROLLED_OUT = {"observedGeneration": 9, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
LATER, JUST_BEFORE = timedelta(minutes=5), timedelta(seconds=-1)


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[KubeDouble]:
    """The double of a cluster, which the kubeconfig in force points at."""
    with (
        kube_double(tmp_path) as (kube, config),
        temporary_settings(restore_defaults={PREFECT_API_AUTH_STRING, PREFECT_API_KEY}),
    ):
        monkeypatch.setenv("KUBECONFIG", str(config))
        yield kube


def a_worker(wait_seconds: int = 1, project: str = "shop", **options: Any) -> KubernetesWorker:
    """A worker of the pool `team` in the namespace `shop`, as a project wants it."""
    said: dict[str, Any] = {"api_url": "http://prefect.example:4200/api", "wait_seconds": wait_seconds, **options}
    worker = ClusterWorker.model_validate(said)
    context = a_context(project=project)
    deployment = a_deployment(context=context, work_pool_name="team", job_variables={"namespace": "shop"})
    return KubernetesWorker(worker=worker).completed(deployment, FakeHost())


def an_api(*workers: dict[str, Any]) -> FakeApi:
    """A Prefect API that has heard of workers."""
    api = FakeApi(team=list(workers))
    api.objects["/work_pools/team"] = {"name": "team"}
    return api


def pod(state: dict[str, Any], *, restarts: int = 0, **status: Any) -> dict[str, Any]:
    """A pod of the worker, in some state."""
    container = {"name": "worker", "restartCount": restarts, "state": state}
    metadata = {"name": "p-1", "namespace": "shop"}
    return {"metadata": metadata, "status": {"phase": "Pending", "containerStatuses": [container], **status}}


def waiting(reason: str, message: str = "", *, restarts: int = 0) -> dict[str, Any]:
    """A pod whose container waits."""
    return pod({"waiting": {"reason": reason, "message": message}}, restarts=restarts)


RUNNING = pod({"running": {}}, phase="Running")


def applied(api: FakeApi, worker: KubernetesWorker) -> KubernetesWorker:
    """The worker, once its objects are in the cluster."""

    async def apply() -> None:
        await worker.write(api, await worker.read(api))

    asyncio.run(apply())
    return worker


def changes(api: FakeApi, worker: KubernetesWorker) -> list[tuple[str, Any, Any]]:
    """What a deploy would do with it."""
    found = worker.compare(asyncio.run(worker.read(api)))
    return [(one.path, one.before, one.after) for one in found]


def test_a_deploy_waits_until_its_own_pods_run_and_are_heard_of(kube: KubeDouble) -> None:
    """The Deployment is rolled out, and a heartbeat has come since it was applied."""
    kube.rollout, kube.pods = ROLLED_OUT, [RUNNING]
    api = an_api(an_online_worker(OURS, heard_in=LATER))

    asyncio.run(applied(api, a_worker()).wait_until_ready(api))

    assert changes(api, a_worker()) == []


@pytest.mark.parametrize(
    ("rollout", "heard_in"),
    [
        pytest.param({**ROLLED_OUT, "updatedReplicas": 0}, LATER, id="the former pod still runs"),
        pytest.param({**ROLLED_OUT, "observedGeneration": 0}, LATER, id="the change is not seen yet"),
        pytest.param(ROLLED_OUT, JUST_BEFORE, id="only the former pod was heard of"),
    ],
)
def test_the_former_worker_is_not_taken_for_the_new_one(
    kube: KubeDouble, rollout: dict[str, Any], heard_in: timedelta
) -> None:
    """A worker of the same name is online, but it is the one before: the deploy fails."""
    kube.rollout, kube.pods = rollout, [RUNNING]
    api = an_api(an_online_worker(OURS, heard_in=heard_in))

    with pytest.raises(ProcessError, match="sent no heartbeat within 1 seconds"):
        asyncio.run(applied(api, a_worker()).wait_until_ready(api))


def test_a_pod_that_will_never_start_ends_the_deploy_at_once(kube: KubeDouble) -> None:
    """However long it may wait; the command to look further can be copied."""
    kube.pods = [waiting("InvalidImageName", "couldn't parse image name")]
    api = an_api()

    with pytest.raises(ProcessError) as failed:
        asyncio.run(applied(api, a_worker(wait_seconds=600)).wait_until_ready(api))

    assert failed.value.message == "the worker does not start: pod p-1: InvalidImageName couldn't parse image name"
    assert failed.value.hint == f"kubectl --namespace shop describe deployment {NAME}"


@pytest.mark.parametrize(
    ("message", "longest"),
    [
        pytest.param('pods "p" is forbidden: violates PodSecurity "restricted:latest"', 600, id="a policy, at once"),
        pytest.param('pods "p" is forbidden: exceeded quota: pods', 0, id="a quota, which may be free again"),
    ],
)
def test_pods_that_the_cluster_refuses_end_the_deploy(
    kube: KubeDouble, monkeypatch: pytest.MonkeyPatch, message: str, longest: int
) -> None:
    """There is no pod to ask: the reason is the Deployment's, told once."""
    monkeypatch.setattr("meta_prefect.implementations.infra.kubernetes_worker.LONGEST_STANDSTILL", longest)
    kube.rollout = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": message}]}
    api = an_api()

    with pytest.raises(ProcessError) as failed:
        asyncio.run(applied(api, a_worker(wait_seconds=600)).wait_until_ready(api))

    assert failed.value.message == f"the worker does not start: {message}"


def test_a_worker_that_does_not_reach_the_api_is_told_by_its_log(kube: KubeDouble) -> None:
    """Kubernetes calls it ready; only its log knows, and secrets in that are hidden."""
    kube.rollout, kube.pods = ROLLED_OUT, [RUNNING]
    kube.logs = {"p-1": "starting\nhttpx.ConnectError: http://me:hunter2@prefect.example/api\n\n"}
    api = an_api()

    with pytest.raises(ProcessError, match=r"pod p-1: Running, its log ends: httpx\.ConnectError") as failed:
        asyncio.run(applied(api, a_worker()).wait_until_ready(api))

    assert "hunter2" not in str(failed.value)


def test_the_same_deploy_again_is_no_success(kube: KubeDouble) -> None:
    """All objects are as wanted and no worker is heard of: that is a change, so that the deploy waits, and fails, again."""
    kube.pods = [waiting("ImagePullBackOff")]
    api = an_api()
    applied(api, a_worker())

    assert changes(api, a_worker()) == [("status", "offline", "online")]
    assert changes(an_api(an_online_worker(OURS)), a_worker()) == []


def test_a_plan_names_the_one_place_that_changes(kube: KubeDouble) -> None:
    """Not the lists of containers and variables in which it is; of a secret it says no more than that it changes."""
    api = an_api(an_online_worker(OURS))
    with temporary_settings({PREFECT_API_KEY: "pnu_one"}):
        applied(api, a_worker())
    moved = a_worker(api_url="http://new/api")
    with temporary_settings({PREFECT_API_KEY: "pnu_other"}):
        found = {path.removeprefix("Deployment shop/"): (before, after) for path, before, after in changes(api, moved)}

    place = f"{NAME}.spec.template"
    key = f"Secret shop/{NAME}.holds"
    assert found == {
        f"{place}.metadata.annotations.meta-prefect/credential-version": ("1", "new"),
        f"{place}.spec.containers[worker].env[PREFECT_API_URL]": ("http://prefect.example:4200/api", "http://new/api"),
        key: ("(secret)", "(secret, changed)"),
    }
    assert str(field_line(key, "(secret)", "(secret, changed)")).endswith('"(secret)" → "(secret, changed)"')


def test_a_second_project_that_wants_the_worker_otherwise_is_refused(kube: KubeDouble) -> None:
    """Each deploy would undo the other's; the refusal names both projects, what differs, and the ways out."""
    api = an_api(an_online_worker(OURS))
    applied(api, a_worker())

    with pytest.raises(ConflictError) as refused:
        changes(api, a_worker(project="lab", memory="1Gi"))

    place = f"Deployment shop/{NAME}.spec.template.spec.containers[worker].resources.limits.memory"
    assert f"the project 'shop' keeps this worker, and 'lab' wants it otherwise: {place}" in str(refused.value)
    assert "`worker: find`" in str(refused.value.hint)
    assert f"annotate deployment {NAME} meta-prefect/project-" in str(refused.value.hint)
    assert changes(api, a_worker(memory="1Gi")) != [], "whoever keeps it may change it"


def test_a_second_project_that_wants_the_same_shares_and_mends_it(kube: KubeDouble) -> None:
    """It is told whose worker it is; what others have changed by hand it takes back, and the owner stays the owner."""
    api = an_api(an_online_worker(OURS))
    applied(api, a_worker())
    second = a_worker(project="lab")
    assert changes(api, second) == []
    assert list(second.remarks(asyncio.run(second.read(api)))) == [
        "the worker of work pool team is kept by the project 'shop' too"
    ]

    place = f"/apis/apps/v1/namespaces/shop/deployments/{NAME}"
    kube.objects[place]["spec"]["replicas"] = 0
    assert changes(api, second) == [(f"Deployment shop/{NAME}.spec.replicas", 0, 1)]
    applied(api, second)
    assert kube.objects[place]["metadata"]["annotations"]["meta-prefect/project"] == "shop"


def test_what_was_applied_by_hand_is_taken_for_our_own(kube: KubeDouble) -> None:
    """With the Secret, whose version nobody knew who printed the manifests: the next deploy has nothing to do."""
    api = an_api(an_online_worker(OURS))
    worker = a_worker()
    with temporary_settings({PREFECT_API_KEY: "pnu_one"}):
        applied(api, worker)
        path = f"/api/v1/namespaces/shop/secrets/{NAME}"
        secret = kube.objects[path]
        kube.objects.clear()
        kube.objects[path] = secret
        for manifest in KubernetesWorker(name="team", worker=worker.worker).manifests("api-key"):
            group = "api/v1" if manifest["apiVersion"] == "v1" else f"apis/{manifest['apiVersion']}"
            kube.apply(f"/{group}/namespaces/shop/{manifest['kind'].lower()}s/{NAME}", manifest, dry_run=False)

        assert changes(api, worker) == []
        assert changes(api, a_worker(project="lab")) == [], "nobody's as yet"


def test_one_that_nobody_waits_for_is_offline(kube: KubeDouble) -> None:
    """With `wait_seconds: 0` nothing is to be done, and plan and status say that no run would start."""
    api = an_api()
    worker = applied(api, a_worker(wait_seconds=0))
    live = asyncio.run(worker.read(api))

    assert list(worker.compare(live)) == []
    assert worker.cannot_run(live) == "no worker of work pool team is online: there is no pod of it"


QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: pods"}
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}


@pytest.mark.parametrize(
    ("deployment", "pods", "warnings", "told"),
    [
        pytest.param(None, [], {}, "its Deployment is gone", id="deleted"),
        pytest.param({"spec": {"replicas": 0}}, [], {}, "its Deployment is scaled to 0", id="scaled down"),
        pytest.param({"spec": {}, "status": {"conditions": [QUOTA]}}, [], {}, "exceeded quota: pods", id="quota"),
        pytest.param({"spec": {}}, [], {}, "there is no pod of it", id="nothing yet"),
        pytest.param({"spec": {}}, [waiting("ErrImagePull", "refused")], {}, "pod p-1: ErrImagePull refused", id="image"),
        pytest.param({"spec": {}}, [waiting("ContainerCreating")], {"p-1": "no network"}, "pod p-1: no network", id="network"),
        pytest.param(
            {"spec": {}}, [pod({}, conditions=[UNSCHEDULED])], {}, "pod p-1: 0/3 nodes are available", id="no node"
        ),
        pytest.param({"spec": {}}, [RUNNING], {}, "pod p-1: Running", id="running"),
    ],
)  # fmt: skip
def test_reasons_not_states(deployment: Any, pods: list[Any], warnings: dict[str, str], told: str) -> None:
    """What the cluster knows of why there is no worker."""
    assert reasons(deployment, pods, warnings, {}) == told


@pytest.mark.parametrize(
    ("state", "hopeless", "in_vain"),
    [
        pytest.param(waiting("ErrImageNeverPull"), True, False, id="no image here, and none is pulled"),
        pytest.param(waiting("CrashLoopBackOff", restarts=3), True, False, id="crashed often"),
        pytest.param(waiting("CrashLoopBackOff", restarts=1), False, False, id="crashed once"),
        pytest.param(waiting("ImagePullBackOff"), False, True, id="image cannot be had now"),
        pytest.param(RUNNING, False, False, id="runs"),
    ],
)
def test_what_is_worth_waiting_for(state: Any, hopeless: bool, in_vain: bool) -> None:
    """A registry may be back in a moment; a name that is none stays one."""
    assert (is_hopeless(state), is_pulling_in_vain(state)) == (hopeless, in_vain)


def test_a_deployment_without_replicas_is_never_rolled_out() -> None:
    """Nobody runs there, however content Kubernetes is."""
    none = {"observedGeneration": 1, "replicas": 0, "updatedReplicas": 0, "availableReplicas": 0}
    assert not is_rolled_out({"metadata": {"generation": 1}, "spec": {"replicas": 0}, "status": none})
