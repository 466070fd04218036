"""Flow entrypoints (``path.py:function`` and ``package.module.function``) and the files they refer to."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from meta_prefect.errors import FlowNotFoundError
from meta_prefect.files import is_regular, place_in

_INSTALLED_FOLDERS: Final = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True)
class Entrypoint:
    """A parsed flow entrypoint. Exactly one of file and module is set.

    Attributes:
        text: The entrypoint as written.
        file: The path before the colon, as written.
        module: The module's dotted name.
        attributes: The attribute path from the module to the flow, for example ``("Reports", "daily")``.
    """

    text: str
    file: str | None
    module: str | None
    attributes: tuple[str, ...]


def parse_entrypoint(text: str, *, where: str | None = None) -> Entrypoint:
    """Parse an entrypoint.

    Accepts ``path.py:function``, ``path.py:Class.method``, ``package.module.function`` and ``package.module:Class.method``.

    Raises:
        FlowNotFoundError: The text has none of these forms.
    """
    separator = ":" if ":" in text else "."
    place, _, attributes = text.rpartition(separator)
    names = tuple(attributes.split("."))
    is_file = separator == ":" and place.endswith(".py")
    dotted = () if is_file else tuple(place.split("."))
    if not place or not all(name.isidentifier() for name in (*names, *dotted)):
        hint = f"Write '{text}:function'." if text.endswith(".py") else None
        raise FlowNotFoundError(
            f"{text!r} is not an entrypoint",
            where=where,
            hint=hint or "Write 'folder/file.py:function' or 'package.module.function'.",
        )
    return Entrypoint(text, place if is_file else None, None if is_file else place, names)


def file_in_project(root: Path, path: str, *, where: str | None = None) -> Path:
    """Find a file of a project.

    Args:
        root: The project's folder, resolved.
        path: The path relative to ``root``, or an absolute one below it.
        where: What refers to the file, for error messages.

    Returns:
        The file as a path below ``root``; symbolic links in it are kept.

    Raises:
        FlowNotFoundError: The file does not exist or is outside the project, also after resolving symbolic links.
    """
    file = place_in(root, path)
    if file is None:
        raise FlowNotFoundError(
            f"{path!r} lies outside of the project's folder {root}",
            where=where,
            hint="Code is only taken from the project; move the file, or name a module of an installed package.",
        )
    if not is_regular(file):
        raise FlowNotFoundError(f"there is no file {path!r} in {root}", where=where)
    return file


def check_module(root: Path, name: str, *, where: str | None = None) -> None:
    """Check that a module named by a project is its own or an installed one.

    Args:
        root: The project's folder, resolved.
        name: The dotted name.
        where: What refers to the module, for error messages.

    Raises:
        FlowNotFoundError: A symbolic link in the project leads to it, outside the project.
    """
    file = find_module(root, name)
    if file is None or not file.is_relative_to(root) or place_in(root, file) is not None:
        return
    if not _INSTALLED_FOLDERS.isdisjoint(file.parts):
        return  # installers symlink the files of packages
    raise FlowNotFoundError(
        f"the module {name!r} lies outside of the project's folder {root}: {file.relative_to(root)} leads there",
        where=where,
        hint="Code is only taken from the project; move the file, or name a module of an installed package.",
    )


def find_module(root: Path, name: str) -> Path | None:
    """Find the file of a module, first in the project, then among installed packages, without importing anything.

    Args:
        root: The project's folder, resolved.
        name: The dotted name.
    """
    top, *rest = name.split(".")
    spec = PathFinder.find_spec(top, [str(root)])
    if spec is None or spec.origin is None:  # namespace package: counts only if no package of that name is installed
        spec = _installed(top) or spec
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(part, list(spec.submodule_search_locations))
    origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _installed(top: str) -> ModuleSpec | None:
    try:
        return find_spec(top)  # imports nothing, since the name is top-level
    except (ImportError, ValueError):
        return None
