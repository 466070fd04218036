"""A package of recipes that begins: its files, its names, and what is refused."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from meta_prefect.cli.init import Choices, Source, init
from meta_prefect.errors import MetaPrefectError
from meta_prefect.init.package import package_files, read_package_name


@pytest.mark.parametrize("name", ["acme-recipes", "shop", "data-platform-2"])
def test_everything_in_it_is_called_after_it(name: str) -> None:
    """The module, the recipe and the entry points have its names; every file of Python can be read."""
    names = read_package_name(name)
    files = package_files(names)
    project = tomllib.loads(files["pyproject.toml"])["project"]

    assert project["name"] == name
    (recipe,) = project["entry-points"]["meta_prefect.recipes"].items()
    assert recipe == (names.recipe, f"{names.module}.recipes:{names.recipe}")
    assert project["entry-points"]["meta_prefect.policies"] == {names.team: f"{names.module}.policies"}
    assert f"def {names.recipe}(" in files[f"src/{names.module}/recipes.py"]
    assert {".github/workflows/ci.yml", ".gitignore", "README.md", f"src/{names.module}/py.typed"} <= files.keys()
    for path, text in files.items():
        assert "acme" not in (path + text).lower() or "acme" in name, path
        if path.endswith(".py"):
            ast.parse(text)


@pytest.mark.parametrize("name", ["", "Acme", "acme recipes", "2fast", "acme--recipes", "-acme", "class", "a/b", "a.b"])
def test_a_name_that_no_package_can_have_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it may be made of, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MetaPrefectError, match="can be no package's name"):
        init(choices=Choices(package=name))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything written where a file is there already, or only shown."""
    monkeypatch.chdir(tmp_path)
    init(choices=Choices(package="acme-recipes"), dry_run=True)
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "README.md").write_text("Mine.")
    with pytest.raises(MetaPrefectError, match="there is a file of this name already"):
        init(Path("here"), choices=Choices(package="acme-recipes"))
    assert [file.name for file in (tmp_path / "here").rglob("*")] == ["README.md"]


def test_a_package_is_made_from_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What deployments are made from does not go with it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MetaPrefectError, match="a package of recipes is made from no deployments"):
        init(source=Source(from_flows=True), choices=Choices(package="acme-recipes"))
