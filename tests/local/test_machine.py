"""Where a process id means something."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from meta_prefect.local.machine import Machine, machine_at, this_machine

SAY = "from meta_prefect.local.machine import this_machine; print(this_machine().model_dump_json())"


def write(root: Path, machine: str, boot: str, namespace: str) -> Path:
    """Write the files of a machine below a root."""
    for folder in ("etc", "proc/sys/kernel/random", "proc/self/ns"):
        (root / folder).mkdir(parents=True)
    (root / "etc/machine-id").write_text(f"{machine}\n")
    (root / "proc/sys/kernel/random/boot_id").write_text(f"{boot}\n")
    (root / "proc/self/ns/pid").symlink_to(namespace)
    return root


def test_another_process_of_this_machine_says_the_same() -> None:
    """Two processes that share their process ids are at the same place."""
    other = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True, timeout=60).stdout
    assert Machine.model_validate_json(other) == this_machine()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("b", "1", "pid:[1]"), id="another machine"),
        pytest.param(("a", "2", "pid:[1]"), id="after a reboot"),
        pytest.param(("a", "1", "pid:[2]"), id="in a container"),
    ],
)
def test_each_part_makes_another_place(tmp_path: Path, other: tuple[str, str, str]) -> None:
    """Machine, boot and namespace each tell places apart, and the machine's own id is not given away."""
    here = machine_at(write(tmp_path / "here", "a", "1", "pid:[1]"))
    assert here == machine_at(write(tmp_path / "again", "a", "1", "pid:[1]"))
    assert here != machine_at(write(tmp_path / "other", *other))
    assert (here.boot, here.pid_namespace) == ("1", "pid:[1]")
    assert len(here.machine) == 16


def test_a_system_without_these_files_is_told_by_its_name(tmp_path: Path) -> None:
    """Where none of the files exists there still is a stable value."""
    assert machine_at(tmp_path) == machine_at(tmp_path)
    assert machine_at(tmp_path).boot == ""


def test_another_pid_namespace_is_another_place() -> None:
    """A process in a PID namespace of its own is elsewhere, on the same machine and boot."""
    unshare = [shutil.which("unshare") or "unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    done = subprocess.run(
        [*unshare, sys.executable, "-c", SAY], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        pytest.skip(f"no PID namespace can be made here: {done.stderr.strip()}")
    there = Machine.model_validate_json(done.stdout)
    assert (there.machine, there.boot) == (this_machine().machine, this_machine().boot)
    assert there.pid_namespace != this_machine().pid_namespace
