"""The commit being deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from meta_prefect.errors import ConfigurationError
from meta_prefect.git import git
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.deployment import Deployment

_DIRTY: Final = "+dirty"
_WHOLE: Final = (40, 64)
"""Lengths of commit hashes: SHA-1 and SHA-256."""


def committed(deployment: Deployment) -> str:
    """Return the commit of a deployment's folder, which must have no changes relative to it.

    Raises:
        ConfigurationError: The folder has no commit, or has uncommitted changes.
    """
    commit = deployment.context.commit
    if commit is None:
        raise ConfigurationError(
            f"{deployment.flow.source} is no Git repository with a commit",
            hint="Commit the project, or say what is to run in another way: a branch, or a tag of the content.",
        )
    if commit.endswith(_DIRTY):
        raise ConfigurationError(
            f"{deployment.flow.source} differs from its commit {short_commit(commit.removesuffix(_DIRTY))}, which runs would use",
            hint="Commit and push the changes, or name the commit that is to run.",
        )
    return commit


def whole_commit(commit: str, folder: str) -> str:
    """Return the full hash of a commit: a run fetches it from the repository, which does not resolve abbreviations.

    Args:
        commit: A full or abbreviated hash.
        folder: A folder of a clone that may contain the commit.

    Raises:
        ConfigurationError: It is abbreviated, and the clone has no such commit, or it is ambiguous.
    """
    if len(commit) in _WHOLE:
        return commit
    found = git(Path(folder), "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    if found is None or not found.startswith(commit):
        raise ConfigurationError(
            f"{commit!r} is the beginning of a hash, which no run can fetch, and {folder} has no such commit",
            hint=f"Write the whole hash: `git rev-parse {commit}` tells it in a clone that has the commit.",
        ).is_about("commit", value=commit)
    return found
