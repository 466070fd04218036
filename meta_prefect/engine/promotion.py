"""Reads what an environment has to promote, on whatever server it is; only reads."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from meta_prefect.engine.source import given_source
from meta_prefect.errors import ProjectFileError, ValidationFailed
from meta_prefect.git import git
from meta_prefect.implementations.code.project_source import ProjectSource
from meta_prefect.local.environment_server import server_of
from meta_prefect.plan.promotion import Promotion, candidates
from meta_prefect.project import Project
from meta_prefect.server import PrefectServer
from meta_prefect.server.access import query_api
from meta_prefect.state.saved_plans import recorded_plans
from meta_prefect.state.sealing_key import learn_key


def read_promotion(project: Project, source: str) -> Promotion:
    """Read the state of an environment from its own server.

    Raises:
        TargetError: The project has no such environment.
        NoApiConfiguredError: No Prefect API is configured.
    """
    with server_of(project, source):
        return query_api(partial(_read, project, source), "nothing to promote")


async def read_promotion_beside(project: Project, source: str) -> Promotion:
    """Do the same within a run, which keeps using its own environment's server."""
    # In a thread, because the settings and client of the other server apply only there.
    return await asyncio.to_thread(read_promotion, project, source)


async def _read(project: Project, source: str, server: PrefectServer) -> Promotion:
    word = project.environments.word_for(source)
    live, plans, _ = await asyncio.gather(
        server.read_owned(project.names, word), recorded_plans(project.names, source, server), learn_key(server)
    )
    last = await server.read_last_entries(
        project.names, [one.full_name for one in live], live={one.full_name: one for one in live}
    )
    return Promotion(project=project.name, source=source, word=word, candidates=tuple(candidates(live, last, plans)))


async def repository_of(folder: Path, server: PrefectServer) -> ProjectSource:
    """Return the source of a project's commits: the deployer's repository, else the one that contains its folder.

    Raises:
        ValidationFailed: The folder is not in a repository.
    """
    given = await given_source(server)
    if given is not None and given.repository is not None:
        return given
    return _around(folder)


def _around(folder: Path) -> ProjectSource:
    top = git(folder, "rev-parse", "--show-toplevel")
    if top is None:
        error = ProjectFileError(
            "what is promoted is a commit, and this folder is in no Git repository",
            where=str(folder),
            hint="`git init`, commit, and deploy it once more to where it is promoted from.",
        )
        raise ValidationFailed([error])
    root = Path(top).resolve()
    inside = folder.resolve().relative_to(root).as_posix()
    return ProjectSource(repository=root.as_uri(), subfolder="" if inside == "." else inside)
