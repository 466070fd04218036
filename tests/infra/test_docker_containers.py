"""Docker containers: what Prefect's own worker class and docker-py would send to an engine, without one."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
from docker.models import containers  # pyright: ignore[reportMissingTypeStubs]
from infra.job_configurations import job_made_by, pool_of, prepared_from
from values import a_deployment

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.infra import docker
from meta_prefect.implementations.run_settings import job_variables
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.checks import check_job_variables
from meta_prefect.testing.jobs import template_of

FULL: dict[str, Any] = {
    "image": "registry.example/shop:1.4.2",
    "cpu": 0.8,
    "memory": 1.5,
    "env": {"STAGE": "blue"},
    "image_pull_policy": "Never",
    "networks": ("shop", "back"),
    "volumes": ("/srv/data:/data:ro", "cache:/cache:nocopy", "/srv/live:/live:ro,rslave"),
    "auto_remove": True,
    "labels": {"team": "shop"},
    "container": {"shm_size": "1g", "memswap_limit": "2g", "privileged": True, "extra_hosts": {"db": "10.0.0.1"}},
    "work_pool": "shop-pool",
}


@pytest.fixture
def worker() -> Any:
    """The module of Prefect's Docker worker."""
    return pytest.importorskip("prefect_docker.worker", reason="prefect-docker is not installed")


def asked_of_docker(worker: Any, builder: docker, environment: str = "dev") -> tuple[Any, Record]:
    """The worker's configuration for a run, and what docker-py would send to create its container."""
    deployment = a_deployment(environment=environment)
    configuration = prepared_from(worker.DockerWorkerJobConfiguration, builder, deployment)
    made = job_made_by(builder, deployment)
    return configuration, cast("Any", containers)._create_container_args({**made, "version": "1.44"})


