"""Gates: from where an environment may be deployed to, such as a branch without uncommitted changes."""

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
    """Yield why an environment may not be deployed to from a folder.

    Args:
        environment: The project's settings for it.
        checkout: The Git checkout of the folder; None outside a repository.
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
