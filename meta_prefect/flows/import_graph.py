"""Follow imports in the syntax tree, to find the modules that use Meta-Prefect."""

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
    """Find the modules of a project that import Meta-Prefect when they are imported, directly or through each other.

    Imports inside of functions and below ``if TYPE_CHECKING:`` do not count: importing the module does not run them. A file that
    is no valid Python counts by the lines that look like imports: overlooked, its deployments would seem to be gone.

    Args:
        root: The project's folder.
        extra_packages: More packages that count as Meta-Prefect, such as installed ones that hold recipes.

    Returns:
        The files, sorted by path.
    """
    root = root.resolve()
    wanted = (*_OURS, *extra_packages)
    modules = _Modules(root, python_files(root))
    using: set[Path] = set()
    # a file can only import what it mentions, so that most files need not be parsed
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
    """The modules of a project, read and parsed as far as they are asked for."""

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self._root = root
        self._files = frozenset(files)
        self._sources: dict[Path, bytes] = {}
        self._imports: dict[Path, tuple[str | Path, ...]] = {}

    def mentioning(self, words: set[bytes]) -> Iterator[Path]:
        """List the files in whose text one of some words stands (``from . import`` mentions a package without its name)."""
        for file in self._files:
            if file not in self._sources:
                source = read_source(file)
                self._sources[file] = b"" if isinstance(source, str) else source
            if any(word in self._sources[file] for word in words) or _RELATIVE.search(self._sources[file]):
                yield file

    def imports(self, file: Path) -> tuple[str | Path, ...]:
        """List what a module imports: files of the project, and names of other modules."""
        if file not in self._imports:
            names = _imported_names(self._sources[file])
            self._imports[file] = tuple(meaning for name in names for meaning in self._meanings(file, name))
        return self._imports[file]

    def _meanings(self, file: Path, name: str) -> Iterator[str | Path]:
        """Say what a name in an import can mean. Absolute ones are looked for beside the script and from the project's folder."""
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
    """List the names that a module imports when it is imported."""
    tree = parse(source)
    if isinstance(tree, str):
        yield from (name.decode() for name in _IMPORT_LINE.findall(source))
    else:
        yield from (name for statement in executed(tree.body) for name in _imported(statement))


def _imported(statement: ast.stmt) -> Iterator[str]:
    """List the names in an import; relative ones begin with their dots."""
    match statement:
        case ast.Import(names=aliases):
            yield from (alias.name for alias in aliases)
        case ast.ImportFrom(module=module, names=aliases, level=level):
            start = "." * level + (module or "")
            yield start
            yield from (f"{start}{'.' if module else ''}{alias.name}" for alias in aliases if alias.name != "*")
        case _:
            pass
