"""Where nothing is started in the background."""

from __future__ import annotations

from pathlib import Path

import pytest

from meta_prefect.local.guard import why_no_server, why_no_worker

NOTHING: dict[str, str] = {}


def machine(root: Path, files: dict[str, str]) -> Path:
    """Lay down the files by which a machine is known."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


CONTAINERS = [
    pytest.param({}, {".dockerenv": ""}, "/.dockerenv", id="docker"),
    pytest.param({}, {"run/.containerenv": ""}, "/run/.containerenv", id="podman"),
    pytest.param({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {}, "KUBERNETES_SERVICE_HOST", id="pod"),
    pytest.param({"container": "lxc"}, {}, "container=lxc", id="lxc"),
    pytest.param({}, {"proc/1/cgroup": "12:pids:/docker/4f0a\n"}, "control group", id="cgroup of docker"),
    pytest.param({}, {"proc/1/cgroup": "0::/kubepods.slice/x.slice\n"}, "control group", id="cgroup of a pod"),
    pytest.param({}, {"proc/1/cgroup": "0::/system.slice/docker-4f.scope\n"}, "control group", id="cgroup of a scope"),
]


@pytest.mark.parametrize(("environ", "files", "reason"), CONTAINERS)
def test_nothing_is_started_in_a_container(
    tmp_path: Path, environ: dict[str, str], files: dict[str, str], reason: str
) -> None:
    """In a container or pod neither a server nor a worker is started, and the reason names the mark."""
    root = machine(tmp_path, files)
    assert reason in (why_no_server(False, environ, root=root) or "")
    assert reason in (why_no_worker(True, environ, root=root) or "")


@pytest.mark.parametrize(("environ", "files", "reason"), CONTAINERS)
def test_what_was_asked_for_is_started_in_a_container_too(
    tmp_path: Path, environ: dict[str, str], files: dict[str, str], reason: str
) -> None:
    """--local starts a server, and META_PREFECT__START_WORKER=true a worker, wherever it is."""
    root = machine(tmp_path, files)
    assert why_no_server(True, environ, root=root) is None
    assert why_no_worker(True, environ | {"META_PREFECT__START_WORKER": "true"}, root=root) is None


OVERLAY = "500 400 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/l\n"
DISK = "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"


@pytest.mark.parametrize(
    ("mounts", "is_container"), [pytest.param(OVERLAY, True, id="layers"), pytest.param(DISK, False, id="disk")]
)
def test_a_machine_made_from_a_containers_image_is_none(tmp_path: Path, mounts: str, is_container: bool) -> None:
    """The marker file alone makes no container of a machine whose root is a disk of its own."""
    root = machine(tmp_path, {".dockerenv": "", "proc/self/mountinfo": mounts})
    assert (why_no_server(False, NOTHING, root=root) is not None) == is_container


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        pytest.param({}, None, id="a user's machine"),
        pytest.param({"CI": "true"}, "CI", id="CI"),
        pytest.param({"CI": "1"}, "CI", id="CI is 1"),
        pytest.param({"CI": "woodpecker"}, "CI", id="CI has a name"),
        pytest.param({"CI": ""}, None, id="CI is empty"),
        pytest.param({"CI": "False"}, None, id="CI is false"),
        pytest.param({"CI": "0"}, None, id="CI is 0"),
        pytest.param({"PREFECT__FLOW_RUN_ID": "0190"}, "flow run", id="flow run"),
    ],
)
def test_no_server_in_ci_and_in_flow_runs(tmp_path: Path, environ: dict[str, str], reason: str | None) -> None:
    """No server is started in a CI job or from inside a flow run, unless --local asks for it."""
    refusal = why_no_server(False, environ, root=machine(tmp_path, {"proc/1/cgroup": "0::/init.scope\n"}))
    assert refusal is None if reason is None else reason in (refusal or "")
    assert why_no_server(True, environ, root=tmp_path) is None


def test_no_worker_where_the_setting_says_so(tmp_path: Path) -> None:
    """META_PREFECT__START_WORKER=false keeps any machine from starting a worker; a user's machine starts one otherwise."""
    assert "META_PREFECT__START_WORKER" in (why_no_worker(False, NOTHING, root=tmp_path) or "")
    assert why_no_worker(True, NOTHING, root=tmp_path) is None
    assert why_no_worker(True, {"CI": "true"}, root=tmp_path) is None
