"""The image and the compose file: checked by the tools of their trade, built and run for real."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from containers.composed import DOCKER, SECRETS, composed_services
from containers.image import DOCKERFILE, IMAGE, Buildah, base_name, built_image, environment
from support import wait_until

PINNED = re.compile(r"[^:]+:\d+\.\d+\.?\d*[-\w.]*")


def program(name: str) -> str:
    """A program of this Python's environment, or of the machine."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_hadolint_has_nothing_to_say() -> None:
    """The Dockerfile is clean."""
    done = subprocess.run([program("hadolint"), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_accepts_the_file(tmp_path: Path) -> None:
    """Docker's own reader of compose files accepts it, once it is told where the flows are."""
    shutil.copytree(DOCKER, tmp_path / "docker")
    (tmp_path / "docker" / "secrets").mkdir()
    for name, text in SECRETS.items():
        (tmp_path / "docker" / "secrets" / name).write_text(text)
    command = [program("docker-compose"), "--file", str(tmp_path / "docker" / "compose.yaml"), "config", "--quiet"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "", "FLOWS": "/srv/shop"})
    assert (told.returncode, told.stderr) == (0, "")
    untold = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": ""})
    assert "set FLOWS to the folder of your project" in untold.stderr


def test_the_system_is_shut_to_others() -> None:
    """Ports are published on loopback only, databases have no way out, secrets come from files, images are pinned."""
    services: dict[str, Any] = composed_services()
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:4200:4200"]
    assert {name for name, one in services.items() if one["networks"] == ["data"]} == {"postgres", "redis", "migrate"}
    secret = re.compile("PASSWORD|AUTH_STRING|API_KEY")
    for service in services.values():
        for name in service.get("environment", {}):
            assert secret.search(name) is None or name.endswith("_FILE"), name
    foreign = [one["image"] for one in services.values() if "build" not in one]
    assert [image for image in (*foreign, base_name()) if PINNED.fullmatch(image) is None] == []


def test_secrets_reach_a_process_by_file_and_no_other_way(tmp_path: Path) -> None:
    """`with-secrets` sets what the files hold, takes their names away, and refuses a file that it cannot read."""
    (tmp_path / "secret").write_text("a b'$(c)\n")
    show = [
        "sh",
        "-c",
        'printf "%s|%s|%s" "$PREFECT_API_AUTH_STRING" "${PREFECT_API_AUTH_STRING_FILE-}" "$SSL_CERT_FILE"',
    ]

    def run(file: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "PREFECT_API_AUTH_STRING_FILE": file, "SSL_CERT_FILE": "/certificates"}
        command = [str(DOCKER / "with-secrets"), *show]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert run(str(tmp_path / "secret")).stdout == "a b'$(c)||/certificates"
    missing = run(str(tmp_path / "nothing"))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "PREFECT_API_AUTH_STRING_FILE names" in missing.stderr


@pytest.fixture(scope="module")
def buildah() -> Generator[Buildah]:
    """The image, built."""
    with built_image() as images:
        yield images


EVERY_ROLE = """
    id
    prefect flow-run execute --help
    prefect worker start --help
    meta-prefect recipes
    git --version
    python -c "import prefect_aws, prefect_dask, prefect_docker, prefect_kubernetes, prefect_redis"
"""


@pytest.mark.stores
@pytest.mark.timeout(600)
def test_the_image_is_built_and_serves_every_role(buildah: Buildah, capsys: pytest.CaptureFixture[str]) -> None:
    """Not root, no entrypoint, a health check, small; server, worker, deployer, Kubernetes' own command and Git are there.

    What the build took is printed.
    """
    config = buildah.inspect(IMAGE)
    assert (config["User"], config.get("Entrypoint") or [], config["WorkingDir"]) == ("1000:1000", [], "/srv/flows")
    assert config["Healthcheck"]["Test"] == ["CMD", "healthy"]
    with buildah.container(base_name()) as base, buildah.container(IMAGE) as container:
        added = buildah.mebibytes(container) - buildah.mebibytes(base)
        with capsys.disabled():
            sys.stdout.write(f"\nthe image: built in {buildah.seconds:.0f} s, {added:.0f} MiB beside its base\n")
        assert added < 650

        told = buildah("run", container, "--", "sh", "-ec", EVERY_ROLE)
        for part in ("uid=1000", "Execute a flow run", "--type", "local_run_deployer", "git version"):
            assert part in told
        assert_a_server_is_healthy(buildah, container)


def assert_a_server_is_healthy(buildah: Buildah, container: str) -> None:
    """Start a server in the container: the image's own health check turns from bad to good."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"HEALTH_URL=http://127.0.0.1:{port}/api/health"
    healthy = buildah.command("run", "--env", url, container, "--", "healthy")

    def is_healthy() -> bool:
        return subprocess.run(healthy, env=environment(), capture_output=True, check=False).returncode == 0

    assert not is_healthy()
    start = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        buildah.command("run", container, "--", *start),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(is_healthy, what="the server in the container is healthy", seconds=120)
    finally:
        server.terminate()
        server.wait(timeout=30)
