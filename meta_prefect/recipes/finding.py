"""Finding recipes by name: installed ones, the project's own, and any by its dotted path."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterable
from types import ModuleType

from meta_prefect.errors import ConflictError, RecipeError, nearest
from meta_prefect.recipes.recipe import Recipe

ENTRY_POINT_GROUP = "meta_prefect.recipes"
"""The entry-point group under which a package offers recipes by name."""


class Recipes:
    """The recipes that a project may name.

    Args:
        modules: The project's own recipe modules, which come before installed ones of the same name.
        load: Imports a module; a project's own modules are found from its folder.

    Raises:
        ConflictError: Two of the project's modules hold different recipes of one name.
    """

    def __init__(
        self, modules: Iterable[str] = (), load: Callable[[str], ModuleType] = importlib.import_module
    ) -> None:
        self._load = load
        self._installed = {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)}
        self._own: dict[str, Recipe] = {}
        for module in modules:
            self._collect(module)

    def _collect(self, name: str) -> None:
        found = {key: value for key, value in vars(self._load(name)).items() if isinstance(value, Recipe)}
        if not found:
            raise RecipeError(
                "holds no recipe", where=f"recipe module {name}", hint="Decorate a function with `@recipe`."
            )
        for key, recipe in found.items():
            known = self._own.setdefault(key, recipe)
            if known is not recipe:
                raise ConflictError(
                    f"holds a recipe {key!r}, and so does {known.function.__module__}",
                    where=f"recipe module {name}",
                    hint="Rename one of them.",
                )

    @property
    def names(self) -> list[str]:
        """All names that can be asked for."""
        return sorted(self._own.keys() | self._installed.keys())

    def find(self, name: str, *, where: str) -> Recipe:
        """Find a recipe.

        Args:
            name: Its name, or its dotted path ``package.module.recipe``.
            where: Who asks, for the message.

        Raises:
            RecipeError: There is none of that name, or it cannot be loaded.
        """
        if name in self._own:
            return self._own[name]
        if name in self._installed:
            return self._checked(self._installed[name].load(), name, where)
        module, _, attribute = name.rpartition(".")
        if module:
            try:
                found: object = getattr(self._load(module), attribute, None)
            except ModuleNotFoundError as error:
                raise RecipeError(f"cannot load the recipe {name!r}: {error}", where=where) from error
            return self._checked(found, name, where)
        raise RecipeError(f"there is no recipe {name!r}", where=where, hint=nearest(name, self.names))

    def _checked(self, found: object, name: str, where: str) -> Recipe:
        if not isinstance(found, Recipe):
            raise RecipeError(f"{name!r} is {found!r}, not a recipe", where=where, hint=nearest(name, self.names))
        return found

    def all(self) -> list[Recipe]:
        """All of them, by name."""
        return [self.find(name, where="recipes") for name in self.names]
