"""Tasks on Dask: a local cluster for development, a cluster in Kubernetes for production."""

from __future__ import annotations

import pickle
import re
from typing import Any

import cloudpickle  # pyright: ignore[reportMissingTypeStubs]
import pytest
from prefect import Flow, flow
from prefect.task_runners import ThreadPoolTaskRunner
from prefect_dask.task_runners import DaskTaskRunner
from support import Api
from task_runner.flows import sum_of_squares
from values import a_deployment

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.infra import kubernetes
from meta_prefect.implementations.task_runner import dask, dask_k8s
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
    operator: Any = pytest.importorskip("dask_kubernetes.operator", reason="dask-kubernetes is not installed")

    @dask_k8s(num_workers=5, cpu=0.5, memory=2, namespace="shop", env={"STAGE": "blue"}, threads_per_worker=2)
    @flow
    def report() -> None: ...

    runner = started(report)
    assert isinstance(runner, DaskTaskRunner)
    assert runner.cluster_class == "dask_kubernetes.operator.KubeCluster"
    namespace = runner.cluster_kwargs.pop("namespace")
    spec = operator.make_cluster_spec(**runner.cluster_kwargs)
    assert namespace == "shop"
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
    assert runner.adapt_kwargs == {}


def test_a_growing_cluster_has_a_range(in_prod: None) -> None:
    """With a least and a most number of workers the cluster adapts to its work."""
    pytest.importorskip("dask_kubernetes.operator", reason="dask-kubernetes is not installed")
    runner: Any = dask_k8s(min_workers=1, max_workers=8).task_runner()
    assert runner.adapt_kwargs == {"minimum": 1, "maximum": 8}
    assert runner.cluster_kwargs["n_workers"] == 1


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


def test_the_deployment_is_left_alone() -> None:
    """The runner travels with the flow, and no deployment changes for it."""
    deployment = a_deployment()
    assert dask_k8s(num_workers=5).update_deployment(deployment.private_copy()) == deployment


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
        pytest.param({"workers": 2}, "dask_k8s takes no argument 'workers'", id="unknown"),
    ],
)
def test_what_makes_no_cluster_is_refused_where_it_is_written(arguments: dict[str, Any], told: str) -> None:
    """A wrong argument is refused when the decorator is evaluated."""
    with pytest.raises(ValueError, match=re.escape(told)):
        dask_k8s(**arguments)
