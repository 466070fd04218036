"""Detects relative imports that work here, inside a package, but not on a worker that loads the file by path.

Prefect's loader turns such a file into a package of its own, whose modules are those in the file's folder and the working
directory (``prefect.utilities.importtools.load_script_as_module``): ``from .util import x`` works there, ``from ..util import
x`` does not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from meta_prefect.errors import FlowImportError
from meta_prefect.flows.entrypoints import parse_entrypoint
from meta_prefect.flows.syntax import branches, parse, read_source

_RELATIVE = re.compile(rb"\bfrom\s*\.")

Packages = tuple[tuple[Path, ...], ...]
"""The packages around a module, outermost first: for each, the folders in which its modules are searched."""


def check_loads_by_path(root: Path, entrypoint: str) -> Iterator[FlowImportError]:
    """Find the first import that prevents a worker from loading a file entrypoint.

    Args:
        root: The project's folder, which is the worker's working directory.
        entrypoint: The entrypoint given to the worker; a module entrypoint is loaded with its package and always works.
    """
    parsed = parse_entrypoint(entrypoint)
    if parsed.file is None:
        return
    file = root / parsed.file
    if found := _beyond(file, ((file.parent, root),), set()):
        importing, line, text = found
        place = importing.relative_to(root).as_posix() if importing.is_relative_to(root) else str(importing)
        yield FlowImportError(
            f"a worker cannot load {entrypoint!r}: in a file that is loaded by its path, `{text}` ({place}:{line}) leads nowhere",
            hint=_hint(parsed.file, parsed.attributes),
        )


def _hint(file: str, attributes: Sequence[str]) -> str:
    parts = Path(file).with_suffix("").parts
    if parts[0] == "src" or not all(part.isidentifier() for part in parts):
        return "Import by the full name (`from package.module import …`), and install the package where the flow runs."
    module = ".".join((*parts, *attributes))
    return (
        f"Name the module instead (`entrypoint: {module}`), or import by the full name (`from {parts[0]}.… import …`)."
    )


def _beyond(file: Path, packages: Packages, seen: set[Path]) -> tuple[Path, int, str] | None:
    """Find the first relative import beyond the outermost package, in a module or in one it imports relatively."""
    source = read_source(file)
    if file in seen or isinstance(source, str) or not _RELATIVE.search(source):
        return None
    seen.add(file)
    tree = parse(source)
    if isinstance(tree, str):
        return None  # loading it reports the problem
    for statement in _imports(tree.body):
        if statement.level > len(packages):
            return file, statement.lineno, ast.unparse(statement)
        base = packages[: len(packages) - statement.level + 1]
        meant = list(_meant(statement, base))
        # the outermost package is the flow's file itself: it has modules, but nothing from the folder's __init__.py
        if len(base) == 1 and statement.module is None and len(meant) < len(statement.names):
            return file, statement.lineno, ast.unparse(statement)
        for module, inside in meant:
            if found := _beyond(module, inside, seen):
                return found
    return None


def _imports(body: Sequence[ast.stmt]) -> Iterator[ast.ImportFrom]:
    """Yield the relative imports that run with the module; those in a ``try`` have a fallback."""
    for statement in body:
        if isinstance(statement, ast.ImportFrom) and statement.level:
            yield statement
        if not (isinstance(statement, ast.Try) and statement.handlers):
            for block in branches(statement):
                yield from _imports(block)


def _meant(statement: ast.ImportFrom, base: Packages) -> Iterator[tuple[Path, Packages]]:
    """Yield the files of the modules an import may refer to, each with its package."""
    parts = statement.module.split(".") if statement.module else []
    for names in [parts, *([*parts, alias.name] for alias in statement.names)]:
        packages = base
        for index, name in enumerate(names):
            folder = next((one / name for one in packages[-1] if (one / name / "__init__.py").is_file()), None)
            if folder is not None:
                packages = (*packages, (folder,))
                yield folder / "__init__.py", packages
                continue
            if index == len(names) - 1:
                files = (one / f"{name}.py" for one in packages[-1])
                yield from ((file, packages) for file in files if file.is_file())
            break
