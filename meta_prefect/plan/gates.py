"""From where an environment may be deployed: a branch, and without uncommitted changes."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from meta_prefect.errors import ConfigurationError
from meta_prefect.plan.outcomes import listed
from meta_prefect.project import Environment

if TYPE_CHECKING:
    from meta_prefect.git import Checkout


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
