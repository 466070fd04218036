"""Which files belong to a project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from meta_prefect.flows import python_files

Write = Callable[[Mapping[str, str]], Path]


def listed(root: Path, patterns: Sequence[str] = ()) -> list[str]:
    """List a project's files relative to its folder."""
    return [file.relative_to(root).as_posix() for file in python_files(root, patterns)]


LEFT_OUT = {
    "other files": {"notes.txt": "", "stub.pyi": "", "flow.py.bak": ""},
    "hidden folders and files": {".hidden/flow.py": "", "a/.b/flow.py": "", ".flow.py": ""},
    "virtual environments": {"env/pyvenv.cfg": "", "env/lib/flow.py": "", "env/flow.py": ""},
    "caches and installed packages": {
        "__pycache__/flow.py": "",
        "node_modules/x/flow.py": "",
        "lib/site-packages/flow.py": "",
    },
    ".prefectignore": {".prefectignore": "# old ones\nold/\n/top.py\n", "old/flow.py": "", "top.py": ""},
    ".gitignore": {".gitignore": "build\n*_gen.py\n", "build/flow.py": "", "a/x_gen.py": ""},
    "nested .gitignore": {"a/.gitignore": "/b\n", "a/b/flow.py": "", "a/.ignore": ""},
    "projects of their own": {"examples/one/meta_prefect.yaml": "", "examples/one/flow.py": ""},
}


@pytest.mark.parametrize("files", LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_what_does_not_belong_is_left_out(write: Write, files: Mapping[str, str]) -> None:
    """Files that are not the project's own code are not listed; the others are, sorted by path."""
    root = write({**files, "flow.py": "", "pkg/b/flow.py": "", "pkg/a.py": "", "meta_prefect.yaml": ""})
    assert listed(root) == ["flow.py", "pkg/a.py", "pkg/b/flow.py"]


def test_the_nearest_ignore_file_decides(write: Write) -> None:
    """A deeper file takes back what a higher one leaves out, and patterns without sense are passed over."""
    root = write({".gitignore": "*_gen.py\n!\n", "a/.gitignore": "!x_gen.py\n", "a/x_gen.py": "", "x_gen.py": ""})
    assert listed(root) == ["a/x_gen.py"]


def test_ignore_files_above_count_inside_of_a_repository(write: Write) -> None:
    """In a repository the patterns of folders above hold; without one, or where they ignore the whole project, they do not."""
    top = write({".gitignore": "*_gen.py\n", "sub/x_gen.py": "", "sub/flow.py": ""})
    assert listed(top / "sub") == ["flow.py", "x_gen.py"]
    (top / ".git").mkdir()
    assert listed(top / "sub") == ["flow.py"]
    (top / ".gitignore").write_text("/sub/\n")
    assert listed(top / "sub") == ["flow.py", "x_gen.py"]


def test_links_are_followed_inside_of_the_project_only(write: Write, tmp_path: Path) -> None:
    """Links that leave the project, lead nowhere or in circles are passed over; what only a link shows is listed once."""
    root = write({"pkg/flow.py": "", "..data/mounted.py": "", "..data/more/deep.py": ""})
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.py").touch()
    links = {
        "mounted.py": root / "..data" / "mounted.py",
        "again.py": root / "pkg" / "flow.py",
        "more": root / "..data" / "more",
        "pkg/circle": root,
        "away": tmp_path / "outside",
        "secret.py": tmp_path / "outside" / "secret.py",
        "nowhere.py": root / "missing.py",
        "loop.py": root / "loop.py",
        "loop": root / "loop",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    assert listed(root) == ["more/deep.py", "mounted.py", "pkg/flow.py"]


def test_patterns_choose_files(write: Write) -> None:
    """Patterns narrow the list, in the notation of ``.gitignore``."""
    root = write({"flows/a.py": "", "flows/deep/b.py": "", "lib/etl_c.py": "", "lib/d.py": ""})
    assert listed(root, ["flows/**/*.py", "etl_*.py", "!b.py"]) == ["flows/a.py", "lib/etl_c.py"]
