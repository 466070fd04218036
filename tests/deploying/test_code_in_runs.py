"""A deploy is refused where its runs would not find their code: in a clone, in a copy, or in the folder in which they start."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from meta_prefect.deploy import validate
from meta_prefect.errors import ValidationFailed

FLOW = """
    from helper import VALUE
    from prefect import flow

    @flow(name="UNIQUE")
    def up() -> int:
        return VALUE
"""
FILE = """
    project: UNIQUE
    recipes: [recipes]
    deployments:
      UNIQUE:
        - recipe: from_elsewhere
"""
RECIPE = """
    from meta_prefect import recipe
    from meta_prefect.implementations.code import git_code, pull_steps, s3_code, shell_script
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import namer
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

    ENTERS = "prefect.deployments.steps.set_working_directory"
    ENTER = [{ENTERS: {"directory": "{{ clone.directory }}/etl"}}, {ENTERS: {"directory": "jobs"}}]

    @recipe
    def from_elsewhere() -> FlowBuilderInterface:
        return namer(name="x") | local_process() | CODE
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty bare repository."""
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "shop.git")], check=True)
    return tmp_path / "shop.git"


def git(folder: Path, *arguments: str) -> None:
    """Run Git in a folder."""
    identity = ("-c", "user.name=shop", "-c", "user.email=shop@example.com")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def clone(project: Callable[..., Path], repository: Path) -> Callable[..., Path]:
    """Write a project into the folder `etl` of a clone, commit some of its files, and push them."""

    def write(code: str, *, committed: tuple[str, ...] = ("flow.py", "helper.py"), pushed: bool = True) -> Path:
        recipe = RECIPE.replace("CODE", code.replace("URL", repository.as_uri()))
        own = {"meta_prefect.yaml": FILE, "recipes.py": recipe, "flow.py": FLOW, "helper.py": "VALUE = 1\n"}
        root = project(**{f"etl/{name}": text for name, text in own.items()})
        git(root, "init", "--quiet")
        git(root, "remote", "add", "origin", repository.as_uri())
        git(root, "add", *(f"etl/{name}" for name in ("meta_prefect.yaml", "recipes.py", *committed)))
        git(root, "commit", "--quiet", "-m", "all")
        if pushed:
            git(root, "push", "--quiet", "origin", "HEAD")
        return root / "etl"

    return write


def refusal(root: Path) -> str:
    """Why a project cannot be deployed."""
    with pytest.raises(ValidationFailed) as failed:
        validate([str(root)])
    return str(failed.value)


@pytest.mark.parametrize("directories", ["", ", directories=('etl', 'docs')"])
def test_runs_start_in_the_projects_folder_of_the_repository(
    clone: Callable[..., Path], unique: str, directories: str
) -> None:
    """Where nobody says another one, also where that folder and another alone are checked out."""
    root = clone(f'git_code(repository="URL"{directories})')
    assert [one.deployment for one in validate([str(root)]).outcomes] == [f"{unique}/x-dev"]


@pytest.mark.parametrize(
    ("code", "git_has", "pushed", "told"),
    [
        pytest.param("git_code(repository='URL')", ("flow.py",), True, "runs would miss helper.py, which", id="helper"),
        pytest.param("git_code(repository='URL')", (), True, "has no flow.py", id="the flow itself"),
        pytest.param(
            "git_code(repository='URL')", ("flow.py", "helper.py"), False, "does not have commit", id="not pushed"
        ),
        pytest.param(
            "git_code(repository='URL', folder='jobs')",
            ("flow.py", "helper.py"),
            True,
            "runs start in 'jobs' of the repository, where commit",
            id="another folder",
        ),
        pytest.param(
            "git_code(repository='URL', folder='')", ("flow.py", "helper.py"), True, "the top folder", id="no folder"
        ),
        pytest.param(
            "pull_steps(steps=[{'prefect.deployments.steps.git_clone': {'repository': 'URL', 'commit_sha': '0123456'}}])",
            ("flow.py", "helper.py"),
            True,
            "runs would fetch the commit '0123456', and the beginning of a hash is none to a repository",
            id="the beginning of a hash",
        ),
        pytest.param(
            "git_code(repository='URL', folder='jobs') | shell_script(script='date')",
            ("flow.py", "helper.py"),
            True,
            "runs start in 'jobs' of the repository",
            id="another folder, and then a script",
        ),
        pytest.param(
            "git_code(repository='URL') | pull_steps(steps=ENTER)",
            ("flow.py", "helper.py"),
            True,
            "runs start in 'etl/jobs' of the repository",
            id="a folder within",
        ),
        pytest.param(
            "git_code(repository='URL', folder='', directories=('docs',)) | pull_steps(steps=ENTER[:1])",
            ("flow.py", "helper.py"),
            True,
            "runs would miss flow.py, helper.py: the clone has only `directories` of the repository\n"
            "  Add the folder 'etl' to `directories`.",
            id="other directories",
        ),
    ],
)
def test_a_clone_that_lacks_code_is_refused(
    clone: Callable[..., Path], code: str, git_has: tuple[str, ...], pushed: bool, told: str
) -> None:
    """What is not committed, not pushed or elsewhere in the repository would end every run at its import."""
    assert told in refusal(clone(code, committed=git_has, pushed=pushed))


def test_what_is_imported_only_perhaps_need_not_be_there(clone: Callable[..., Path]) -> None:
    """An import that may fail has an alternative."""
    root = clone("git_code(repository='URL', folder='etl')", committed=("flow.py",), pushed=False)
    guarded = "try:\n    from helper import VALUE\nexcept ImportError:\n    VALUE = 2\n"
    flow = root / "flow.py"
    flow.write_text(flow.read_text().replace("from helper import VALUE\n", guarded))
    git(root, "commit", "--quiet", "-am", "guarded")
    git(root, "push", "--quiet", "origin", "HEAD")
    assert len(validate([str(root)]).outcomes) == 1


def test_a_pull_step_of_this_host_that_ends_elsewhere_is_refused(clone: Callable[..., Path], tmp_path: Path) -> None:
    """The entrypoint is relative to the folder that the last step enters."""
    step = {"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}}
    told = refusal(clone(f"pull_steps(steps=[{step!r}], instead=True)"))
    assert f"runs start in {tmp_path}, where there is no flow.py" in told


def test_an_upload_without_the_code_is_refused(clone: Callable[..., Path]) -> None:
    """What `.prefectignore` leaves out is not uploaded."""
    root = clone("s3_code(bucket='shop-code')")
    (root / ".prefectignore").write_text("helper.py\n")
    told = refusal(root)
    assert "runs would miss helper.py: .prefectignore leaves it out of the copy of the project" in told
    assert "Take it back in with a line `!helper.py`" in told
