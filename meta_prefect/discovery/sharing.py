"""One set of a project's modules for all runs of one deploy, so that no file is executed twice."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from meta_prefect.discovery.modules import ProjectModules
from meta_prefect.discovery.remembering import memory_of

_shared: ContextVar[dict[Path, ProjectModules] | None] = ContextVar("meta_prefect_modules", default=None)


@contextmanager
def sharing_modules() -> Generator[None]:
    """Let :func:`modules_of` give the same modules to everybody within."""
    if _shared.get() is not None:
        yield
        return
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def modules_of(root: Path) -> ProjectModules:
    """The modules of a project; fresh ones, without a memory of earlier deploys, where no deploy shares any."""
    shared = _shared.get()
    if shared is None:
        return ProjectModules(root)
    resolved = root.resolve()
    if resolved not in shared:
        shared[resolved] = ProjectModules(resolved, memory_of(resolved))
    return shared[resolved]
