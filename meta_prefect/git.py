"""Queries Git about a folder."""

from __future__ import annotations

import functools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Checkout:
    """The state of a folder's Git checkout.

    Attributes:
        branches: The checked-out branch; for a detached HEAD, the branches that contain the commit.
        changed: Files with uncommitted changes, including untracked ones.
    """

    branches: tuple[str, ...]
    changed: tuple[str, ...]


def git_commit(folder: Path) -> str | None:
    """Return a folder's commit, with ``+dirty`` if tracked files in it were changed; None outside a repository."""
    commit = git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return f"{commit}+dirty" if changed else commit


def checkout(folder: Path) -> Checkout | None:
    """Return the state of a folder's checkout; None outside a repository."""
    status = git(folder, "status", "--porcelain", "--no-renames", "--", ".")
    if status is None:
        return None
    branch = git(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    refs = (("lstrip=2", "refs/heads"), ("lstrip=3", "refs/remotes"))
    contained = [
        git(folder, "for-each-ref", "--contains", "HEAD", f"--format=%(refname:{form})", where) or ""
        for form, where in (() if branch else refs)
    ]
    branches = [branch] if branch else [one for text in contained for one in text.splitlines() if one != "HEAD"]
    # Git's output is stripped, including leading whitespace of the first line.
    changed = tuple(line.strip().partition(" ")[2].strip() for line in status.splitlines())
    return Checkout(tuple(dict.fromkeys(branches)), changed)


@functools.cache
def same_files(folder: Path, new: str, old: str) -> bool:
    """Return whether all files in a folder are the same at two commits. Cached for all deployments of a project.

    The older commit must be an ancestor of the newer one, or, in a shallow clone, be available from the remote: runs must be
    able to find it there.
    """
    if git(folder, "merge-base", "--is-ancestor", old, new) is None:
        # Except in a shallow clone, a commit outside the history is no longer on the branch; and fetching a single commit
        # would turn the clone into a shallow one.
        if git(folder, "rev-parse", "--is-shallow-repository") != "true":
            return False
        if git(folder, "fetch", "--quiet", "--depth=1", "origin", old) is None:
            return False
    return git(folder, "diff", "--quiet", old, new, "--", ".") is not None


def environment() -> dict[str, str]:
    """Return environment variables that keep Git from prompting."""
    return {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def git(folder: Path, *arguments: str) -> str | None:
    """Run Git; return its output, or None if it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env=environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
