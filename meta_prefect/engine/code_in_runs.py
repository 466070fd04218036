"""Checks, as far as possible before writing, whether runs will find the code that their deployment refers to."""

from __future__ import annotations

import posixpath
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from typing import Final

from meta_prefect.errors import ConfigurationError
from meta_prefect.flows.needed_files import file_of, needed_files
from meta_prefect.git import environment, git
from meta_prefect.implementations.code.files import IGNORE_FILE, project_files
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.pull_steps import SETS_DIRECTORY, fetches_code, parts

_CLONES: Final = "prefect.deployments.steps.git_clone"
_COPY: Final = "uploaded code"
_NOT_THERE: Final = ("not our ref", "unadvertised object", "couldn't find remote ref")
"""Git's message for a commit that a repository does not have; any other failure may be a matter of access."""


def check_code_in_runs(
    deployment: Deployment, components: Iterable[Component], host_pool: str
) -> Iterator[ConfigurationError]:
    """Yield the reasons why runs would not find their flow's file, or a file it imports from the project.

    Args:
        deployment: The deployment.
        components: Its components, including copies of the project's folder.
        host_pool: The work pool of this host.
    """
    steps = [parts(step) for step in deployment.pull_steps if fetches_code(step)]
    functions = [function for function, _ in steps]
    yield from (_abbreviated(inputs) for function, inputs in steps if function == _CLONES and _is_abbreviated(inputs))
    if functions and set(functions) == {SETS_DIRECTORY}:
        directory = _entered(steps)
        if deployment.work_pool_name == host_pool and directory.startswith("/") and directory != deployment.flow.source:
            yield from _absent(deployment, directory)
    elif functions[:1] == [_CLONES] and set(functions[1:]) <= {SETS_DIRECTORY}:
        yield from _not_cloned(deployment, steps[0][1], _entered(steps[1:]))
    elif any(one.kind == _COPY for one in components):
        yield from _left_out(deployment)


def _is_abbreviated(clone: Record) -> bool:
    return re.fullmatch(r"[0-9a-f]{4,39}", str(clone.get("commit_sha", ""))) is not None


def _abbreviated(clone: Record) -> ConfigurationError:
    commit = clone["commit_sha"]
    message = f"runs would fetch the commit {commit!r}, and the beginning of a hash is none to a repository"
    return ConfigurationError(message, hint=f"Write the whole hash: `git rev-parse {commit}` in a clone tells it.")


def _entered(steps: Iterable[tuple[str, Record]]) -> str:
    """Return the folder that a series of steps ends in, each step's relative to that of the step before."""
    entered = ""
    for _, inputs in steps:
        directory = str(inputs.get("directory", ""))
        entered = directory if directory.startswith(("/", "{{")) else posixpath.join(entered, directory)
    return entered


def _needed(deployment: Deployment) -> tuple[str, frozenset[str]]:
    """Return the file of a deployment's flow, and all files its import needs, relative to the project's folder."""
    entrypoint = deployment.entrypoint or deployment.flow.entrypoint
    return _needed_by(Path(deployment.flow.source), entrypoint, deployment.context.deploy_id)


@lru_cache(maxsize=1024)
def _needed_by(root: Path, entrypoint: str, deploy_id: str) -> tuple[str, frozenset[str]]:
    del deploy_id  # part of the cache key: within one deploy, a file is read once
    file = file_of(root, entrypoint)
    if file is None:
        return "", frozenset()
    return file.relative_to(root).as_posix(), frozenset(
        one.relative_to(root).as_posix() for one in needed_files(root, file)
    )


def _left_out(deployment: Deployment) -> Iterator[ConfigurationError]:
    """Yield why a copy of the project lacks files that a flow needs."""
    _, needed = _needed(deployment)
    missing = sorted(needed - _copied(Path(deployment.flow.source), deployment.context.deploy_id))
    if missing:
        yield ConfigurationError(
            f"runs would miss {', '.join(missing)}: {IGNORE_FILE} leaves it out of the copy of the project",
            hint=f"Take it back in with a line `!{missing[0]}` in {IGNORE_FILE}.",
        )


@lru_cache(maxsize=64)
def _copied(root: Path, deploy_id: str) -> frozenset[str]:
    del deploy_id  # part of the cache key: within one deploy, a folder is listed once
    return frozenset(path.as_posix() for path in project_files(root))


