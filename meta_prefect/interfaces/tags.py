"""The tags that every deployment of ours carries, and what stands beside one, and by which they are found again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_OWNER = "meta-prefect="
_ENVIRONMENT = "env="
_DEPLOYMENT = "deployment="

Names = tuple[str, ...]
"""The names of one project: the present one, then those that it had before and whose deployments are its own as well."""

DEPLOYERS: Final = "deployer"
"""The environment of a deployer's own deployments: they serve all of the project's."""


def owner_tag(project: str) -> str:
    """The tag that marks a deployment as a project's own."""
    return f"{_OWNER}{project}"


def owner_tags(names: Names) -> list[str]:
    """The tags of which one marks a deployment as a project's own."""
    return [owner_tag(name) for name in names]


def with_present_name(tags: Iterable[str], names: Names) -> list[str]:
    """The tags with the present name of a project in place of a former one."""
    present, former = owner_tag(names[0]), owner_tags(names[1:])
    return list(dict.fromkeys(present if tag in former else tag for tag in tags))


def deployer_of(project: str) -> str:
    """The name under which a project's deployer owns its deployments: not the project's own, which would prune them."""
    return f"{project}-deployer"


def deployers_of(names: Names) -> Names:
    """The names under which a project's deployer owns its deployments, or did."""
    return tuple(map(deployer_of, names))


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


def deployment_tag(full_name: str) -> str:
    """The tag that names the ``flow/deployment`` that something is there for."""
    return f"{_DEPLOYMENT}{full_name}"


def deployment_of(tags: Iterable[str]) -> str | None:
    """The ``flow/deployment`` that something with these tags is there for; None where they name none."""
    return next((tag.removeprefix(_DEPLOYMENT) for tag in tags if tag.startswith(_DEPLOYMENT)), None)


def is_mark(tag: str) -> bool:
    """Whether a tag says whose a deployment is, or for which environment."""
    return tag.startswith((_OWNER, _ENVIRONMENT))


def without_owner(tags: Iterable[str]) -> list[str]:
    """The tags that do not say whose a deployment is."""
    return [tag for tag in tags if not tag.startswith(_OWNER)]
