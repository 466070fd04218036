"""Generates the initial files of a custom recipe package."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meta_prefect.errors import TargetError

_TEMPLATE: Final = Path(__file__).parent / "_package_template"
_PLACES: Final = {"ci.yml": ".github/workflows/ci.yml", "gitignore": ".gitignore"}
"""The target paths of files that other tools would misinterpret inside the template."""


@dataclass(frozen=True, slots=True)
class PackageName:
    """The names of a package and its parts.

    Attributes:
        package: The distribution name: ``acme-recipes``.
        team: The team, used in the names of its contents: ``acme``.
    """

    package: str
    team: str

    @property
    def module(self) -> str:
        """The import name: ``acme_recipes``."""
        return self.package.replace("-", "_")

    @property
    def recipe(self) -> str:
        """The name of its recipe."""
        return f"{self.team}_nightly"

    def substitute(self, text: str) -> str:
        """Substitute these names into a template's text."""
        named = text.replace("acme-recipes", self.package).replace("acme_recipes", self.module)
        return named.replace("acme", self.team).replace("Acme", self.team.replace("_", " ").capitalize())


def read_package_name(name: str) -> PackageName:
    """Validate a package name given by the user.

    Raises:
        TargetError: It is not a valid name.
    """
    usable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    team = usable.removesuffix("-recipes").replace("-", "_")
    if name != usable or not usable or usable[0].isdigit() or keyword.iskeyword(usable.replace("-", "_")):
        example = usable if usable and not usable[0].isdigit() and name != usable else "acme-recipes"
        raise TargetError(
            f"{name!r} can be no package's name: that is lower-case letters, digits and single hyphens, a letter first",
            where="--package",
            hint=f"For example {example!r}.",
        )
    return PackageName(usable, team)


def package_files(name: PackageName) -> dict[str, str]:
    """Return the contents of a package's files, by path in its folder."""
    files = sorted(file for file in _TEMPLATE.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    paths = [file.relative_to(_TEMPLATE).as_posix() for file in files]
    return {
        name.substitute(_PLACES.get(path, path)): name.substitute(file.read_text(encoding="utf-8"))
        for path, file in zip(paths, files, strict=True)
    }
