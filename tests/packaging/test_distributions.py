"""What a release consists of: a wheel and an sdist that hold the packages and nothing else, and work where they are installed."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meta_prefect import __version__

ROOT = Path(__file__).parents[2]
PACKAGES = ("meta_prefect", "deployer_flows")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [
    found.rpartition(" ")[2]
    for found in PROJECT["classifiers"]
    if found.startswith("Programming Language :: Python :: ")
]

pytestmark = pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed")


def uv(*arguments: object) -> str:
    """Run uv, which downloads no Python; returns what it says."""
    command = ["uv", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(frozen=True)
class Built:
    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The wheel, built from the sdist, as installers do that find no wheel."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--out-dir", folder)
    return Built(next(folder.glob("*.whl")), next(folder.glob("*.tar.gz")))


def sources(*folders: str) -> set[str]:
    """The files of packages, without what Python and editors leave beside them."""
    files = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


def test_a_wheel_holds_the_packages_and_nothing_else(built: Built) -> None:
    """Every file of both packages, the types' marker among them, and what describes them."""
    with zipfile.ZipFile(built.wheel) as archive:
        names = set(archive.namelist())

    described = {name for name in names if name.startswith(f"meta_prefect-{__version__}.dist-info/")}
    assert names - described == sources(*PACKAGES)
    assert "meta_prefect/py.typed" in names


def test_an_sdist_holds_what_the_wheel_and_the_tests_need(built: Built) -> None:
    """The packages, their tests, and the documents; nothing of the folder that it was built in."""
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert sources(*PACKAGES, "tests", "docker") <= names
    assert {name.partition("/")[0] for name in names} == {
        *PACKAGES,
        *("tests", "docker", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"),
    }


@pytest.mark.parametrize("version", PYTHONS)
def test_it_works_where_it_is_installed(built: Built, tmp_path: Path, version: str) -> None:
    """On every Python that is declared: its commands, its version, and the recipes that it brings."""
    looked = subprocess.run(
        ["uv", "python", "find", "--no-project", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    if looked.returncode != 0:
        pytest.skip(f"Python {version} is not on this machine")
    uv("venv", "--quiet", "--python", looked.stdout.strip(), tmp_path / "venv")
    uv("pip", "install", "--quiet", "--python", tmp_path / "venv", built.wheel)
    (tmp_path / "empty").mkdir()

    def run(*arguments: str) -> str:
        command = [str(tmp_path / "venv" / "bin" / "meta-prefect"), *arguments]
        environment = {"HOME": str(tmp_path), "PREFECT_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=tmp_path / "empty", env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("--version").strip() == __version__
    listed = run("recipes")
    hidden = {"decorated_flow_deployer", "deployer"}
    offered: dict[str, str] = PROJECT["entry-points"]["meta_prefect.recipes"]
    assert [name for name in offered if name not in hidden and name not in listed] == []
