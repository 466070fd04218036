"""The two tags that every deployment of ours carries, and by which it is found again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_OWNER = "meta-prefect="
_ENVIRONMENT = "env="

DEPLOYERS: Final = "deployer"
"""The environment of a deployer's own deployments: they serve all of the project's."""


def owner_tag(project: str) -> str:
    """The tag that marks a deployment as a project's own."""
    return f"{_OWNER}{project}"


def deployer_of(project: str) -> str:
    """The name under which a project's deployer owns its deployments: not the project's own, which would prune them."""
    return f"{project}-deployer"


def environment_tag(environment: str) -> str:
    """The tag that names a deployment's environment."""
    return f"{_ENVIRONMENT}{environment}"


def environment_of(tags: Iterable[str]) -> str | None:
    """The environment of a deployment with these tags; None where they name none."""
    return next((tag.removeprefix(_ENVIRONMENT) for tag in tags if tag.startswith(_ENVIRONMENT)), None)


def without_environment(tags: Iterable[str]) -> list[str]:
    """The tags that name no environment."""
    return [tag for tag in tags if not tag.startswith(_ENVIRONMENT)]


def owner(tags: Iterable[str]) -> str | None:
    """The project that owns a deployment with these tags; None where nobody does."""
    return next((tag.removeprefix(_OWNER) for tag in tags if tag.startswith(_OWNER)), None)
