"""The two tags that every deployment of ours carries, and by which it is found again."""

from __future__ import annotations

from collections.abc import Iterable

_OWNER = "meta-prefect="
_ENVIRONMENT = "env="


def owner_tag(project: str) -> str:
    """The tag that marks a deployment as a project's own."""
    return f"{_OWNER}{project}"


def environment_tag(environment: str) -> str:
    """The tag that names a deployment's environment."""
    return f"{_ENVIRONMENT}{environment}"


def without_environment(tags: Iterable[str]) -> list[str]:
    """The tags that name no environment."""
    return [tag for tag in tags if not tag.startswith(_ENVIRONMENT)]


def owner(tags: Iterable[str]) -> str | None:
    """The project that owns a deployment with these tags; None where nobody does."""
    return next((tag.removeprefix(_OWNER) for tag in tags if tag.startswith(_OWNER)), None)
