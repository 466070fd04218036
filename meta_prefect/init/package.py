"""A package of recipes of one's own: the files with which it begins."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meta_prefect.errors import TargetError

_TEMPLATE: Final = Path(__file__).parent / "_package_template"
_PLACES: Final = {"ci.yml": ".github/workflows/ci.yml", "gitignore": ".gitignore"}
"""Where files belong that would mean something to others where the template is."""


@dataclass(frozen=True, slots=True)
class PackageName:
    """What a package and its parts are called.

    Attributes:
        package: As it is installed: ``acme-recipes``.
        team: Whose it is, in the names of what it offers: ``acme``.
    """

    package: str
    team: str

    @property
    def module(self) -> str:
        """As it is imported: ``acme_recipes``."""
        return self.package.replace("-", "_")

    @property
    def recipe(self) -> str:
        """Its recipe."""
        return f"{self.team}_nightly"

    def in_place_of(self, text: str) -> str:
        """A text of the template with these names."""
        named = text.replace("acme-recipes", self.package).replace("acme_recipes", self.module)
        return named.replace("acme", self.team).replace("Acme", self.team.replace("_", " ").capitalize())


def read_package_name(name: str) -> PackageName:
    """Check the name that somebody gives a package.

    Raises:
        TargetError: It can be none.
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
    """The texts of a package's files, by path in its folder."""
    files = sorted(file for file in _TEMPLATE.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    paths = [file.relative_to(_TEMPLATE).as_posix() for file in files]
    return {
        name.in_place_of(_PLACES.get(path, path)): name.in_place_of(file.read_text(encoding="utf-8"))
        for path, file in zip(paths, files, strict=True)
    }
