"""Creates the context of a deploy, which is fixed before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

from meta_prefect.engine.observed import is_automatic
from meta_prefect.engine.source import origin_of
from meta_prefect.errors import TargetError
from meta_prefect.git import git_commit
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.tags import Names
from meta_prefect.server import server_time
from meta_prefect.settings import read_settings
from meta_prefect.texts import check_plain


def new_context(
    source: Path,
    names: Names,
    *,
    called: Mapping[str, str] = MappingProxyType({}),
    environment: str | None = None,
    deploy_id: str | None = None,
    next_versions: bool = True,
    adopt: bool = False,
    bump: bool = False,
) -> DeployContext:
    """Fix what all runs of a deploy must agree on.

    Args:
        source: The project's folder.
        names: The names of the owning project.
        called: The words for environments in names and tags of deployments, where they differ.
        environment: The requested environment; None for META_PREFECT__ENV, or ``dev``.
        deploy_id: The id of the deploy; None for a new one.
        next_versions: Whether counted versions are incremented.
        adopt: Whether unmanaged deployments may be taken over.
        bump: Whether counted versions are incremented even if that costs scheduled runs.

    Raises:
        SettingsError: A META_PREFECT__* variable is invalid.
        TargetError: The environment's name is invalid.
    """
    settings = read_settings()
    try:
        environment = check_plain(environment or settings.env)
    except ValueError as error:
        raise TargetError(str(error), where="environment") from None
    return DeployContext(
        project=names[0],
        renamed_from=names[1:],
        source=str(source.resolve()),
        environment=environment,
        called=dict(called),
        now=clock(),
        deploy_id=deploy_id or str(uuid4()),
        commit=git_commit(source),
        origin=origin_of(source),
        tags=settings.tags,
        version=settings.version,
        next_versions=next_versions,
        start_worker=settings.start_worker,
        build_images=settings.build_images,
        adopt=adopt,
        automatic=is_automatic(),
        bump=bump,
    )


def clock() -> datetime:
    """Return the time of a deploy, by the server's clock: the only place where a deploy reads the time."""
    return server_time()
