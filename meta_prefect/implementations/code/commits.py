"""The commit that a deploy deploys."""

from __future__ import annotations

from typing import Final

from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.deployment import Deployment

_DIRTY: Final = "+dirty"


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
