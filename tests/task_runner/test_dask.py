"""Tasks on Dask: a local cluster for development, a cluster in Kubernetes for production."""

from __future__ import annotations

import pickle
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import cloudpickle  # pyright: ignore[reportMissingTypeStubs]
import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]
import pytest
from infra.kube_double import KubeDouble, kube_double
from prefect import Flow, flow
from prefect.task_runners import ThreadPoolTaskRunner
from support import Api
from task_runner.flows import sum_of_squares
from values import a_deployment

from meta_prefect.errors import ConfigurationError, ProcessError
from meta_prefect.implementations.infra import kubernetes
from meta_prefect.implementations.task_runner import dask, dask_k8s
from meta_prefect.implementations.task_runner.dask_operator import dask_cluster
from meta_prefect.implementations.task_runner.dask_pods import PodCluster
from meta_prefect.interfaces.flow_builder_interface import builders_of


@pytest.fixture
def in_prod(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a run of the environment ``prod``, in a container of the image ``shop:1.4.2``, sees it."""
    monkeypatch.setenv("META_PREFECT__ENV", "prod")
    monkeypatch.setenv("META_PREFECT__IMAGE", "shop:1.4.2")
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "0f2d1c9e-7d3b-7b2c-8000-0123456789ab")


def started(decorated: Flow[..., Any]) -> Any:
    """The task runner that a run gets that starts now."""
    return decorated.task_runner.duplicate()


def test_a_mapped_flow_runs_on_a_local_cluster(server: Api) -> None:
    """Outside of production the decorated flow runs its tasks on Dask workers of its own host; nothing has to be set up."""
    total, thread = sum_of_squares(4)
    assert total == 14
    assert "Dask" in thread


def test_in_production_the_cluster_is_the_one_asked_for(in_prod: None) -> None:
    """The Dask operator gets a cluster with the workers, memory, image and environment of the decorator."""

    @dask_k8s(num_workers=5, cpu=0.5, memory=2, namespace="shop", env={"STAGE": "blue"}, threads_per_worker=2)
    @flow
    def report() -> None: ...

    runner: Any = report.task_runner
    options: Any = runner.maker.runner_options("prod")
    assert options["cluster_class"] == "dask_kubernetes.operator.KubeCluster"
    assert options["cluster_kwargs"]["namespace"] == "shop"
    spec = options["cluster_kwargs"]["custom_cluster_spec"]
    assert spec["metadata"]["name"] == "dask-0123456789ab"
    worker = spec["spec"]["worker"]
    (container,) = worker["spec"]["containers"]
    assert worker["replicas"] == 5
    assert container["image"] == "shop:1.4.2"
    amounts = {"cpu": "500m", "memory": "2Gi"}
    assert container["resources"] == {"requests": amounts, "limits": amounts}
    assert {"name": "META_PREFECT__ENV", "value": "prod"} in container["env"]
    assert {"name": "STAGE", "value": "blue"} in container["env"]
    assert container["args"][:2] == ["dask", "worker"]
    assert "--nthreads" in container["args"]
    (scheduler,) = spec["spec"]["scheduler"]["spec"]["containers"]
    assert scheduler["args"][:2] == ["dask", "scheduler"]
    assert "adapt_kwargs" not in options


def test_the_operator_reads_the_cluster_that_we_write(in_prod: None) -> None:
    """But for the commands it has the fields of the one that dask-kubernetes writes."""
    operator: Any = pytest.importorskip("dask_kubernetes.operator", reason="dask-kubernetes is not installed")
    theirs = operator.make_cluster_spec(name="x", image="shop:1", n_workers=2)
    ours = dask_cluster("x", "shop:1", 2, {}, {}, None)
    for place in ("worker", "scheduler"):
        assert ours["spec"][place].keys() == theirs["spec"][place].keys()
    assert ours["spec"]["scheduler"]["service"] == theirs["spec"]["scheduler"]["service"]


@pytest.mark.parametrize("place", ["worker", "scheduler"])
def test_each_command_is_one_that_dask_has(place: str) -> None:
    """With every option that it is given; what is in `dask-kubernetes` is gone from Dask."""
    from click.testing import CliRunner
    from distributed.cli import dask_scheduler, dask_worker

    (container,) = dask_cluster("x", "shop:1", 2, {}, {}, 4)["spec"][place]["spec"]["containers"]
    _, name, *arguments = container["args"]
    commands: Any = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}
    done = CliRunner().invoke(commands[name], [*arguments, "--help"])
    assert done.exit_code == 0, done.output


def test_a_growing_cluster_has_a_range(in_prod: None) -> None:
    """With a least and a most number of workers the cluster adapts to its work."""
    options = dask_k8s(min_workers=1, max_workers=8).runner_options("prod")
    assert options["adapt_kwargs"] == {"minimum": 1, "maximum": 8}
    assert options["cluster_kwargs"]["custom_cluster_spec"]["spec"]["worker"]["replicas"] == 1


def test_a_cluster_that_exists_is_connected_to(in_prod: None) -> None:
    """With an address nothing is started in production, and development stays local."""
    builder = dask_k8s(address="tcp://scheduler:8786")
    runner: Any = builder.task_runner()
    assert (runner.address, runner.cluster_class) == ("tcp://scheduler:8786", None)
    assert builder.runner_options("dev")["cluster_class"] == "distributed.LocalCluster"


def test_any_cluster_class_can_be_named(in_prod: None) -> None:
    """A class of one's own gets the workers and memory in Dask's words, and its own options."""
    builder = dask(
        num_workers=3, memory=1.5, cluster_class="distributed.LocalCluster", cluster_options={"processes": False}
    )
    runner: Any = builder.task_runner()
    assert runner.cluster_kwargs == {"n_workers": 3, "memory_limit": "1536MiB", "processes": False}


def test_a_class_that_is_not_installed_is_named(in_prod: None) -> None:
    """The error says what to install where the flow runs."""
    with pytest.raises(ConfigurationError, match=re.escape("there is no dask_cloud.Cluster here")) as refusal:
        dask(cluster_class="dask_cloud.Cluster").task_runner()
    assert refusal.value.hint == "Install what brings dask_cloud.Cluster in the image that runs the flow."


def test_the_flow_carries_the_builder_and_its_runner_and_stays_picklable() -> None:
    """Decorating makes a new flow; the original keeps its runner; options and pickles keep the new one."""

    @flow
    def report() -> None: ...

    decorated: Any = kubernetes(cpu=1)(dask(num_workers=2)(report))
    assert isinstance(report.task_runner, ThreadPoolTaskRunner)
    assert [type(builder) for builder in builders_of(decorated)] == [dask, kubernetes]
    pickled: bytes = cloudpickle.dumps(decorated)  # pyright: ignore[reportUnknownMemberType] - untyped
    for one in (decorated, decorated.with_options(retries=1), pickle.loads(pickled)):  # noqa: S301 - our own
        assert one.task_runner.maker == dask(num_workers=2)


@pytest.mark.parametrize(
    ("builder", "environment", "told"),
    [
        pytest.param(dask_k8s(num_workers=5), "dev", "within the run's own process or pod, as dev is in", id="local"),
        pytest.param(
            dask_k8s(num_workers=5), "prod", "the operator has to be in the Kubernetes cluster", id="operator"
        ),
        pytest.param(dask_k8s(made_of="pods"), "prod", None, id="pods"),
        pytest.param(dask_k8s(address="tcp://a:1"), "prod", None, id="address"),
        pytest.param(dask(num_workers=2), "dev", None, id="local everywhere"),
    ],
)
def test_a_plan_says_where_tasks_run(builder: dask, environment: str, told: str | None) -> None:
    """The runner travels with the flow; of the deployment nothing changes but what is said of it."""
    deployment = a_deployment(environment=environment)
    made = builder.update_deployment(deployment.private_copy())
    notes, made.notes = made.notes, []
    assert made == deployment
    assert len(notes) == (told is not None)
    assert told is None or told in notes[0]


@pytest.fixture
def kube(tmp_path: Path, in_prod: None, monkeypatch: pytest.MonkeyPatch) -> Generator[KubeDouble]:
    """The double of a cluster, in which a run is of the environment `prod`."""
    with kube_double(tmp_path) as (kube, config):
        monkeypatch.setenv("KUBECONFIG", str(config))
        yield kube


def test_a_missing_operator_is_said_at_once(kube: KubeDouble) -> None:
    """In one sentence, with the other way; it would be waited for otherwise."""
    with pytest.raises(ConfigurationError, match="the Dask operator is not in this Kubernetes cluster") as refused:
        dask_k8s(num_workers=2).task_runner()
    assert 'made_of="pods"' in str(refused.value.hint)


PODS = "/api/v1/namespaces/default/pods"
READY = {"status": {"phase": "Running", "podIP": "10.0.0.7", "containerStatuses": [{"ready": True}]}}


def a_pod_cluster() -> PodCluster:
    """As a run would make it."""
    builder = dask_k8s(made_of="pods", num_workers=2, cpu=0.5, threads_per_worker=2, service_account="runner")
    options = builder.runner_options("prod")
    assert options["cluster_class"] == "meta_prefect.implementations.task_runner.dask_pods.PodCluster"
    return PodCluster(**options["cluster_kwargs"], start_seconds=1)


def test_plain_pods_are_there_for_as_long_as_the_run(kube: KubeDouble) -> None:
    """A scheduler and workers that know its address, valid for Kubernetes; removed though the run fails."""
    kube.status = READY
    names = [f"dask-0123456789ab-{role}" for role in ("scheduler", "worker-0", "worker-1")]

    def run_that_fails() -> None:
        with a_pod_cluster() as address:
            assert address == "tcp://10.0.0.7:8786"
            made = [kube.objects[f"{PODS}/{name}"] for name in names]
            for pod in made:
                kubernetes_validate.validate(pod, "1.31", strict=True)
            worker = made[1]["spec"]
            assert worker["restartPolicy"] == "Never"
            assert worker["serviceAccountName"] == "runner"
            assert address in worker["containers"][0]["args"]
            assert worker["containers"][0]["image"] == "shop:1.4.2"
            raise RuntimeError("the flow failed")

    with pytest.raises(RuntimeError, match="the flow failed"):
        run_that_fails()

    assert kube.objects == {}
    assert kube.deleted == [f"{PODS}/{name}" for name in names]


def test_pods_that_do_not_start_are_told_with_their_reason_and_removed(kube: KubeDouble) -> None:
    """The cluster's own words, in one sentence."""
    waits = {"waiting": {"reason": "InvalidImageName", "message": "couldn't parse"}}
    kube.status = {"status": {"phase": "Pending", "containerStatuses": [{"ready": False, "state": waits}]}}

    with pytest.raises(ProcessError, match=r"scheduler of the Dask cluster does not start: .*InvalidImageName"):
        a_pod_cluster().__enter__()
    assert kube.objects == {}


def test_the_run_s_own_pod_owns_them(kube: KubeDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that Kubernetes removes them with it, where the run was killed and nobody else does."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("HOSTNAME", "run-abc")
    kube.objects[f"{PODS}/run-abc"] = {"kind": "Pod", "metadata": {"uid": "u-1"}}
    kube.status = READY
    with a_pod_cluster():
        scheduler = kube.objects[f"{PODS}/dask-0123456789ab-scheduler"]
    assert scheduler["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Pod", "name": "run-abc", "uid": "u-1"}
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param({"num_workers": 0}, "greater than or equal to 1", id="no workers"),
        pytest.param({"num_workers": 2, "max_workers": 3}, "give either `num_workers`", id="both"),
        pytest.param({"min_workers": 4, "max_workers": 3}, "min_workers 4 is above max_workers 3", id="range"),
        pytest.param({"min_workers": 4}, "`min_workers` needs `max_workers`", id="half a range"),
        pytest.param({"memory": "4GB"}, "unknown unit 'GB'", id="memory"),
        pytest.param({"address": "scheduler"}, "should match pattern", id="address"),
        pytest.param({"address": "tcp://a:1", "cluster_options": {"x": 1}}, "one or the other", id="address and class"),
        pytest.param({"made_of": "pods", "max_workers": 2}, "plain pods do not grow", id="growing pods"),
        pytest.param({"workers": 2}, "dask_k8s takes no argument 'workers'", id="unknown"),
    ],
)
def test_what_makes_no_cluster_is_refused_where_it_is_written(arguments: dict[str, Any], told: str) -> None:
    """A wrong argument is refused when the decorator is evaluated."""
    with pytest.raises(ValueError, match=re.escape(told)):
        dask_k8s(**arguments)
