"""The project's name, which marks what the project owns."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from meta_prefect.errors import ValidationFailed
from meta_prefect.project import read_project, slug


def named(folder: Path) -> tuple[str, bool]:
    """Give the name of the project in a folder, and whether it is stable."""
    project = read_project(folder, required=False)
    return project.name, project.name_is_stable


def repository(folder: Path, url: str | None) -> Path:
    """Make a git repository, with a remote where a URL is given."""
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    if url:
        subprocess.run(["git", "-C", str(folder), "remote", "add", "origin", url], check=True)
    return folder


def test_the_name_comes_from_the_most_deliberate_source(tmp_path: Path) -> None:
    """The project file wins over pyproject.toml, that over the git remote, and that over the folder's name."""
    root = repository(tmp_path / "My Folder", None)
    assert named(root) == ("my-folder", False)
    repository(root, "https://example.com/acme/Sales_Reports.git")
    assert named(root) == ("sales-reports", True)
    (root / "pyproject.toml").write_text('[project]\nname = "Acme.Reports"\n')
    assert named(root) == ("acme-reports", True)
    (root / "meta_prefect.yaml").write_text("project: reports\n")
    assert named(root) == ("reports", True)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        pytest.param("https://user@example.com/acme/etl.git/", "etl", id="https"),
        pytest.param("git@example.com:acme/etl.git", "etl", id="scp-like"),
        pytest.param("git@example.com:etl", "etl", id="scp-like, no folder"),
        pytest.param("ssh://git@example.com:2222/acme/etl", "etl", id="ssh"),
        pytest.param("file:///srv/git/etl.git", "etl", id="file"),
        pytest.param("../etl/.git", "etl", id="a working copy"),
    ],
)
def test_a_remote_gives_its_repository_s_name(tmp_path: Path, url: str, name: str) -> None:
    """All forms of git URLs are understood."""
    assert named(repository(tmp_path / "copy", url)) == (name, True)


def test_two_projects_of_one_repository_have_two_names(tmp_path: Path) -> None:
    """A subfolder's name follows the repository's, or one project could prune the other's deployments."""
    root = repository(tmp_path / "copy", "https://example.com/acme/mono.git")
    for folder in ("etl/daily", "reports"):
        (root / folder).mkdir(parents=True)
        (root / folder / "meta_prefect.yaml").touch()
    assert named(root / "etl/daily") == ("mono-etl-daily", True)
    assert named(root / "reports") == ("mono-reports", True)


def test_a_worktree_has_the_name_of_its_repository(tmp_path: Path) -> None:
    """In a worktree ``.git`` is a file; the name is found all the same."""
    root = repository(tmp_path / "main", "https://example.com/acme/etl.git")
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", "-C", str(root), *author, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    subprocess.run(["git", "-C", str(root), "worktree", "add", "-q", str(tmp_path / "second")], check=True)
    assert named(tmp_path / "second") == ("etl", True)


def test_a_broken_pyproject_is_an_error(tmp_path: Path) -> None:
    """Another name would mean other deployments, so the next source is not tried silently; naming the project helps."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(ValidationFailed, match=r"pyproject\.toml: not valid TOML"):
        read_project(tmp_path, required=False)
    (tmp_path / "meta_prefect.yaml").write_text("project: etl\n")
    assert named(tmp_path) == ("etl", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Sales_Reports", "sales-reports"), ("--a..b--", "a-b"), ("Ünïted", "united"), ("数据", ""), ("v2", "v2")],
)
def test_slugs(text: str, expected: str) -> None:
    """A slug has lower-case letters, digits and single hyphens alone."""
    assert slug(text) == expected
