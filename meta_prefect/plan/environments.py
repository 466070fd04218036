"""Detects whether a new environment's name is likely a typo."""

from __future__ import annotations

from collections.abc import Collection
from difflib import SequenceMatcher
from typing import Final

from meta_prefect.errors import TargetError

_ALIKE: Final = 0.66


def near_miss(environment: str, known: Collection[str]) -> str | None:
    """Return the known environment that was probably meant; None if the name is distinct.

    A typo is an inserted, missing, wrong or transposed letter: ``dev-eu`` is not a typo of ``dev``.
    """
    likeness = {
        SequenceMatcher(None, environment.lower(), one.lower()).ratio(): one
        for one in sorted(known)
        if abs(len(one) - len(environment)) <= 1
    }
    return likeness[max(likeness)] if likeness and max(likeness) >= _ALIKE else None


def check_environment(project: str, environment: str, known: Collection[str]) -> str | None:
    """Check an environment in which the project has no deployment.

    Args:
        project: The project.
        environment: The environment.
        known: The project's known environments.

    Returns:
        A remark; None if nothing is known about the project, or the environment is known.

    Raises:
        TargetError: The name is likely a typo of another one.
    """
    if not known or environment in known:
        return None
    names = ", ".join(sorted(known))
    if meant := near_miss(environment, known):
        raise TargetError(
            f"no deployment of project {project} is in {environment!r} yet; known: {names}. Did you mean {meant!r}?",
            where="environment",
            hint="If it is a new one: --new-env.",
        )
    return f"{environment} is a new environment of project {project}; known: {names}"
