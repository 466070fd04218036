"""Code from Git, code in the image, and which files of a project belong in a copy of it."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prefect.deployments.steps.core import run_steps
from support import Api
from values import a_context, a_deployment, a_flow

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.code import git_code, image_code
from meta_prefect.implementations.code.files import content_hash, project_files

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HTTPS = "https://git.example/shop.git"


def step_of(builder: Any, **context: Any) -> Any:
    """The clone step that a builder makes in a deploy of a commit."""
    deployment = a_deployment(context=a_context(**{"commit": COMMIT, **context}))
    return builder.update_deployment(deployment).pull_steps[0]["prefect.deployments.steps.git_clone"]


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder."""
    identity = ["-c", "user.name=shop", "-c", "user.email=shop@example.com"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_run_clones_the_commit_that_is_deployed() -> None:
    """Without more words the deployed commit is pinned; a commit or a branch can be named."""
    assert step_of(git_code(repository=HTTPS)) == {"id": "clone", "repository": HTTPS, "commit_sha": COMMIT}
    assert step_of(git_code(repository=HTTPS, commit=COMMIT[::-1]))["commit_sha"] == COMMIT[::-1]
    branch = step_of(git_code(repository=HTTPS, branch="main", submodules=True))
    assert branch == {"id": "clone", "repository": HTTPS, "branch": "main", "include_submodules": True}


def test_an_abbreviated_commit_is_completed_where_it_is_here(tmp_path: Path) -> None:
    """A run cannot fetch it; a branch of that name, a commit that is not here, or no clone at all is refused."""
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "first")
    whole = git(tmp_path, "rev-parse", "HEAD")
    git(tmp_path, "branch", "abcdef1")
    deployment = a_deployment(flow=a_flow(source=str(tmp_path)), context=a_context(commit=COMMIT))

    (step,) = git_code(repository=HTTPS, commit=whole[:8], folder="").update_deployment(deployment).pull_steps
    assert step["prefect.deployments.steps.git_clone"]["commit_sha"] == whole
    for unknown in ("abcdef1", "0123456"):
        with pytest.raises(ConfigurationError, match=f"'{unknown}' is the beginning of a hash, which no run can fetch"):
            git_code(repository=HTTPS, commit=unknown).update_deployment(deployment)


SECRET = "{{ prefect.blocks.secret.git }}"


@pytest.mark.parametrize(
    ("arguments", "credentials"),
    [
        pytest.param({"token": "secret/git"}, {"username": "oauth2", "access_token": SECRET}, id="any host"),
        pytest.param(
            {"token": "secret/git", "repository": "https://github.com/shop/shop"},
            {"username": "x-access-token", "access_token": SECRET},
            id="GitHub",
        ),
        pytest.param(
            {"token": "secret/git", "user": "robot"}, {"username": "robot", "access_token": SECRET}, id="a user"
        ),
        pytest.param(
            {"token": "github-credentials/shop"}, "{{ prefect.blocks.github-credentials.shop }}", id="block of a host"
        ),
    ],
)
def test_a_token_is_a_reference_that_only_the_run_resolves(arguments: dict[str, Any], credentials: Any) -> None:
    """The deployment names the saved block, and needs it; a token alone gets the user that Git hosts ask for."""
    given: dict[str, Any] = {"repository": HTTPS, **arguments}
    builder = git_code(**given)
    assert step_of(builder)["credentials"] == credentials
    (needed,) = builder.requires
    assert f"{needed.block_type}/{needed.block_name}" == arguments["token"]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


