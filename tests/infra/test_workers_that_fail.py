"""What each command says of a worker in a cluster that was brought down, on a real Prefect API and a double of the cluster's."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from infra.kube_double import KubeDouble, kube_double
from support import Api, wait_until
from texts import WORK_FLOW

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(600)]

PROJECT = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: kubernetes_run_deployer
          variables:
            name: nightly
            image: registry.example/shop:1.4.2
            namespace: shop
            work_pool: UNIQUE
            code: image
            worker: ensure
            worker_options: {api_url: "http://prefect.example:4200/api", wait_seconds: 3}
"""
ROLLED_OUT = {"observedGeneration": 9, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
Commands = Callable[[str], tuple[int, str]]


def pod(state: dict[str, Any], **status: Any) -> dict[str, Any]:
    """The worker's pod."""
    container = {"name": "worker", "restartCount": 0, "state": state}
    about = {"name": "p-1", "namespace": "shop"}
    return {"metadata": about, "status": {"phase": "Pending", "containerStatuses": [container], **status}}


def refused(message: str) -> dict[str, Any]:
    """The status of a Deployment whose pods the cluster does not take."""
    return {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": message}]}


@dataclass(frozen=True)
class Case:
    """What is broken, and what is then said.

    Attributes:
        why: The reason, in every command's words for it.
        rollout: The status of the worker's Deployment.
        pods: Its pods.
        logs: What they have written.
        forbids: What the cluster says to whoever wants to write.
        plan: What a plan exits with.
        status: What status exits with: 3 for what is as wanted, and cannot run.
    """

    why: str
    rollout: dict[str, Any]
    pods: tuple[dict[str, Any], ...] = ()
    logs: str = ""
    forbids: str | None = None
    plan: int = 2
    status: int = 3


RUNNING = pod({"running": {}}, phase="Running")
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: insufficient memory"}
QUOTA, POLICY = (
    'pods "p" is forbidden: exceeded quota: pods',
    'pods "p" is forbidden: violates PodSecurity "restricted"',
)
FORBIDDEN = 'deployments.apps is forbidden: User "ada" cannot patch resource "deployments"'

CASES = {
    "image broken": Case(
        "InvalidImageName", {}, (pod({"waiting": {"reason": "InvalidImageName", "message": "no image"}}),)
    ),
    "API unreachable": Case("httpx.ConnectError", ROLLED_OUT, (RUNNING,), "httpx.ConnectError: nobody there"),
    "quota": Case("exceeded quota", refused(QUOTA)),
    "PodSecurity": Case("violates PodSecurity", refused(POLICY)),
    "node full": Case("0/3 nodes are available", {}, (pod({}, conditions=[UNSCHEDULED]),)),
    "wrong rights": Case("cannot patch resource", {}, forbids=FORBIDDEN, plan=1, status=1),
}


@pytest.fixture
def kube(tmp_path: Path) -> Generator[tuple[KubeDouble, Path]]:
    """The double, and a kubeconfig that points at it."""
    with kube_double(tmp_path) as double:
        yield double


@pytest.fixture
def command(project: Any, kube: tuple[KubeDouble, Path], run_cli: Any) -> Commands:
    """Run a command for the project; returns its exit code and all that it has printed."""
    root = project(flow=WORK_FLOW, **{"meta_prefect.yaml": PROJECT})

    def run(name: str) -> tuple[int, str]:
        done: subprocess.CompletedProcess[str] = run_cli(name, str(root), env={"KUBECONFIG": str(kube[1])})
        assert "Traceback" not in done.stderr
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_worker_that_never_comes_up(
    server: Api, kube: tuple[KubeDouble, Path], command: Commands, unique: str, case: Case
) -> None:
    """The deploy fails and says why, and so does the same deploy again; plan and status say it too."""
    double, _ = kube
    double.rollout, double.pods, double.forbids = case.rollout, list(case.pods), case.forbids
    double.logs = {"p-1": case.logs} if case.logs else {}
    for _ in range(2):
        code, said = command("deploy")
        assert (code, case.why in said) == (1, True), said
    for name, code in (("plan", case.plan), ("status", case.status)):
        assert (found := command(name))[0] == code, found
        assert case.why in found[1], found


@dataclass(frozen=True)
class Loss:
    """What somebody does to a worker that runs, and what a plan then names.

    Attributes:
        does: What is done to the objects in the cluster, given the worker's name.
        names: What the plan names.
    """

    does: Callable[[KubeDouble, str], None]
    names: str


def scale_down(double: KubeDouble, worker: str) -> None:
    """Replicas 0."""
    double.objects[f"/apis/apps/v1/namespaces/shop/deployments/{worker}"]["spec"]["replicas"] = 0


def lose_the_secret(double: KubeDouble, worker: str) -> None:
    """The Secret is deleted."""
    del double.objects[f"/api/v1/namespaces/shop/secrets/{worker}"]


LOSSES = {"replicas 0": Loss(scale_down, "spec.replicas: 0 → 1"), "Secret gone": Loss(lose_the_secret, "Secret shop/")}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_a_worker_that_is_taken_away(
    server: Api, kube: tuple[KubeDouble, Path], command: Commands, unique: str, loss: Loss
) -> None:
    """Plan and status see it, and the next deploy brings it back."""
    double, _ = kube
    double.rollout, double.pods = ROLLED_OUT, [RUNNING]
    worker = f"prefect-worker-{unique}"
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.3):
            if server.get(f"/work_pools/{unique}") is not None:
                server.post(f"/work_pools/{unique}/workers/heartbeat", name=f"{worker}@shop")

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        assert command("deploy")[0] == 0
        assert command("status")[0] == 0
        loss.does(double, worker)
        assert command("status")[0] == 2
        code, said = command("plan")
        assert (code, loss.names in said) == (2, True), said
        assert command("deploy")[0] == 0
        wait_until(lambda: command("status")[0] == 0, what="it is in sync again")
    finally:
        over.set()
        thread.join()
