"""The context of a deploy: what is fixed once, before anything is looked at."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from meta_prefect.interfaces.context import DeployContext
from meta_prefect.settings import read_settings


def new_context(
    source: Path,
    project: str,
    *,
    environment: str | None = None,
    deploy_id: str | None = None,
    next_versions: bool = True,
    adopt: bool = False,
) -> DeployContext:
    """Fix what all runs of one deploy agree on.

    Args:
        source: The project's folder.
        project: The project that owns the deployments.
        environment: The environment that was asked for; None takes META_PREFECT__ENV, else ``dev``.
        deploy_id: Names the deploy; None makes a new one.
        next_versions: Whether counted versions go up.
        adopt: Whether deployments that nobody owns may be taken over.

    Raises:
        SettingsError: A META_PREFECT__* variable holds something that cannot be used.
    """
    settings = read_settings()
    return DeployContext(
        project=project,
        source=str(source.resolve()),
        environment=environment or settings.env,
        now=datetime.now(UTC),
        deploy_id=deploy_id or str(uuid4()),
        commit=git_commit(source),
        tags=settings.tags,
        version=settings.version,
        next_versions=next_versions,
        start_worker=settings.start_worker,
        build_images=settings.build_images,
        adopt=adopt,
    )


def git_commit(folder: Path) -> str | None:
    """The commit that a folder is at, with ``+dirty`` where tracked files below it were changed; None outside a repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return f"{commit}+dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