@pytest.mark.parametrize(
    ("commit", "told"),
    [(f"{COMMIT}+dirty", "differs from its commit 0123456,"), (None, "is no Git repository with a commit")],
)
def test_code_that_no_run_could_clone_is_refused(commit: str | None, told: str) -> None:
    """Changes that are not committed would not run; the deploy says so."""
    with pytest.raises(ConfigurationError, match=told):
        step_of(git_code(repository=HTTPS), commit=commit)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(
            {"repository": "https://me:hunter2@git.example/a"}, "name a saved block as `token`", id="password"
        ),
        pytest.param({"repository": "--upload-pack=x"}, "is no address of a repository", id="option"),
        pytest.param({"repository": "http://git.example/a"}, "write it with https://", id="http"),
        pytest.param({"repository": HTTPS, "branch": "-x"}, "'-x' is no name of a branch", id="branch"),
        pytest.param({"repository": HTTPS, "commit": "HEAD"}, "'HEAD' is no commit", id="commit"),
        pytest.param(
            {"repository": HTTPS, "branch": "a", "commit": "abcdef1"}, "either `commit` or `branch`", id="both"
        ),
        pytest.param({"repository": HTTPS, "folder": "../x"}, "leaves the repository", id="folder"),
        pytest.param({"repository": HTTPS, "directories": ["--x"]}, "leaves the repository", id="directory"),
        pytest.param(
            {"repository": HTTPS, "directories": ["lib"], "folder": "library"}, "do not hold the project's", id="apart"
        ),
        pytest.param({"repository": HTTPS, "token": "ghp_x"}, "named, never written down", id="token"),
        pytest.param({"repository": HTTPS, "user": "x"}, "goes with a token in a secret block", id="user alone"),
        pytest.param({"repository": "file:///srv/a", "token": "secret/x"}, "over https", id="token without https"),
    ],
)
def test_what_git_must_not_be_told_is_refused_where_it_is_written(arguments: dict[str, Any], told: str) -> None:
    """Addresses with secrets, references that are options and paths that leave the repository are refused."""
    with pytest.raises(ValueError, match=re.escape(told)):
        git_code(**arguments)


def test_prefects_own_step_clones_the_pinned_commit(
    server: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the branch has moved on, the run gets the commit of the deploy, and starts in the project's folder.

    Of the repository's folders it has those that were named.
    """
    repository, run = tmp_path / "shop", tmp_path / "run"
    for folder in ("flows", "lib", "movies"):
        (repository / folder).mkdir(parents=True)
    run.mkdir()
    git(repository, "init", "--quiet")
    for text in ("old", "new"):
        for folder in ("flows", "lib", "movies"):
            (repository / folder / "flow.py").write_text(text)
        git(repository, "add", ".")
        git(repository, "commit", "--quiet", "-m", text)
    commit = git(repository, "rev-parse", "HEAD~1")
    builder = git_code(repository=repository.as_uri(), folder="flows", directories=("flows", "lib"))
    steps = builder.update_deployment(a_deployment(context=a_context(commit=commit))).pull_steps

    monkeypatch.chdir(run)
    output = asyncio.run(run_steps(steps))
    cloned = run / output["directory"]
    assert (cloned / "flow.py").read_text() == "old"
    assert sorted(path.name for path in cloned.parent.iterdir() if path.is_dir()) == [".git", "flows", "lib"]


def test_code_in_the_image_can_be_in_a_folder_of_its_own() -> None:
    """The run starts in that folder."""
    (step,) = image_code(directory="/srv/shop").update_deployment(a_deployment()).pull_steps
    assert step == {"prefect.deployments.steps.set_working_directory": {"directory": "/srv/shop"}}


def test_ignored_files_are_in_no_copy(tmp_path: Path) -> None:
    """`.prefectignore` counts, Git's and Python's own folders never belong, and links do not lead out of the project."""
    kept = {".prefectignore": "*.secret\n!.git/\n", "flow.py": "", "data/a.csv": ""}
    others = {"a.secret": "", ".git/config": "", "__pycache__/x.pyc": "", "env/pyvenv.cfg": "", "env/lib.py": ""}
    outside = tmp_path / "outside.txt"
    outside.write_text("hidden")
    root = tmp_path / "shop"
    for name, text in {**kept, **others}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "link.txt").symlink_to(outside)
    assert {path.as_posix() for path in project_files(root)} == kept.keys()


def test_the_hash_follows_content_and_names(tmp_path: Path) -> None:
    """The same files give the same hash at every deploy; a changed or renamed one gives another."""
    file = tmp_path / "flow.py"
    file.write_text("a")
    first = content_hash(str(tmp_path), "deploy 1")
    assert content_hash(str(tmp_path), "deploy 2") == first
    file.rename(tmp_path / "other.py")
    renamed = content_hash(str(tmp_path), "deploy 3")
    (tmp_path / "other.py").write_text("b")
    assert len({first, renamed, content_hash(str(tmp_path), "deploy 4")}) == 3