def test_every_field_arrives(worker: Any) -> None:
    """Everything that the builder can say is in what docker-py would send for Prefect's worker."""
    assert set(FULL) | {"network_mode"} == set(docker.model_fields), "each field has its place in this test"
    configuration, sent = asked_of_docker(worker, docker(**FULL), "prod")
    assert (sent["image"], configuration.image_pull_policy) == ("registry.example/shop:1.4.2", "Never")
    expected = {"META_PREFECT__ENV": "prod", "META_PREFECT__IMAGE": "registry.example/shop:1.4.2", "STAGE": "blue"}
    assert sent["environment"] | expected == sent["environment"]
    assert sent["labels"]["team"] == "shop"
    assert configuration.networks == ["shop", "back"], "the worker joins the second one after the first"
    assert sent["networking_config"] == {"shop": None}
    host = sent["host_config"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (800_000_000, 1536 * 2**20, 2 * 2**30)
    assert (host["ShmSize"], host["Privileged"], host["AutoRemove"]) == (2**30, True, True)
    assert "db:10.0.0.1" in host["ExtraHosts"]
    assert host["Binds"] == ["/srv/data:/data:ro"]
    assert host["Mounts"] == [
        {
            "Source": "cache",
            "Target": "/cache",
            "ReadOnly": False,
            "Type": "volume",
            "VolumeOptions": {"NoCopy": True},
        },
        {
            "Source": "/srv/live",
            "Target": "/live",
            "ReadOnly": True,
            "Type": "bind",
            "BindOptions": {"CreateMountpoint": True, "Propagation": "rslave"},
        },
    ]


def test_the_network_mode_arrives(worker: Any) -> None:
    """The network mode takes the place of networks."""
    _, sent = asked_of_docker(worker, docker(network_mode="none"))
    assert sent["host_config"]["NetworkMode"] == "none"


def test_every_job_variable_fits_the_template(worker: Any) -> None:
    """What the builder sets is declared by the pool's template, with the right type."""
    deployment = docker(**FULL).update_deployment(a_deployment())
    assert list(check_job_variables(deployment, template_of(pool_of(docker())))) == []


def taken_by(worker: Any, volume: str) -> list[str]:
    """The volumes of a worker's configuration that is asked for one."""
    return worker.DockerWorkerJobConfiguration(volumes=[volume]).volumes


PLAIN = [
    "cache:/cache",
    "/srv:/data",
    "/srv:/data:rw",
    "cache:/c:ro",
    "./data:/data",
    "/data",
    r"C:\data:/data",
    "a:/b:ro",
]


@pytest.mark.parametrize("volume", PLAIN)
def test_volumes_are_those_that_the_worker_takes(worker: Any, volume: str) -> None:
    """What is passed on as it is gets through the worker's own check."""
    assert docker(volumes=(volume,)).job_variables({})["volumes"] == taken_by(worker, volume)


@pytest.mark.parametrize("option", ["z", "Z", "nocopy", "rslave", "cached", "ro,z", "nope"])
def test_other_options_do_not_get_through_the_worker(worker: Any, option: str) -> None:
    """Prefect's worker fails runs with them, so that none of them is passed on as a volume."""
    with pytest.raises(ValueError, match="Invalid volume option"):
        taken_by(worker, f"cache:/cache:{option}")


def test_outer_builders_override_and_add() -> None:
    """Of two builders the outer one wins; networks, volumes, labels and further arguments add up."""
    inner = docker(memory=1, volumes=("a:/a", "b:/b:nocopy"), labels={"a": "1"}, container={"shm_size": "1g"})
    outer = docker(memory=2, volumes=("a:/a", "c:/c", "d:/d:nocopy"), labels={"b": "2"}, cpu=1)
    variables = (inner | outer).update_deployment(a_deployment()).job_variables
    assert variables["mem_limit"] == str(2 * 2**30)
    assert variables["volumes"] == ["a:/a", "c:/c"]
    assert variables["labels"] == {"a": "1", "b": "2"}
    arguments = variables["container_create_kwargs"]
    assert [mount["Target"] for mount in arguments.pop("mounts")] == ["/b", "/d"]
    assert arguments == {"shm_size": "1g", "nano_cpus": 10**9}


def test_a_reference_is_left_to_the_run() -> None:
    """What a Prefect variable holds is known to the run alone."""
    reference = "{{ prefect.variables.volume }}"
    made = docker(volumes=(reference,), container={"shm_size": reference}).update_deployment(a_deployment())
    assert made.job_variables["volumes"] == [reference]


WHERE_IT_IS_WRITTEN = [
    pytest.param({"volumes": ("data",)}, "'data' is no volume", id="volume"),
    pytest.param({"volumes": ("$(pwd):/data",)}, "'$(pwd)' is neither the name of a volume", id="shell"),
    pytest.param({"volumes": ("/a:/a:z",)}, "does not pass on the option 'z': label the folder", id="label"),
    pytest.param({"volumes": ("a:/a:nocpy",)}, "no option 'nocpy'. Did you mean 'nocopy'?", id="option"),
    pytest.param({"volumes": ("a:/a:ro,rw",)}, "either 'ro' or 'rw'", id="two of a kind"),
    pytest.param({"volumes": ("/a:/a:nocopy",)}, "'nocopy' is for named volumes", id="nocopy of a folder"),
    pytest.param({"volumes": ("a:/a:rslave",)}, "'rslave' is for folders", id="propagation of a name"),
    pytest.param({"networks": ("a",), "network_mode": "host"}, "either `networks` or `network_mode`", id="network"),
    pytest.param({"memory": "1g"}, "unknown unit 'g'. Did you mean 'Gi'?", id="memory"),
    pytest.param({"memory": "5Mi"}, "less than 6Mi", id="too little memory"),
    pytest.param({"cpu": 0.005}, "less than 0.01", id="too little CPU"),
    pytest.param({"container": {"volumes": ["/a:/a"]}}, "write 'volumes' as `volumes` of the builder", id="volumes"),
    pytest.param({"container": {"environment": {}}}, "write 'environment' as `env` of the builder", id="environment"),
    pytest.param({"container": {"mem_limit": "1g"}}, "write 'mem_limit' as `memory`", id="mem_limit"),
    pytest.param({"container": {"name": "x"}}, "'name' is set by Prefect", id="name"),
]

WHERE_IT_IS_DEPLOYED = [
    pytest.param({"container": {"shm_sise": "1g"}}, "no argument 'shm_sise'. Did you mean 'shm_size'?", id="misspelt"),
    pytest.param({"container": {"shm_size": "1q"}}, "(1q) should specify the units", id="value"),
    pytest.param({"container": {"cpu_shares": "many"}}, "cpu_shares param: expected int", id="type"),
    pytest.param({"cpu": 1, "container": {"cpu_quota": 1000}}, "either `cpu` or 'cpu_quota'", id="CPU twice"),
    pytest.param({"container": {"memswap_limit": "1g"}}, "needs `memory`", id="swap alone"),
    pytest.param(
        {"auto_remove": True, "container": {"restart_policy": {"Name": "always"}}}, "either `auto_remove`", id="restart"
    ),
    pytest.param({"volumes": ("a:/a", "b:/a/")}, "two volumes at /a/: 'a:/a' and 'b:/a/'", id="one place"),
    pytest.param({"volumes": ("a:/a", "b:/a:nocopy")}, "two volumes at /a: 'a:/a' and 'mount of b'", id="mount"),
]


@pytest.mark.parametrize(("arguments", "told"), WHERE_IT_IS_WRITTEN)
def test_what_docker_would_not_take_is_refused_where_it_is_written(arguments: dict[str, Any], told: str) -> None:
    """A wrong argument is refused at once."""
    with pytest.raises(ValueError, match=re.escape(told)):
        docker(**arguments)


@pytest.mark.parametrize(("arguments", "told"), WHERE_IT_IS_DEPLOYED)
def test_what_only_docker_py_knows_is_refused_before_anything_is_written(arguments: dict[str, Any], told: str) -> None:
    """Further arguments are checked by docker-py itself, and all of it together, when it is deployed."""
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        docker(**arguments).update_deployment(a_deployment())


@pytest.mark.parametrize(
    ("values", "told"),
    [
        pytest.param({"container_create_kwargs": {"privileged": True}}, "a job variable of its own", id="dropped"),
        pytest.param({"network_mode": "host"}, "either `networks` or `network_mode`", id="network"),
        pytest.param({"volumes": ["data"]}, "'data' is no volume", id="volume"),
    ],
)
def test_what_other_builders_have_set_is_checked_too(values: dict[str, Any], told: str) -> None:
    """Job variables of inner builders reach the same container."""
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        (job_variables(values=values) | docker(networks=("a",))).update_deployment(a_deployment())
