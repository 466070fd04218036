"""Finds recipes by name: installed ones, the project's own, and any by its dotted path."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint
from types import ModuleType

from meta_prefect.errors import ConfigurationError, ConflictError, RecipeError, nearest
from meta_prefect.recipes.recipe import Recipe

ENTRY_POINT_GROUP = "meta_prefect.recipes"
"""The entry-point group of packages that provide recipes."""


class Recipes:
    """The recipes available to a project.

    Args:
        modules: The project's own recipe modules.
        load: Imports a module; a project's own modules are found in its folder.
        shared: Additional recipes; for a part of a project, those of the project's own file.

    Raises:
        ConflictError: Two of the project's modules, or one of them and an installed package, define different recipes with
            the same name.
    """

    def __init__(
        self,
        modules: Iterable[str] = (),
        load: Callable[[str], ModuleType] = importlib.import_module,
        shared: Recipes | None = None,
    ) -> None:
        self._load = load
        self._installed: dict[str, list[EntryPoint]] = {}
        for point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
            self._installed.setdefault(point.name, []).append(point)
        self._own: dict[str, Recipe] = {} if shared is None else dict(shared._own)
        for module in modules:
            self._collect(module)

    def _collect(self, name: str) -> None:
        found = {key: value for key, value in vars(self._load(name)).items() if isinstance(value, Recipe)}
        if not found:
            raise RecipeError(
                "holds no recipe", where=f"recipe module {name}", hint="Decorate a function with `@recipe`."
            )
        for key, recipe in found.items():
            for point in self._installed.get(key, ()):
                if point.module != recipe.function.__module__:
                    raise ConflictError(
                        f"holds a recipe {key!r}, and so does an installed package: {_origin(point)}",
                        where=f"recipe module {name}",
                        hint="Rename yours.",
                    )
            known = self._own.setdefault(key, recipe)
            if known is not recipe:
                raise ConflictError(
                    f"holds a recipe {key!r}, and so does {known.function.__module__}",
                    where=f"recipe module {name}",
                    hint="Rename one of them.",
                )

    @property
    def packages(self) -> set[str]:
        """The installed packages that provide recipes."""
        points = [point for same_name in self._installed.values() for point in same_name]
        return {point.module.partition(".")[0] for point in points}

    def offered_by(self, package: str) -> list[str]:
        """Return the names of the recipes that an installed package provides.

        Raises:
            RecipeError: It provides none.
        """
        by_package: dict[str, list[str]] = {}
        for name, points in self._installed.items():
            for point in points:
                by_package.setdefault(point.dist.name if point.dist is not None else "", []).append(name)
        if package not in by_package:
            hint = nearest(package, by_package)
            raise RecipeError(f"no installed package {package!r} offers recipes", where="--package", hint=hint)
        return sorted(by_package[package])

    @property
    def own(self) -> list[Recipe]:
        """The project's own recipes, by name."""
        return [self._own[name] for name in sorted(self._own)]

    @property
    def names(self) -> list[str]:
        """All available names."""
        return sorted(self._own.keys() | self._installed.keys())

    def find(self, name: str, *, where: str) -> Recipe:
        """Find a recipe.

        Args:
            name: Its name, or its dotted path ``package.module.recipe``.
            where: What refers to the recipe, for error messages.

        Raises:
            RecipeError: There is no such recipe, or it cannot be loaded.
            ConflictError: Two installed packages provide different recipes with this name.
        """
        if name in self._own:
            return self._own[name]
        if name in self._installed:
            return self._load_installed(name, where)
        module, _, attribute = name.rpartition(".")
        if not module:
            raise RecipeError(f"there is no recipe {name!r}", where=where, hint=nearest(name, self.names))
        try:
            loaded = self._load(module)
        except ConfigurationError as error:
            error.where = error.where or where
            raise
        except Exception as error:
            raise _not_loaded(name, error, where) from error
        if not hasattr(loaded, attribute):
            recipes = [key for key, value in vars(loaded).items() if isinstance(value, Recipe)]
            raise RecipeError(
                f"the module {module} has no recipe {attribute!r}", where=where, hint=nearest(attribute, recipes)
            )
        return _checked(getattr(loaded, attribute), name, where)

    def _load_installed(self, name: str, where: str) -> Recipe:
        point, *others = self._installed[name]
        for other in others:
            if other.value != point.value:
                raise ConflictError(
                    f"two installed packages offer a recipe {name!r}: {_origin(point)} and {_origin(other)}",
                    where=where,
                    hint=f"Name the one that is meant by its path, for example {_path(point)!r}.",
                )
        try:
            found: object = point.load()
        except Exception as error:
            raise _not_loaded(name, error, where, _origin(point)) from error
        return _checked(found, name, where)

    def all(self) -> list[Recipe]:
        """Return all recipes, by name."""
        return [self.find(name, where="recipes") for name in self.names]


def _checked(found: object, name: str, where: str) -> Recipe:
    if not isinstance(found, Recipe):
        raise RecipeError(
            f"{name!r} is {found!r}, not a recipe", where=where, hint="Decorate a function with `@recipe`."
        )
    return found


def _not_loaded(name: str, error: Exception, where: str, origin: str | None = None) -> RecipeError:
    offered = f", which {origin} offers" if origin else ""
    return RecipeError(f"cannot load the recipe {name!r}{offered}: {type(error).__name__}: {error}", where=where)


def _origin(point: EntryPoint) -> str:
    package = point.dist.name if point.dist is not None else "an unknown package"
    return f"{_path(point)} of {package}"


def _path(point: EntryPoint) -> str:
    return point.value.replace(":", ".")
