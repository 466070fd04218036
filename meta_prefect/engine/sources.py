"""Checks a project by its sources alone, where its code must not run: a pull request from a fork, next to secrets.

Neither flows nor recipes of the project are imported, variables are not filled from the environment, and Prefect is loaded in
a folder where the project has no settings for it: a ``prefect.toml`` could name code to run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from meta_prefect.errors import ConfigurationError, RecipeError, ValidationFailed, nearest
from meta_prefect.flows.files import python_files
from meta_prefect.flows.lookup import check_entrypoint, choose_flow
from meta_prefect.flows.scan import find_flows
from meta_prefect.flows.syntax import bound_names, executed, parse, read_source
from meta_prefect.project import (
    Entry,
    Project,
    ProjectPart,
    check_searchable,
    read_project,
    refers_to_environment,
)

if TYPE_CHECKING:
    from meta_prefect.recipes.recipe import Recipe

_GROUP: Final = "meta_prefect.recipes"


@dataclass(frozen=True, slots=True)
class SourcesChecked:
    """The result of checking a project's sources without finding errors.

    Attributes:
        environment: The environment checked.
        entries: The flow and recipe of each deployment that the project file requests there.
        unchecked: What could be checked only by running the project's code.
    """

    environment: str
    entries: tuple[tuple[str, str], ...]
    unchecked: tuple[str, ...]


def check_sources(path: Path, environment: str, wanted: Callable[[str], bool]) -> SourcesChecked:
    """Check a project as far as possible without running any of its code.

    Args:
        path: The project's folder, or a file in it.
        environment: The environment.
        wanted: Returns whether a flow is selected, by its name.

    Raises:
        ValidationFailed: All errors found.
    """
    project = read_project(path.resolve(), required=False)
    if not project.file.exists():
        try:
            check_searchable(project.root)
        except ConfigurationError as error:
            raise ValidationFailed([error]) from None
    found = _Found(project, environment)
    with _elsewhere():
        for part in project.parts:
            found.check(part, wanted)
    if project.policies:
        found.unchecked.append("policies: they judge finished deployments")
    if found.errors:
        raise ValidationFailed(found.errors)
    return SourcesChecked(environment, tuple(found.entries), tuple(found.unchecked))


@contextmanager
def _elsewhere() -> Generator[None]:
    """Change to a folder that the project cannot have written to."""
    with tempfile.TemporaryDirectory() as empty, chdir(empty):
        yield


@dataclass(slots=True)
class _Found:
    """The findings so far."""

    project: Project
    environment: str
    entries: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    errors: list[ConfigurationError] = field(default_factory=list[ConfigurationError])
    unchecked: list[str] = field(default_factory=list[str])

    def check(self, part: ProjectPart, wanted: Callable[[str], bool]) -> None:
        """Check a part of the project."""
        flows = find_flows(part.root)
        for entry in part.entries:
            if not (wanted(entry.flow) and entry.counts_in(self.environment)):
                continue
            self.entries.append((entry.flow, entry.recipe))
            try:
                if entry.entrypoint is not None:
                    check_entrypoint(part.root, entry.entrypoint, where=entry.locate("entrypoint"))
                else:
                    choose_flow(flows, entry.flow, where=entry.where)
            except ConfigurationError as error:
                self.errors.append(error)
            try:
                self._check_variables(entry, part)
            except ConfigurationError as error:
                self.errors.append(error)
        self.unchecked += [
            f"{self.project.place(path, part)}: flows here may carry builders, which are code"
            for path in _importing_us(part.root, part.recipes)
        ]

    def _check_variables(self, entry: Entry, part: ProjectPart) -> None:
        from meta_prefect.recipes.layers import layered
        from meta_prefect.recipes.variables import check_variables

        recipe = _installed(entry, self._names_in_modules(part), self.project.root)
        if recipe is None:
            self.unchecked.append(f"{entry.where}: the recipe {entry.recipe!r} is code of the project")
            return
        described = self.project.environments.find(self.environment)
        written = layered(entry, self.environment, described, recipe.variables_model)
        if refers_to_environment(written.values):
            self.unchecked.append(f"{entry.where}: its variables name environment variables")
            return
        checked = check_variables(recipe.variables_model, written.values, recipe.recipe_name, written.locate)
        if isinstance(checked, list):
            self.errors.extend(checked)

    def _names_in_modules(self, part: ProjectPart) -> set[str]:
        """Return the names bound by recipe modules; ``*`` if one of them is not a file of the project or cannot be read."""
        names: set[str] = set()
        for one in {self.project.root: self.project, part.root: part}.values():
            for module in one.recipes:
                file = one.root.joinpath(*module.split("."))
                file = next((it for it in (file.with_suffix(".py"), file / "__init__.py") if it.is_file()), file)
                source = read_source(file) if file.is_file() else ""
                tree = parse(source) if isinstance(source, bytes) else source
                names |= (
                    {"*"}
                    if isinstance(tree, str)
                    else {name for statement in executed(tree.body) for name in bound_names(statement)}
                )
        return names


def _installed(entry: Entry, own: set[str], root: Path) -> Recipe | None:
    """Return an entry's recipe if an installed package provides it; None if it is the project's own.

    Raises:
        RecipeError: There is no such recipe.
    """
    points: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=_GROUP)}
    point = points.get(entry.recipe)
    if point is None and "." not in entry.recipe and own.isdisjoint({"*", entry.recipe}):
        raise RecipeError(
            f"there is no recipe {entry.recipe!r}",
            where=entry.locate("recipe"),
            hint=nearest(entry.recipe, points.keys() | own),
        )
    if point is None or entry.recipe in own or _lies_in(root, point.module):
        return None
    from meta_prefect.recipes.registry import Recipes

    return Recipes().find(entry.recipe, where=entry.locate("recipe"))


def _lies_in(root: Path, module: str) -> bool:
    """Return whether an installed package is part of the repository, and so runs from there."""
    spec = find_spec(module.partition(".")[0])
    top = next((one for one in (root, *root.parents) if (one / ".git").exists()), root)
    return spec is None or spec.origin is None or Path(spec.origin).resolve().is_relative_to(top)


def _importing_us(root: Path, recipes: Sequence[str]) -> list[str]:
    """Return the files of flows that use Meta-Prefect, except recipe modules, which are reported with their entries."""
    from meta_prefect.flows import uses_meta_prefect

    modules = {root.joinpath(*name.split(".")).with_suffix(".py") for name in recipes}
    known = set(python_files(root)) - modules
    return [file.relative_to(root).as_posix() for file in uses_meta_prefect(root) if file in known]
