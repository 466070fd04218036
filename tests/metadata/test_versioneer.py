"""The version of a deployment, by each strategy."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
from values import a_context, a_flow, built

from meta_prefect.errors import BuilderError
from meta_prefect.implementations.metadata import versioneer
from meta_prefect.interfaces.deployment import VersionRule

COMMIT = "3f2a9c1+dirty"


def version(
    strategy: Any = "auto", *, fixed: str | None = None, flow: Any = None, **context: Any
) -> str | VersionRule | None:
    """The version that the builder gives."""
    builder = versioneer(strategy=strategy, version=fixed)
    return built(builder, flow=flow or a_flow(), context=a_context(**context)).version


@pytest.fixture
def script(tmp_path: Path) -> Any:
    """A flow in a script of its own."""
    file = tmp_path / "flow.py"
    file.write_text("x = 1\n")
    return a_flow(module="flow", file=str(file))


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A flow in an installed package, version 3.1."""
    site = tmp_path / "site-packages"
    info = site / "shop_flows-3.1.dist-info"
    (site / "shop").mkdir(parents=True)
    info.mkdir()
    (site / "shop" / "add.py").write_text("x = 1\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-flows\nVersion: 3.1\n")
    (info / "RECORD").write_text("shop/add.py,,\nshop_flows-3.1.dist-info/METADATA,,\n")
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    return a_flow(module="shop.add", file=str(site / "shop" / "add.py"))


@pytest.mark.parametrize(
    ("strategy", "rule"),
    [("increment", VersionRule.NEXT_INTEGER), ("increment-on-change", VersionRule.NEXT_ON_CHANGE)],
)
def test_counted_versions_are_rules(strategy: str, rule: VersionRule) -> None:
    """The number is known only once the live deployment has been read."""
    assert version(strategy) is rule


def test_git_gives_the_commit() -> None:
    """The commit of the deploy, with `+dirty` where files were changed since."""
    assert version("git", commit=COMMIT) == COMMIT


def test_git_without_a_commit() -> None:
    """A folder that is no repository is an error that says what to do."""
    with pytest.raises(BuilderError, match="/srv/shop is no Git repository with a commit"):
        version("git")


def test_content_changes_with_the_file(script: Any) -> None:
    """Twelve hex digits of the file's hash."""
    first = version("content", flow=script)
    Path(script.file).write_text("x = 2\n")

    assert first == hashlib.sha256(b"x = 1\n").hexdigest()[:12]
    assert version("content", flow=script) == hashlib.sha256(b"x = 2\n").hexdigest()[:12]


def test_content_without_a_file() -> None:
    """A flow whose file is not here is an error that names it."""
    with pytest.raises(BuilderError, match="the file of the flow 'add' is not known here"):
        version("content")


def test_package_gives_the_installed_version(packaged: Any) -> None:
    """The version of the distribution that holds the flow."""
    assert version("package", flow=packaged) == "3.1"


@pytest.mark.parametrize("module", [None, "flow", "no_such_package.flows"])
def test_package_of_a_flow_in_no_package(module: str | None) -> None:
    """A script has no package, and the error says what else there is."""
    with pytest.raises(BuilderError, match="no installed package holds the flow 'add'") as refused:
        version("package", flow=a_flow(module=module))
    assert "'git' or 'content'" in str(refused.value.hint)


def test_a_script_with_a_package_s_name_is_not_of_that_package(packaged: Any, script: Any) -> None:
    """`shop.py` in a project has nothing to do with an installed package `shop`."""
    assert version("package", flow=packaged) == "3.1"
    assert version(flow=a_flow(module="shop", file=script.file), commit=COMMIT) == COMMIT


def test_bare_it_takes_the_first_that_there_is(packaged: Any, script: Any) -> None:
    """The installed package's version, else the commit, else the content."""
    assert version(flow=packaged, commit=COMMIT) == "3.1"
    assert version(flow=script, commit=COMMIT) == COMMIT
    assert version(flow=script) == hashlib.sha256(b"x = 1\n").hexdigest()[:12]


def test_a_fixed_version() -> None:
    """A version that is given needs no strategy."""
    assert version(fixed="2026.1") == "2026.1"


def test_what_prefect_itself_gives(script: Any) -> None:
    """The first digits of the commit, else the flow's own version."""
    flow = script.model_copy(update={"version": "2.0"})
    assert version("prefect", flow=flow, commit="3f2a9c1d5e+dirty") == "3f2a9c1d"
    assert version("prefect", flow=flow) == "2.0"


@pytest.mark.parametrize(
    "strategy", ["auto", "increment", "increment-on-change", "package", "git", "content", "prefect"]
)
def test_the_environment_variable_overrides_everything(strategy: str) -> None:
    """META_PREFECT__VERSION is the last word, whatever the recipe says."""
    assert version(strategy, fixed="1", version="release-7") == "release-7"
