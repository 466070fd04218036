"""List a project's Python files, less what does not belong to it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from meta_prefect.files import read_regular

FOREIGN_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})
SPECIAL_FOLDERS = frozenset({"/dev", "/proc", "/run", "/sys"})
"""Where the kernel shows itself as files, without end and with side effects."""
_MARKS_OF_OTHERS = frozenset({"pyvenv.cfg", "meta_prefect.yaml", "meta_prefect.yml"})


@dataclass(frozen=True)
class _Ignores:
    """The patterns of one ignore file.

    Attributes:
        base: The folder that the patterns are relative to, ending with ``/``.
        patterns: What the file says.
    """

    base: str
    patterns: GitIgnoreSpec

    def verdict(self, path: str) -> bool | None:
        """Say whether a path (folders end with ``/``) is left out, taken back in, or not mentioned (None)."""
        return self.patterns.check_file(path[len(self.base) :]).include


def python_files(root: Path, patterns: Sequence[str] = ()) -> tuple[Path, ...]:
    """List the Python files of a project, sorted by path.

    Left out are files named by ``.prefectignore`` in the project's folder or by any ``.gitignore``, virtual environments,
    hidden folders, ``__pycache__``, ``node_modules``, ``site-packages``, folders with a project file of their own, ``/proc``
    and the like, and what symbolic links point to outside of the project. A file that can be reached in two ways is listed once.

    Args:
        root: The project's folder.
        patterns: Where given, only files that one of them matches are listed; written as in ``.gitignore``
            (``flows/``, ``flows/**/*.py``, ``etl_*.py``), ``!`` before a pattern leaves files out.
    """
    walk = _Walk(os.path.realpath(root))
    files = sorted(walk.files())
    if patterns:
        chosen = _compiled(patterns)
        files = [file for file in files if chosen.match_file(file[len(walk.root) :])]
    return tuple(Path(file) for file in files)


class _Walk:
    """One walk through a project's folder."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/") + "/"
        self._seen: set[str] = set()
        self._links: list[tuple[str, Sequence[_Ignores]]] = []
        self._prefectignore = _read_ignores(self.root, ".prefectignore")

    def files(self) -> Iterator[str]:
        """List the files: what lies in the folder first, then what only a symbolic link leads to."""
        yield from self._folder(self.root, _ignores_above(self.root))
        while self._links:
            link, ignores = self._links.pop(0)
            target = os.path.realpath(link)
            if not target.startswith(self.root) or target in self._seen:
                continue  # outside of the project, dangling into nowhere, or listed already
            if os.path.isdir(target):  # noqa: PTH112 - never raises
                if not self._left_out(f"{link}/", ignores):
                    yield from self._folder(f"{link}/", ignores)
            elif os.path.isfile(target):  # noqa: PTH113
                self._seen.add(target)
                yield link

    def _folder(self, folder: str, ignores: Sequence[_Ignores]) -> Iterator[str]:
        real = os.path.realpath(folder)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return  # a folder that may not be read
        names = {entry.name for entry in entries}
        if real in self._seen or real in SPECIAL_FOLDERS or (folder != self.root and names & _MARKS_OF_OTHERS):
            return
        self._seen.add(real)
        if ".gitignore" in names and folder != self.root and (own := _read_ignores(folder, ".gitignore")):
            ignores = (own, *ignores)
        for entry in entries:
            folder_here = is_folder(entry)
            if not folder_here and not (entry.name.endswith(".py") and _is_file(entry)):
                continue
            path = f"{entry.path}/" if folder_here else entry.path
            if entry.name.startswith(".") or entry.name in FOREIGN_FOLDERS or self._left_out(path, ignores):
                continue
            if entry.is_symlink():
                self._links.append((entry.path, ignores))
            elif folder_here:
                yield from self._folder(path, ignores)
            elif (real_path := f"{real}/{entry.name}") not in self._seen:
                self._seen.add(real_path)
                yield path

    def _left_out(self, path: str, ignores: Sequence[_Ignores]) -> bool:
        """Ask the ignore files, the nearest one first: the first that mentions a path decides."""
        for one in (self._prefectignore, *ignores):
            if one is not None and (verdict := one.verdict(path)) is not None:
                return verdict
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Say whether an entry is a folder; what cannot be looked at, such as a link onto itself, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _ignores_above(root: str) -> tuple[_Ignores, ...]:
    """Read the ``.gitignore`` of the project's folder and of those above, up to the top of the repository.

    A project that lies in an ignored folder was chosen on purpose, so what ignores the whole of it does not count.
    """
    found: list[_Ignores] = []
    for folder in (Path(root), *Path(root).parents):
        base = str(folder).rstrip("/") + "/"
        one = _read_ignores(base, ".gitignore")
        if one and (base == root or not one.verdict(root)):
            found.append(one)
        if (folder / ".git").exists():
            return tuple(found)
    return tuple(one for one in found if one.base == root)  # no repository: files above say nothing


def _read_ignores(folder: str, name: str) -> _Ignores | None:
    try:
        text = read_regular(Path(folder, name)).decode(errors="replace")
    except OSError:
        return None
    return _Ignores(folder, _compiled(text.splitlines()))


def _compiled(lines: Sequence[str]) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:  # git passes over a pattern that makes no sense
        return GitIgnoreSpec.from_lines([line for line in lines if _makes_sense(line)])


def _makes_sense(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
