"""Paths that are no project's, and folders that hold what cannot be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support import as_ordinary_user

PROJECT = "deployments:\n  job:\n    - {recipe: local_run_deployer, variables: {name: one}}\n"
FLOW = "from prefect import flow\n\n@flow\ndef job() -> None: ...\n"
LOOK = """
import json, os, sys
from meta_prefect.deploy import validate
from meta_prefect.errors import MetaPrefectError

for target in json.load(sys.stdin):
    try:
        told = f"valid: {len(validate([target]).outcomes)}"
    except MetaPrefectError as error:
        told = str(error)
    print(json.dumps(told))
"""

Make = Callable[[Path], object]


def project(folder: Path) -> Path:
    """A folder with a project of one deployment."""
    folder.mkdir(parents=True)
    (folder / "meta_prefect.yaml").write_text(PROJECT)
    (folder / "flow.py").write_text(FLOW)
    return folder


def holding(make: Make) -> Make:
    """A project in whose folder something else is made."""
    return lambda path: make(project(path))


def shut(path: Path) -> None:
    """A project in a folder without any permission."""
    project(path).chmod(0)


CASES: Mapping[str, tuple[Make, str]] = {
    "loop": (lambda path: path.symlink_to(path), "'loop' is a symbolic link that leads back to itself"),
    "dangling": (lambda path: path.symlink_to("nowhere"), "'dangling' is a symbolic link to 'nowhere', which is not there"),
    "pipe": (os.mkfifo, "'pipe' is a named pipe, not a file or folder"),
    "pipe.yaml": (os.mkfifo, "'pipe.yaml' is a named pipe, not a file or folder"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "'device' is a device, not a file or folder"),
    "gone/flow.py": (lambda _: None, "there is no file or folder 'gone/flow.py'"),
    "a" * 300 + ".py": (lambda _: None, "there is no file or folder 'aaaa"),
    "shut": (shut, "the folder 'shut' may not be read by the user with the id"),
    "shut/flow.py": (lambda _: None, "'shut/flow.py' may not be looked at by the user with the id"),
    "shut.yaml": (lambda path: os.close(os.open(path, os.O_CREAT, 0)), "it cannot be read: Permission denied"),
    "linked": (
        lambda path: (path.mkdir(), (path / "meta_prefect.yaml").symlink_to("meta_prefect.yaml")),
        "'linked/meta_prefect.yaml' is a symbolic link that leads back to itself",
    ),
    "folded": (lambda path: (path / "meta_prefect.yaml").mkdir(parents=True), "meta_prefect.yaml is a folder, not a file"),
    "bad\udcff": (project, r"bad\udcff' is not valid UTF-8"),
    "new\nline": (project, "valid: 1"),
    "around a loop": (holding(lambda path: (path / "loop").symlink_to("loop")), "valid: 1"),
    "around a looping file": (holding(lambda path: (path / "loop.py").symlink_to("loop.py")), "valid: 1"),
    "around a shut folder": (holding(lambda path: (path / "shut").mkdir(0)), "valid: 1"),
    "around a shut file": (holding(lambda path: (path / "shut.py").touch(0)), "valid: 1"),
    "around a pipe": (holding(lambda path: os.mkfifo(path / "pipe.py")), "valid: 1"),
    "around a way out": (holding(lambda path: (path / "processes").symlink_to("/proc")), "valid: 1"),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What is said of each path to a user whom permissions hold back."""
    folder = tmp_path_factory.mktemp("odd")
    for name, (make, _) in CASES.items():
        make(folder / name)
    done = subprocess.run(
        as_ordinary_user(sys.executable, "-c", LOOK),
        input=json.dumps(list(CASES)),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_an_odd_path_is_explained(told: Mapping[str, str], name: str) -> None:
    """What is no project is said to be what it is, and what lies in a project and cannot be read is passed over."""
    assert CASES[name][1] in told[name]


def home_with(folder: Path, *names: str) -> Path:
    """A home folder that holds a flow which carries a builder, and files of some names."""
    folder.mkdir(exist_ok=True)
    (folder / "flow.py").write_text(
        "from deployer_flows import local_run_deployer\n"
        + FLOW
        + "\njob = local_run_deployer.with_variables(name='one')(job)\n"
    )
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), "there is no meta_prefect.yaml in {}, and your home folder is not searched for flows\n  Change to"),
        (("pyproject.toml",), "valid: 1"),
        (("meta_prefect.yaml",), "valid: 1"),
    ],
)
def test_a_home_folder_is_searched_only_where_it_is_a_project(
    tmp_path: Path, names: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that somebody has is no project, unless something there says so."""
    from meta_prefect.deploy import validate
    from meta_prefect.errors import MetaPrefectError

    home = home_with(tmp_path / "home", *names)
    monkeypatch.setenv("HOME", str(home))
    try:
        told = f"valid: {len(validate([str(home)]).outcomes)}"
    except MetaPrefectError as error:
        told = str(error)
    assert expected.format(home) in told


def test_the_root_of_the_file_system_is_not_searched(run_cli: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """`cd / && meta-prefect plan` says what is missing, and looks into no process."""
    done = run_cli("plan", cwd=Path("/"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is no meta_prefect.yaml in /, and the root of the file system is not")


def test_a_deleted_folder_is_named(tmp_path: Path) -> None:
    """Who stands in a folder that somebody has deleted is told so."""
    (gone := tmp_path / "gone").mkdir()
    script = f"import os, shutil; shutil.rmtree({str(gone)!r}); from meta_prefect.cli.program import main; main(['validate'])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=gone, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the present folder has been deleted")


def test_only_files_are_part_of_the_code(tmp_path: Path) -> None:
    """What is no file, or leads out, nowhere or back to itself, changes no hash of the content and stops nothing."""
    from meta_prefect.implementations.code.files import content_hash, project_files

    root = project(tmp_path / "code")
    (root / ".prefectignore").write_bytes(b"left-out\xff\n")
    before = content_hash(str(root), "one")
    os.mkfifo(root / "pipe")
    for name, target in {"loop": "loop", "nowhere": "gone", "out": "/dev/zero"}.items():
        (root / name).symlink_to(target)
    assert content_hash(str(root), "two") == before
    assert [path.as_posix() for path in project_files(root)] == [".prefectignore", "flow.py", "meta_prefect.yaml"]
