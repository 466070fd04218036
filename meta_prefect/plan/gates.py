"""From where an environment may be deployed: a branch, and without uncommitted changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from meta_prefect.errors import ConfigurationError
from meta_prefect.plan.outcomes import listed
from meta_prefect.project import Environment


@dataclass(frozen=True, slots=True)
class Checkout:
    """What Git knows of a folder.

    Attributes:
        branches: The branch that is checked out; of a commit alone, the branches that it is on.
        changed: The files that are not as they were committed, new ones among them.
    """

    branches: tuple[str, ...]
    changed: tuple[str, ...]


def closed_gates(environment: Environment, checkout: Checkout | None) -> Iterator[ConfigurationError]:
    """Say why an environment may not be deployed from a folder.

    Args:
        environment: What the project says of it.
        checkout: What Git knows of the folder; None where it is in no repository.
    """
    name, says = environment.name, environment.says
    if says.branches:
        only = f"{name} is deployed from {' or '.join(says.branches)} only"
        if checkout is None:
            yield environment.error(f"{only}, and this folder is in no Git repository", "branches")
        elif not any(fnmatchcase(one, pattern) for one in checkout.branches for pattern in says.branches):
            here = (
                f"this is branch {' and '.join(checkout.branches)}"
                if checkout.branches
                else "this commit is on no branch"
            )
            hint = f"git switch {says.branches[0]}" if "*" not in says.branches[0] else None
            yield environment.error(f"{only}, and {here}", "branches", hint=hint)
    if says.clean:
        only = f"{name} is deployed without uncommitted changes only"
        if checkout is None:
            yield environment.error(f"{only}, and this folder is in no Git repository", "clean")
        elif checkout.changed:
            yield environment.error(f"{only}: {listed(checkout.changed)}", "clean", hint="Commit or stash them.")
