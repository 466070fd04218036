"""Follows imports through syntax trees to find the modules that use Meta-Prefect."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from meta_prefect.flows.files import python_files
from meta_prefect.flows.syntax import executed, parse, read_source

_RELATIVE = re.compile(rb"\bfrom\s*\.")
_IMPORT_LINE = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([\w.]+)", re.MULTILINE)
_OURS = ("meta_prefect", "deployer_flows")


def uses_meta_prefect(root: Path, extra_packages: Iterable[str] = ()) -> tuple[Path, ...]:
    """Find the modules of a project whose import leads to importing Meta-Prefect, directly or through each other.

    Imports inside functions and under ``if TYPE_CHECKING:`` do not count, because importing the module does not run them. In
    a file with a syntax error, every line that looks like an import counts: if it were skipped, its deployments would appear
    to be deleted.

    Args:
        root: The project's folder.
        extra_packages: Additional packages that count as Meta-Prefect, such as installed ones containing recipes.

    Returns:
        The files, sorted by path.
    """
    root = root.resolve()
    wanted = (*_OURS, *extra_packages)
    modules = _Modules(root, python_files(root))
    using: set[Path] = set()
    # a file can only import what it mentions, so most files need not be parsed
    words = {name.rpartition(".")[2].encode() for name in wanted}
    while words:
        news = {
            file
            for file in modules.mentioning(words)
            if file not in using and any(_counts(imported, wanted, using) for imported in modules.imports(file))
        }
        using |= news
        words = {_last_name(file).encode() for file in news}
    return tuple(sorted(using))


def _counts(imported: str | Path, wanted: tuple[str, ...], using: set[Path]) -> bool:
    if isinstance(imported, Path):
        return imported in using
    return any(imported == name or imported.startswith(f"{name}.") for name in wanted)


def _last_name(file: Path) -> str:
    return file.parent.name if file.name == "__init__.py" else file.stem


class _Modules:
    """The modules of a project, read and parsed on demand."""

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self._root = root
        self._files = frozenset(files)
        self._sources: dict[Path, bytes] = {}
        self._imports: dict[Path, tuple[str | Path, ...]] = {}

    def mentioning(self, words: set[bytes]) -> Iterator[Path]:
        """Yield the files that contain one of the words (``from . import`` refers to a package without its name)."""
        for file in self._files:
            if file not in self._sources:
                source = read_source(file)
                self._sources[file] = b"" if isinstance(source, str) else source
            if any(word in self._sources[file] for word in words) or _RELATIVE.search(self._sources[file]):
                yield file

    def imports(self, file: Path) -> tuple[str | Path, ...]:
        """Return a module's imports: files of the project, and names of other modules."""
        if file not in self._imports:
            names = _imported_names(self._sources[file])
            self._imports[file] = tuple(meaning for name in names for meaning in self._meanings(file, name))
        return self._imports[file]

    def _meanings(self, file: Path, name: str) -> Iterator[str | Path]:
        """Resolve a name in an import. Absolute names are looked up next to the script and in the project's folder."""
        relative = name.lstrip(".")
        dots = len(name) - len(relative)
        parts = relative.split(".") if relative else []
        if dots:
            bases = [file.parents[min(dots, len(file.parents)) - 1]]
        else:
            bases = [file.parent, self._root, self._root / "src"]
            yield name
        for base in bases:
            for length in range(0 if dots else 1, len(parts) + 1):
                package = base.joinpath(*parts[:length])
                candidates = [package / "__init__.py"]
                if length:
                    candidates.append(package.with_name(f"{package.name}.py"))
                yield from (candidate for candidate in candidates if candidate in self._files)


def _imported_names(source: bytes) -> Iterator[str]:
    """Yield the names that are imported when the module is."""
    tree = parse(source)
    if isinstance(tree, str):
        yield from (name.decode() for name in _IMPORT_LINE.findall(source))
    else:
        yield from (name for statement in executed(tree.body) for name in _imported(statement))


def _imported(statement: ast.stmt) -> Iterator[str]:
    """Yield the names in an import statement; relative ones start with their dots."""
    match statement:
        case ast.Import(names=aliases):
            yield from (alias.name for alias in aliases)
        case ast.ImportFrom(module=module, names=aliases, level=level):
            start = "." * level + (module or "")
            yield start
            yield from (f"{start}{'.' if module else ''}{alias.name}" for alias in aliases if alias.name != "*")
        case _:
            pass
