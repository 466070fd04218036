"""The tags and marks that identify the project and environment a deployment belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_OWNER = "meta-prefect="
_ENVIRONMENT = "env="
_DEPLOYMENT = "deployment="

Names = tuple[str, ...]
"""The names of one project: the current one first, then former ones whose deployments still belong to it."""

DEPLOYERS: Final = "deployer"
"""The environment of a deployer's own deployments, which serve all environments of the project."""


def owner_tag(project: str) -> str:
    """Return the tag that marks a deployment as owned by a project."""
    return f"{_OWNER}{project}"


def owner_tags(names: Names) -> list[str]:
    """Return the tags that mark a deployment as owned by a project, for each of its names."""
    return [owner_tag(name) for name in names]


def with_present_name(tags: Iterable[str], names: Names) -> list[str]:
    """Replace a project's former name in the tags with the current one."""
    present, former = owner_tag(names[0]), owner_tags(names[1:])
    return list(dict.fromkeys(present if tag in former else tag for tag in tags))


def deployer_of(project: str) -> str:
    """Return the owner of a project's deployer deployments: not the project itself, which would prune them."""
    return f"{project}-deployer"


def deployers_of(names: Names) -> Names:
    """Return the owners of a project's deployer deployments, for each of its names."""
    return tuple(map(deployer_of, names))


def environment_tag(environment: str) -> str:
    """Return the tag that names a deployment's environment."""
    return f"{_ENVIRONMENT}{environment}"


def environment_of(tags: Iterable[str]) -> str | None:
    """Return the environment named by the tags; None if there is none."""
    return next((tag.removeprefix(_ENVIRONMENT) for tag in tags if tag.startswith(_ENVIRONMENT)), None)


def without_environment(tags: Iterable[str]) -> list[str]:
    """Return the tags without the environment tag."""
    return [tag for tag in tags if not tag.startswith(_ENVIRONMENT)]


def owner(tags: Iterable[str]) -> str | None:
    """Return the project named as owner by the tags; None if there is none."""
    return next((tag.removeprefix(_OWNER) for tag in tags if tag.startswith(_OWNER)), None)


def deployment_tag(full_name: str) -> str:
    """Return the tag that names the ``flow/deployment`` an object is for."""
    return f"{_DEPLOYMENT}{full_name}"


def deployment_of(tags: Iterable[str]) -> str | None:
    """Return the ``flow/deployment`` named by the tags; None if there is none."""
    return next((tag.removeprefix(_DEPLOYMENT) for tag in tags if tag.startswith(_DEPLOYMENT)), None)


def is_mark(tag: str) -> bool:
    """Return whether a tag names an owner or an environment."""
    return tag.startswith((_OWNER, _ENVIRONMENT))


def without_owner(tags: Iterable[str]) -> list[str]:
    """Return the tags without the owner tag."""
    return [tag for tag in tags if not tag.startswith(_OWNER)]
