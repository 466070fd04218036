"""Fetching a project from its repository: what comes, and what is said where it does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from deployer_projects import GitProject
from values import a_deployment

from meta_prefect.engine.source import check_allowed, fetch_source, inside, origin_of
from meta_prefect.errors import MetaPrefectError, ValidationFailed
from meta_prefect.git import git_commit
from meta_prefect.implementations.code.project_source import PULL_STEP, ProjectSource, project_source
from meta_prefect.implementations.infra import local_process


def fetch(project: GitProject, into: Path, revision: str | None = None, subfolder: str = "") -> Path:
    source = ProjectSource(repository=project.url, subfolder=subfolder)
    return asyncio.run(fetch_source(source, revision, into))


def test_a_branch_a_tag_and_a_commit_can_be_named(git_project: GitProject, tmp_path: Path) -> None:
    """Left empty it is the default branch; a branch, a tag and a commit, abbreviated too, give what they mean."""
    first = git_project.git("rev-parse", "HEAD")
    git_project.git("push", "-q", "origin", "HEAD:refs/tags/v1")
    other = git_project.commit("on a branch", branch="release/2")
    last = git_project.commit("last")

    wanted = {None: last, "release/2": other, "v1": first, first: first, first[:7]: first, other[:12]: other}
    found = {
        revision: git_commit(fetch(git_project, tmp_path / str(number), revision))
        for number, revision in enumerate(wanted)
    }

    assert found == wanted


@pytest.mark.parametrize(
    ("revision", "says"),
    [
        ("mian", r"no branch or tag 'mian' in .*\n  Did you mean 'main'\?"),
        ("0123abc", "no branch or tag '0123abc' in"),
        ("0" * 40, "no commit '0{40}' in .*\n  Has it been pushed"),
    ],
)
def test_what_is_not_there_is_named(git_project: GitProject, tmp_path: Path, revision: str, says: str) -> None:
    """A branch or commit that does not exist is named, with what was probably meant."""
    with pytest.raises(ValidationFailed, match=says):
        fetch(git_project, tmp_path, revision)


def test_a_commit_must_be_on_a_branch(git_project: GitProject, tmp_path: Path) -> None:
    """A commit that a host gives out although no branch has it, such as one of somebody's fork, is refused."""
    stray = git_project.commit("of a fork", branch="gone")
    git_project.git("push", "-q", "origin", f"{stray}:refs/pull/1/head")
    git_project.git("push", "-q", "origin", ":gone")

    with pytest.raises(ValidationFailed, match="is on no branch"):
        fetch(git_project, tmp_path, stray)


def test_a_repository_that_is_not_there_is_no_missing_branch(tmp_path: Path) -> None:
    """Where nothing answers, the repository is what the message is about."""
    source = ProjectSource(repository=(tmp_path / "nowhere.git").as_uri())
    with pytest.raises(MetaPrefectError, match=r"nowhere\.git: the project cannot be fetched"):
        asyncio.run(fetch_source(source, "main", tmp_path))


def test_a_link_out_of_the_repository_is_not_followed(git_project: GitProject, tmp_path: Path) -> None:
    """A folder in the repository that is a link to elsewhere is no project of it."""
    (git_project.clone / "out").symlink_to(tmp_path)
    git_project.commit("with a link", branch="link")

    with pytest.raises(ValidationFailed, match="lies outside"):
        fetch(git_project, tmp_path, "link", subfolder="out")


def test_a_path_stays_in_the_source(tmp_path: Path) -> None:
    """A path that a run gives is one within the project."""
    with pytest.raises(ValidationFailed, match=r"'\.\./x' lies outside of the project"):
        inside(tmp_path, "../x")


@pytest.mark.parametrize(
    ("revision", "patterns", "says"),
    [
        ("-x", ("*",), "'-x' is no name of a branch"),
        ("--upload-pack=x", ("*",), "is no name of a branch"),
        ("a b", ("*",), "is no name of a branch"),
        ("feature", ("release/*",), r"'feature' may not be deployed.*\n  Allowed: main, release"),
        ("release/1", (), "may not be deployed"),
    ],
)
def test_what_may_not_be_named(revision: str, patterns: tuple[str, ...], says: str) -> None:
    """Options of git are never taken for branches, and a deployer can be narrowed to some branches."""
    source = ProjectSource(repository="https://example.com/x.git", revision="main", revisions=patterns)
    with pytest.raises(ValidationFailed, match=says):
        check_allowed(source, revision)


@pytest.mark.parametrize(
    ("revision", "patterns"), [(None, ()), ("main", ()), ("release/1", ("release/*",)), (" main ", ("*",))]
)
def test_what_may_be_named(revision: str | None, patterns: tuple[str, ...]) -> None:
    """The deployer's own branch may always be named, and what a pattern matches."""
    check_allowed(ProjectSource(repository="https://example.com/x.git", revision="main", revisions=patterns), revision)


def test_runs_clone_the_commit_that_was_fetched(git_project: GitProject, tmp_path: Path) -> None:
    """What is deployed from a fetched copy clones its very commit, as the copy is gone by then."""
    folder = fetch(git_project, tmp_path)
    origin = origin_of(folder)
    assert origin is not None
    commit = git_commit(folder)
    deployment = a_deployment()
    context = deployment.context.model_copy(update={"origin": origin, "commit": commit})

    made = local_process().update_deployment(deployment.model_copy(update={"context": context}))

    (step,) = made.pull_steps
    clone = step["prefect.deployments.steps.git_clone"]
    assert (clone["repository"], clone["commit_sha"]) == (git_project.url, commit)


def test_a_token_stays_a_reference() -> None:
    """The pull step of a private repository names the block that opens it; the run resolves it."""
    source = ProjectSource(repository="https://example.com/x.git", token="secret/git")
    builder = project_source(source=source)

    made = builder.update_deployment(a_deployment())

    (step,) = made.pull_steps
    assert step == {PULL_STEP: {"source": source.model_dump(exclude_none=True, mode="json")}}
    assert step[PULL_STEP]["source"]["token"] == "secret/git"
    assert [component.name for component in builder.requires] == ["secret-git"]
