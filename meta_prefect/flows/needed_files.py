"""Determines which files of a project a flow needs to be importable: its own, and those it imports unconditionally."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from meta_prefect.flows.entrypoints import find_module, parse_entrypoint
from meta_prefect.flows.syntax import branches, parse, read_source


def file_of(root: Path, entrypoint: str) -> Path | None:
    """Return the file an entrypoint refers to, if it is part of the project."""
    parsed = parse_entrypoint(entrypoint)
    file = root / parsed.file if parsed.file is not None else find_module(root, parsed.module or "")
    return file if file is not None and file.is_relative_to(root) else None


def needed_files(root: Path, file: Path) -> frozenset[Path]:
    """Return the files of a project that are imported along with one of its files, including that file.

    Args:
        root: The project's folder, which is the worker's working directory.
        file: The file of a flow.
    """
    needed: set[Path] = set()
    to_read = [file]
    while to_read:
        one = to_read.pop()
        if one in needed:
            continue
        needed.add(one)
        source = read_source(one)
        tree = parse(source) if isinstance(source, bytes) else source
        if not isinstance(tree, str):
            to_read += [
                found
                for statement in _imports(tree.body)
                for bases, names in _named(statement, one, (file.parent, root))
                for found in _files(bases, names)
            ]
    return frozenset(needed)


def _imports(body: Sequence[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that run with a module; imports in a ``try`` are skipped, because they have a fallback."""
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        if not (isinstance(statement, ast.Try) and statement.handlers):
            for block in branches(statement):
                yield from _imports(block)


def _named(
    statement: ast.Import | ast.ImportFrom, file: Path, places: tuple[Path, ...]
) -> Iterator[tuple[tuple[Path, ...], list[str]]]:
    """Yield the modules an import may refer to, each with the folders to search."""
    if isinstance(statement, ast.Import):
        yield from ((places, alias.name.split(".")) for alias in statement.names)
        return
    bases = (file.parents[statement.level - 1],) if 0 < statement.level <= len(file.parents) else places
    module = statement.module.split(".") if statement.module else []
    yield from ((bases, [*module, alias.name]) for alias in statement.names)


def _files(bases: Sequence[Path], names: Sequence[str]) -> Iterator[Path]:
    """Yield the existing files of a module and of the packages around it."""
    around = [one for one in bases if (one / names[0]).is_dir() or (one / f"{names[0]}.py").is_file()]
    if not around:
        return
    base = around[0]
    for name in names:
        package, module = base / name / "__init__.py", base / f"{name}.py"
        if package.is_file():
            yield package
        elif module.is_file():
            yield module
            return
        base /= name
