"""A real engine that speaks Docker's API (Podman's), and a real registry, both on loopback with folders of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from support import wait_until


@dataclass(frozen=True)
class Engine:
    """A running engine with a registry.

    Attributes:
        socket: What ``DOCKER_HOST`` is to be.
        registry: The registry, as it stands before the names of images.
    """

    socket: str
    registry: str

    def tags(self, image: str) -> list[str]:
        """The tags of an image in the registry."""
        answer = httpx.get(f"http://{self.registry}/v2/{image}/tags/list").json()
        return answer.get("tags") or []

    def digest(self, image: str, tag: str) -> str | None:
        """The digest of an image in the registry."""
        kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        answer = httpx.head(f"http://{self.registry}/v2/{image}/manifests/{tag}", headers={"Accept": kinds})
        return answer.headers.get("Docker-Content-Digest") if answer.is_success else None


@contextmanager
def running_engine() -> Generator[Engine]:
    """Start both; skips where they are missing."""
    for program in ("podman", "docker-registry"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("an engine of one's own needs root")
    # A short path: the address of a socket has at most 108 bytes.
    with tempfile.TemporaryDirectory(prefix="mp-engine-") as name, ExitStack() as stopping:
        folder = Path(name)
        registry = _registry(folder, stopping)
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "vfs"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/graph"\n'
        )
        (folder / "registries.conf").write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
        environment = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
            "BUILDAH_ISOLATION": "chroot",
        }
        address = f"unix://{folder}/engine.sock"
        command = ["podman", "--cgroup-manager=cgroupfs", "system", "service", "--time", "0", address]
        _start(command, environment, folder / "engine.log", stopping)
        wait_until(lambda: (folder / "engine.sock").exists(), what="the engine listens", seconds=30)
        yield Engine(address, registry)


def _registry(folder: Path, stopping: ExitStack) -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    (folder / "registry.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\nhttp: {{addr: '{address}'}}\n"
    )
    _start(
        ["docker-registry", "serve", str(folder / "registry.yml")], dict(os.environ), folder / "registry.log", stopping
    )

    def answers() -> bool:
        try:
            return httpx.get(f"http://{address}/v2/").is_success
        except httpx.TransportError:
            return False

    wait_until(answers, what="the registry answers", seconds=30)
    return address


def _start(command: list[str], environment: dict[str, str], log: Path, stopping: ExitStack) -> None:
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)

    def stop() -> None:
        process.terminate()
        process.wait(timeout=30)

    stopping.callback(stop)
