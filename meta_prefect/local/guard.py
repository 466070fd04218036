"""When not to start anything in the background unless asked to: in CI, flow runs, containers and pods.

Each function returns the reason not to start, as the end of a sentence ("… because <reason>"), or None if starting is fine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from meta_prefect.local.environment import in_flow_run

_MARKER_FILES = (".dockerenv", "run/.containerenv")
_CONTAINER_CGROUP = re.compile(r"/(?:docker|libpod|containerd|cri-containerd|kubepods|lxc)[/.-]")
_FALSE = frozenset({"", "0", "false", "no", "off"})


def why_no_server(local_flag: bool, environ: Mapping[str, str], *, root: Path = Path("/")) -> str | None:
    """Return why no Prefect server may be started here.

    Args:
        local_flag: Whether the user asked for a local server (``--local``), which always allows it.
        environ: The environment of this process.
        root: Root of the file system in which to look for container marker files.
    """
    if local_flag:
        return None
    if environ.get("CI", "").strip().lower() not in _FALSE:
        return "this is a CI job (CI is set)"
    if in_flow_run(environ):
        return "this is the process of a Prefect flow run"
    return why_container(environ, root=root)


def why_no_worker(start_worker: bool, environ: Mapping[str, str], *, root: Path = Path("/")) -> str | None:
    """Return why no worker process may be started here.

    Args:
        start_worker: The setting ``META_PREFECT__START_WORKER``. If that variable is set and true, a worker is started even
            in a container.
        environ: The environment of this process.
        root: Root of the file system in which to look for container marker files.
    """
    if not start_worker:
        return "META_PREFECT__START_WORKER is false"
    if any(name.upper() == "META_PREFECT__START_WORKER" and value for name, value in environ.items()):
        return None
    return why_container(environ, root=root)


def why_container(environ: Mapping[str, str], *, root: Path = Path("/")) -> str | None:
    """Return what marks this as a container or pod, where a background process would end with the main one."""
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return "this is a Kubernetes pod (KUBERNETES_SERVICE_HOST is set)"
    for marker in _MARKER_FILES:
        if (root / marker).exists() and not _root_is_a_disk(root):
            return f"this is a container (/{marker} exists)"
    if kind := environ.get("container"):  # set by systemd-nspawn, podman and lxc, in lowercase
        return f"this is a container (container={kind})"
    try:
        groups = (root / "proc/1/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return "this is a container (by the control group of process 1)" if _CONTAINER_CGROUP.search(groups) else None


def _root_is_a_disk(root: Path) -> bool:
    """Return whether the root file system is on a block device, as on a machine; a container's is an overlay.

    A virtual machine built from a container image still has that image's marker files.
    """
    try:
        mounts = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    for line in mounts.splitlines():
        place, _, source = line.partition(" - ")
        if place.split()[4:5] == ["/"]:
            return source.split()[1:2] != [] and source.split()[1].startswith("/dev/")
    return False
