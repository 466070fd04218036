"""A commit that changes no file of the project is no change of a deployment, wherever the commit is written."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from server_answer import stored
from values import a_context, a_deployment

from meta_prefect.git import same_files
from meta_prefect.implementations.code import git_code
from meta_prefect.implementations.metadata import versioneer
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.plan.changes import Unchanged, Update
from meta_prefect.plan.diff import diff_deployment

OLD, NEW, FIXED = "a1" * 20, "b2" * 20, "c3" * 20
URL = "https://git.example/shop.git"


def pinned(commit: str, *, pin: Any = "changed", named: str | None = None) -> Deployment:
    """A deployment of a commit, which stands in its pull steps, its version and a tag."""
    made = git_code(repository=URL, pin=pin, commit=named).update_deployment(
        a_deployment(context=a_context(commit=commit))
    )
    made.tags = [*made.tags, f"commit={commit}", "zone=a"]
    return versioneer(strategy="git").update_deployment(made)


@pytest.mark.parametrize(
    ("wanted", "live", "fields"),
    [
        pytest.param(pinned(NEW), pinned(OLD), [], id="the same files"),
        pytest.param(pinned(NEW), pinned(NEW), [], id="the same commit"),
        pytest.param(pinned(NEW), pinned(FIXED), ["pull_steps", "tags", "version"], id="other files"),
        pytest.param(pinned(NEW, pin="always"), pinned(OLD), ["pull_steps", "tags", "version"], id="pinned always"),
        pytest.param(
            pinned(NEW, named=FIXED), pinned(OLD, named=OLD), ["pull_steps", "tags", "version"], id="a named commit"
        ),
        pytest.param(pinned(f"{NEW}+dirty", named=NEW), pinned(OLD), ["pull_steps", "tags", "version"], id="dirty"),
    ],
)
def test_a_commit_counts_where_files_differ(wanted: Deployment, live: Deployment, fields: list[str]) -> None:
    """Pull steps, versions and tags stay at the live commit where the project's files are the same."""
    change = diff_deployment(wanted, stored(live), same_code=lambda commit: commit == OLD)
    changed = change.fields if isinstance(change, Update) else ()
    assert sorted({field.path.partition(".")[0] for field in changed}) == fields


def test_the_reason_names_the_commit_that_is_live() -> None:
    """Whoever pushed reads since when the code is the same."""
    change = diff_deployment(pinned(NEW), stored(pinned(OLD)), same_code=lambda _: True)
    assert isinstance(change, Unchanged)
    assert change.reason == "code unchanged since a1a1a1a"


def test_a_version_that_the_deploy_was_given_is_meant() -> None:
    """A version that the whole deploy sets, such as the commit in CI, is written whatever it looks like."""
    context = a_context(commit=NEW, version=NEW)
    change = diff_deployment(
        a_deployment(context=context, version=NEW), stored(a_deployment(version=OLD)), same_code=lambda _: True
    )
    assert isinstance(change, Update)
    assert [field.path for field in change.fields] == ["version"]


def test_which_commits_have_the_same_files(tmp_path: Path) -> None:
    """Only the project's folder counts, only commits of the history, and a shallow clone asks its remote for older ones."""
    top = tmp_path / "shop"
    project = top / "etl"
    project.mkdir(parents=True)

    def git(*arguments: str, folder: Path = top) -> str:
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        command = ["git", "-C", str(folder), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(file: Path, text: str) -> str:
        file.write_text(text)
        git("add", ".")
        git("commit", "-q", "-m", text)
        return git("rev-parse", "HEAD")

    git("init", "-q", "-b", "main")
    first = commit(project / "flow.py", "one")
    second = commit(top / "README", "elsewhere")
    third = commit(project / "flow.py", "two")
    git("checkout", "-q", "-b", "side", first)
    side = commit(top / "README", "on a side")
    git("checkout", "-q", "main")
    shallow = tmp_path / "shallow"
    git("clone", "-q", "--depth=1", top.as_uri(), str(shallow))
    before = git("rev-list", "--count", "--all")

    assert same_files(project, second, first)
    assert not same_files(project, third, second)
    assert not same_files(project, second, side)
    assert not same_files(project, second, "0" * 40)
    assert git("rev-list", "--count", "--all") == before
    assert not same_files(shallow / "etl", third, first)
    fourth = commit(top / "README", "elsewhere again")
    git("fetch", "-q", "--depth=1", "origin", "main", folder=shallow)
    assert same_files(shallow / "etl", fourth, third)
    assert not same_files(shallow / "etl", fourth, "0" * 40)
