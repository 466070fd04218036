"""The commit that a deploy deploys."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from meta_prefect.errors import ConfigurationError
from meta_prefect.git import git
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.deployment import Deployment

_DIRTY: Final = "+dirty"
_WHOLE: Final = (40, 64)
"""How long a hash is: SHA-1, or SHA-256."""


def committed(deployment: Deployment) -> str:
    """The commit of a deployment's folder, which differs from it in nothing.

    Raises:
        ConfigurationError: The folder is at no commit, or differs from it.
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
    """The whole hash of a commit: a run fetches it from the repository, which knows no abbreviations.

    Args:
        commit: A hash, or its first characters.
        folder: A folder of a clone that may have the commit.

    Raises:
        ConfigurationError: It is abbreviated, and the clone has no such commit, or several.
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
