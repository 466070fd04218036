"""Asking Git about a folder."""

from __future__ import annotations

import functools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Checkout:
    """What Git knows of a folder.

    Attributes:
        branches: The branch that is checked out; of a commit alone, the branches that it is on.
        changed: The files that are not as they were committed, new ones among them.
    """

    branches: tuple[str, ...]
    changed: tuple[str, ...]


def git_commit(folder: Path) -> str | None:
    """The commit that a folder is at, with ``+dirty`` where tracked files below it were changed; None outside a repository."""
    commit = git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return f"{commit}+dirty" if changed else commit


def checkout(folder: Path) -> Checkout | None:
    """What is checked out in a folder; None outside a repository."""
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
    # Git's answer is stripped, and so may the first line be.
    changed = tuple(line.strip().partition(" ")[2].strip() for line in status.splitlines())
    return Checkout(tuple(dict.fromkeys(branches)), changed)


@functools.cache
def same_files(folder: Path, new: str, old: str) -> bool:
    """Whether all files below a folder are the same at two commits; all deployments of a project ask the same.

    The older one has to be in the history of the newer one, or on the remote of a shallow clone: runs are to find it there.
    """
    if git(folder, "merge-base", "--is-ancestor", old, new) is None:
        # Elsewhere than in a shallow clone a commit that is not in the history is none that the branch still has; and fetching
        # one commit alone would make the clone a shallow one.
        if git(folder, "rev-parse", "--is-shallow-repository") != "true":
            return False
        if git(folder, "fetch", "--quiet", "--depth=1", "origin", old) is None:
            return False
    return git(folder, "diff", "--quiet", old, new, "--", ".") is not None


def environment() -> dict[str, str]:
    """The environment of a Git that nobody is there to answer."""
    return {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def git(folder: Path, *arguments: str) -> str | None:
    """What Git answers; None where it fails or is not there."""
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