def _absent(deployment: Deployment, directory: str) -> Iterator[ConfigurationError]:
    """Yield why runs that start in a folder of this host do not find their flow there."""
    path, _ = _needed(deployment)
    if path and not Path(directory, path).is_file():
        yield ConfigurationError(
            f"runs start in {directory}, where there is no {path}",
            hint="Let the last pull step enter the folder to which the entrypoint is relative.",
        )


def _not_cloned(deployment: Deployment, clone: Record, entered: str) -> Iterator[ConfigurationError]:
    """Yield why a clone of the deployed commit lacks files that a flow needs; other commits are not checked."""
    commit, root = deployment.context.commit, Path(deployment.flow.source)
    top = _top_of(root)
    if commit is None or clone.get("commit_sha") != commit or top is None:
        return
    folder = _folder_of_clone(clone, entered)
    if folder is None:
        return
    tracked = _tracked(top, commit, folder)
    path, needed = _needed(deployment)
    missing = sorted(one for one in needed if not _is_in(tracked, one))
    directories = [PurePosixPath(str(one).strip("/")) for one in clone.get("directories") or ()]
    left_out = sorted(
        one for one in needed if directories and not _is_checked_out(directories, PurePosixPath(folder, one))
    )
    where = f"commit {short_commit(commit)}"
    if path in missing:
        own = "" if root == top else root.relative_to(top).as_posix()
        at = f"{folder!r} of the repository" if folder else "the top folder of the repository"
        yield ConfigurationError(
            f"runs start in {at}, where {where} has no {path}",
            hint="Commit the file, and push it."
            if folder == own
            else f"The project's folder there is {own!r}: name that one, or leave `folder` out.",
        )
    elif missing:
        yield ConfigurationError(
            f"runs would miss {', '.join(missing)}, which {path} imports: {where} does not have it",
            hint="Commit it, and push it.",
        )
    elif left_out:
        yield ConfigurationError(
            f"runs would miss {', '.join(left_out)}: the clone has only `directories` of the repository",
            hint=f"Add the folder {PurePosixPath(folder, left_out[0]).parent.as_posix()!r} to `directories`.",
        )
    elif deployment.context.origin is None and _is_unknown(top, str(clone.get("repository", "")), commit):
        yield ConfigurationError(
            f"{clone['repository']} does not have {where}, which runs would clone", hint="Push it, and deploy again."
        )


def _folder_of_clone(clone: Record, entered: str) -> str | None:
    """Return the repository folder in which runs of a clone start; None if they may start elsewhere."""
    if not entered:
        return ""
    output, ends, folder = entered.partition("}}")
    if not ends or output.strip("{ ") not in ("directory", f"{clone.get('id')}.directory"):
        return None
    within = "" if not folder.strip("/.") else posixpath.normpath(folder.strip("/"))
    return None if within.startswith("..") else within


def _is_checked_out(directories: Iterable[PurePosixPath], file: PurePosixPath) -> bool:
    """Return whether a sparse checkout of folders contains a file: below one of them, or next to it or one of its parents."""
    return any(one in file.parents or file.parent in one.parents for one in directories)


@cache
def _top_of(folder: Path) -> Path | None:
    """Return the root of the repository that contains a folder."""
    top = git(folder, "rev-parse", "--show-toplevel")
    return Path(top).resolve() if top and folder.is_relative_to(Path(top).resolve()) else None


@lru_cache(maxsize=64)
def _tracked(top: Path, commit: str, folder: str) -> frozenset[str]:
    """Return the paths in a repository's folder at a commit, relative to it, including submodules and links."""
    listed = git(top, "-c", "core.quotepath=off", "ls-tree", "-r", "-z", "--name-only", f"{commit}:{folder}")
    return frozenset((listed or "").split("\0"))


def _is_in(tracked: frozenset[str], path: str) -> bool:
    return path in tracked or any(one.as_posix() in tracked for one in PurePosixPath(path).parents)


@cache
def _is_unknown(top: Path, repository: str, commit: str) -> bool:
    """Return whether a repository certainly lacks a commit. Queried only if no remote branch is known to contain it."""
    if git(top, "branch", "--remotes", "--contains", commit):
        return False
    with tempfile.TemporaryDirectory() as empty:
        git(Path(empty), "init", "--quiet")
        # Inside the clone itself, Git would look only at its own objects.
        command = ["git", "-C", empty, "fetch", "--quiet", "--depth=1", "--filter=tree:0", "--", repository, commit]
        try:
            asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=environment())
        except (OSError, subprocess.TimeoutExpired):
            return False
    return asked.returncode != 0 and any(sign in asked.stderr for sign in _NOT_THERE)
