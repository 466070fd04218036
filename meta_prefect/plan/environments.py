"""An environment that nothing is deployed to yet: meant as it is, or a slip of the keyboard."""

from __future__ import annotations

from collections.abc import Collection
from difflib import SequenceMatcher
from typing import Final

from meta_prefect.errors import TargetError

_ALIKE: Final = 0.66


def near_miss(environment: str, known: Collection[str]) -> str | None:
    """The known environment that was probably meant; None where the name is one of its own.

    A slip is a letter more, less, other or elsewhere: ``dev-eu`` beside ``dev`` is none.
    """
    likeness = {
        SequenceMatcher(None, environment.lower(), one.lower()).ratio(): one
        for one in sorted(known)
        if abs(len(one) - len(environment)) <= 1
    }
    return likeness[max(likeness)] if likeness and max(likeness) >= _ALIKE else None


def check_environment(project: str, environment: str, known: Collection[str]) -> str | None:
    """Question an environment in which the project has no deployment.

    Args:
        project: The project.
        environment: The environment.
        known: The environments that the project is known in.

    Returns:
        What to remark; None where nothing is known of the project, or the environment is.

    Raises:
        TargetError: It is nearly the name of another one.
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
