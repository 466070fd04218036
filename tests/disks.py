"""Disks of a test's own, which may be full or read-only."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


class Disk:
    """A file system of its own, in memory.

    Args:
        root: Where it is mounted.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def mount(self, options: str) -> None:
        """Mount it, or change how it is mounted."""
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.root)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")

    def fill(self) -> None:
        """Leave no room."""
        with (self.root / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)

    def make_room(self) -> None:
        """Give back what was filled."""
        (self.root / "filler").unlink()


@contextmanager
def mounted(root: Path, options: str) -> Generator[Disk]:
    """Mount a disk, for as long as the test needs it; skips the test where that is not possible."""
    root.mkdir()
    disk = Disk(root)
    disk.mount(options)
    try:
        yield disk
    finally:
        # Lazily: a process that ends late may still have its log there.
        subprocess.run(["umount", "--lazy", str(root)], check=True)
