"""Finding recipes: installed ones, the project's own, and any by its path."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from deployer_flows import local_run_deployer
from meta_prefect.errors import ConflictError, RecipeError
from meta_prefect.implementations.metadata import namer
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import Recipe, recipe
from meta_prefect.recipes.registry import Recipes


def a_recipe() -> Recipe:
    """A recipe of the project's own."""

    @recipe
    def nightly(name: str) -> FlowBuilderInterface:
        return namer(name=name)

    return nightly


def modules(**contents: dict[str, object]) -> Callable[[str], ModuleType]:
    """A way to load modules that are made of names and values."""

    def load(name: str) -> ModuleType:
        if name not in contents:
            raise ModuleNotFoundError(f"No module named {name!r}")
        module = ModuleType(name)
        vars(module).update(contents[name])
        return module

    return load


Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package that offers recipes: its name, and the lines of its entry points."""

    def make(package: str, lines: str) -> None:
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[meta_prefect.recipes]\n{lines}\n")

    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return make


def test_installed_recipes_are_found_by_name() -> None:
    """Our own are installed like everybody's, by entry point."""
    recipes = Recipes()

    assert {"decorated_flow_deployer", "local_run_deployer"} <= set(recipes.names)
    assert recipes.find("local_run_deployer", where="") is local_run_deployer
    assert {recipe.recipe_name for recipe in recipes.all()} == set(recipes.names)


def test_an_expert_s_package_offers_recipes(install: Install) -> None:
    """Any installed package can; the name is the entry point's."""
    install("acme-recipes", "acme_deployer = deployer_flows.local_run:local_run_deployer")

    assert Recipes().find("acme_deployer", where="") is local_run_deployer


def test_the_projects_own_recipes_are_found_by_name() -> None:
    """A recipe in one of the project's modules is found by its name there."""
    own = a_recipe()
    recipes = Recipes(["recipes"], modules(recipes={"nightly": own, "other": 3}))

    assert recipes.find("nightly", where="") is own
    assert "other" not in recipes.names


def test_a_name_that_an_installed_package_offers_too_is_a_conflict() -> None:
    """A recipe of the project does not silently take the place of an installed one; both origins are named."""
    with pytest.raises(ConflictError, match=r"(?s)module recipes: .*deployer_flows\.local_run\.local_run_deployer"):
        Recipes(["recipes"], modules(recipes={"local_run_deployer": a_recipe()}))


def test_a_recipe_by_its_path() -> None:
    """A dotted path needs no entry point."""
    found = Recipes().find("deployer_flows.local_run.local_run_deployer", where="")

    assert found is local_run_deployer


def test_one_recipe_under_two_modules_is_no_conflict() -> None:
    """A module may import a recipe from another one."""
    own = a_recipe()
    recipes = Recipes(["a", "b"], modules(a={"nightly": own}, b={"nightly": own}))

    assert recipes.find("nightly", where="") is own


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "local_run_deploier",
            "there is no recipe 'local_run_deploier'\n  Did you mean 'local_run_deployer'?",
            id="misspelt",
        ),
        pytest.param("zzz", "there is no recipe 'zzz'\n  Known: decorated_flow_deployer, ", id="unknown"),
        pytest.param(
            "no_such.module.deployer",
            "cannot load the recipe 'no_such.module.deployer': ModuleNotFoundError: No module named 'no_such'",
            id="no such module",
        ),
        pytest.param(
            "deployer_flows.local_run.local_run",
            "the module deployer_flows.local_run has no recipe 'local_run'\n  Did you mean 'local_run_deployer'?",
            id="no such recipe in the module",
        ),
        pytest.param(
            "meta_prefect.errors.nearest",
            "'meta_prefect.errors.nearest' is <function nearest",
            id="something else",
        ),
    ],
)
def test_what_is_not_there(name: str, message: str) -> None:
    """The error has the place that asks, and the name that was probably meant."""
    with pytest.raises(RecipeError) as refused:
        Recipes().find(name, where="meta_prefect.yaml:3")
    assert str(refused.value).startswith(f"meta_prefect.yaml:3: {message}")


def test_a_module_that_cannot_be_loaded() -> None:
    """Whatever an expert's module raises is reported with the recipe's name."""

    def load(name: str) -> ModuleType:
        raise ZeroDivisionError("division by zero")

    with pytest.raises(
        RecipeError, match=r"cannot load the recipe 'acme\.deployer': ZeroDivisionError: division by zero"
    ):
        Recipes(load=load).find("acme.deployer", where="")


@pytest.mark.parametrize("value", ["no_such_module:deployer", "deployer_flows:no_such_recipe"])
def test_an_entry_point_that_leads_nowhere(install: Install, value: str) -> None:
    """The package that offers it is named."""
    install("acme-recipes", f"acme_deployer = {value}")

    with pytest.raises(RecipeError, match=r"'acme_deployer', which .* of acme-recipes offers"):
        Recipes().find("acme_deployer", where="")


def test_two_packages_with_one_name(install: Install) -> None:
    """The conflict names both origins, when the name is asked for; a path is still a way out."""
    install("acme-recipes", "deployer = deployer_flows.local_run:local_run_deployer")
    install("other-recipes", "deployer = deployer_flows.decorated_flows:decorated_flow_deployer")
    recipes = Recipes()

    with pytest.raises(ConflictError) as refused:
        recipes.find("deployer", where="meta_prefect.yaml:3")
    assert "deployer_flows.local_run.local_run_deployer of acme-recipes" in refused.value.message
    assert "deployer_flows.decorated_flows.decorated_flow_deployer of other-recipes" in refused.value.message
    assert recipes.find("deployer_flows.local_run.local_run_deployer", where="") is local_run_deployer


def test_two_modules_with_one_name() -> None:
    """Two different recipes of one name in the project's modules are a conflict that names both modules."""
    with pytest.raises(ConflictError, match="recipe module b: holds a recipe 'nightly', and so does"):
        Recipes(["a", "b"], modules(a={"nightly": a_recipe()}, b={"nightly": a_recipe()}))


def test_a_module_without_recipes() -> None:
    """Naming a module that holds none is a mistake."""
    with pytest.raises(RecipeError, match="recipe module empty: holds no recipe"):
        Recipes(["empty"], modules(empty={}))
