"""The image of docker/Dockerfile, really built with Buildah, on a stand-in for its base where no registry is reached."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
DOCKERFILE = PROJECT / "docker" / "Dockerfile"
IMAGE = "localhost/meta-prefect:test"


@dataclass(frozen=True)
class Buildah:
    """Buildah with images of its own.

    Attributes:
        store: The folder that holds them.
        driver: How layers are kept.
        seconds: How long it took to build the image, its packages' downloads included.
    """

    store: Path
    driver: str
    seconds: float = 0

    def command(self, *arguments: str) -> list[str]:
        """A command line."""
        places = [
            "--root",
            str(self.store / "root"),
            "--runroot",
            str(self.store / "run"),
            "--storage-driver",
            self.driver,
        ]
        return ["buildah", *places, *arguments]

    def __call__(self, *arguments: str, seconds: float = 600) -> str:
        """Run a command; returns what it prints."""
        done = subprocess.run(
            self.command(*arguments), env=environment(), capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == 0, f"{arguments[0]}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout.strip()

    @contextmanager
    def container(self, image: str) -> Generator[str]:
        """A container of an image."""
        name = self("from", "--pull-never", image)
        try:
            yield name
        finally:
            self("rm", name)

    def inspect(self, image: str) -> Any:
        """What an image says of itself, in Docker's words."""
        return json.loads(self("inspect", "--type", "image", image))["Docker"]["config"]

    def mebibytes(self, container: str) -> float:
        """How much disk the files of a container take."""
        root = Path(self("mount", container))
        try:
            used = subprocess.run(["du", "-sm", str(root)], capture_output=True, text=True, check=True, timeout=60)
            return float(used.stdout.split()[0])
        finally:
            self("umount", container)


def environment() -> dict[str, str]:
    """Buildah without user namespaces of its own, so that it works inside of containers too."""
    return {**os.environ, "BUILDAH_ISOLATION": "chroot"}


def base_name() -> str:
    """The name of the image that the Dockerfile is built on."""
    lines = DOCKERFILE.read_text().splitlines()
    return next(line for line in lines if line.startswith("ARG PYTHON_IMAGE=")).partition("=")[2]


def need(programs: Sequence[str]) -> None:
    """Skip a test for which a program is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def make_stand_in(buildah: Buildah, folder: Path) -> None:
    """Make an image of the base's name: Debian with its own Python, which is the base less what Docker adds to it."""
    root = folder / "base"
    packages = "python3,python3-venv,ca-certificates"
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(root)],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=280,
    )
    container = buildah("from", "scratch")
    # How this machine reaches the package index goes for the build too.
    if certificates := os.environ.get("PIP_CERT"):
        (root / certificates.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(certificates, root / certificates.lstrip("/"))
        buildah("config", "--env", f"PIP_CERT={certificates}", "--env", f"SSL_CERT_FILE={certificates}", container)
    buildah("add", container, str(root), "/")
    buildah("commit", container, base_name())
    buildah("rm", container)
    shutil.rmtree(root)


@contextmanager
def built_image() -> Generator[Buildah]:
    """Build the image; nothing stays of it.

    Its folder is none of pytest's: a process that is killed leaves layers mounted there, and a later session would fail as it
    cannot clear them away.
    """
    need(["buildah", "debootstrap"])
    if os.geteuid() != 0:
        pytest.skip("building an image needs root")
    folder = Path(tempfile.mkdtemp(prefix="meta-prefect-image-"))
    # Where folders cannot be laid over each other they are copied, which works everywhere and takes its time.
    overlay = Buildah(folder / "images", "overlay")
    probe = subprocess.run(overlay.command("info"), env=environment(), capture_output=True, timeout=60, check=False)
    buildah = overlay if probe.returncode == 0 else Buildah(folder / "copied-images", "vfs")
    try:
        make_stand_in(buildah, folder)
        options = ["--pull-never", "--format", "docker", "--tag", IMAGE, "--file", str(DOCKERFILE)]
        begun = time.monotonic()
        buildah("build", *options, str(PROJECT))
        yield replace(buildah, seconds=time.monotonic() - begun)
    finally:
        buildah("umount", "--all")
        shutil.rmtree(folder)
