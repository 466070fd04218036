"""Lists a project's Python files, excluding those that do not belong to it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from meta_prefect.files import read_regular

FOREIGN_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})
SPECIAL_FOLDERS = frozenset({"/dev", "/proc", "/run", "/sys"})
"""Kernel file systems, which never end and have side effects."""
_MARKS_OF_OTHERS = frozenset({"pyvenv.cfg", "meta_prefect.yaml", "meta_prefect.yml"})


@dataclass(frozen=True)
class _Ignores:
    """The patterns of one ignore file.

    Attributes:
        base: The folder that the patterns are relative to, ending with ``/``.
        patterns: Its patterns.
    """

    base: str
    patterns: GitIgnoreSpec

    def verdict(self, path: str) -> bool | None:
        """Return whether a path (folders end with ``/``) is ignored (True), re-included (False) or not matched (None)."""
        return self.patterns.check_file(path[len(self.base) :]).include


def python_files(root: Path, patterns: Sequence[str] = ()) -> tuple[Path, ...]:
    """List the Python files of a project, sorted by path.

    Excluded are files matched by ``.prefectignore`` in the project's folder or by any ``.gitignore``, virtual environments,
    hidden folders, ``__pycache__``, ``node_modules``, ``site-packages``, folders with their own project file, ``/proc`` and
    the like, and symbolic links out of the project. A file reachable by several paths is listed once.

    Args:
        root: The project's folder.
        patterns: If given, only files matching one of them are listed; ``.gitignore`` syntax (``flows/``, ``flows/**/*.py``,
            ``etl_*.py``), where a leading ``!`` excludes files.
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
        """Yield the files: first those in the folder, then those reachable only through a symbolic link."""
        yield from self._folder(self.root, _ignores_above(self.root))
        while self._links:
            link, ignores = self._links.pop(0)
            target = os.path.realpath(link)
            if not target.startswith(self.root) or target in self._seen:
                continue  # outside the project, dangling, or already listed
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
            return  # an unreadable folder
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
        """Consult the ignore files, innermost first; the first that matches a path decides."""
        for one in (self._prefectignore, *ignores):
            if one is not None and (verdict := one.verdict(path)) is not None:
                return verdict
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder; one that cannot be inspected, such as a link to itself, is not."""
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
    """Read the ``.gitignore`` of the project's folder and of its parents, up to the root of the repository.

    A project inside an ignored folder was chosen on purpose, so patterns that ignore it as a whole are skipped.
    """
    found: list[_Ignores] = []
    for folder in (Path(root), *Path(root).parents):
        base = str(folder).rstrip("/") + "/"
        one = _read_ignores(base, ".gitignore")
        if one and (base == root or not one.verdict(root)):
            found.append(one)
        if (folder / ".git").exists():
            return tuple(found)
    return tuple(one for one in found if one.base == root)  # not a repository: parents' files do not apply


def _read_ignores(folder: str, name: str) -> _Ignores | None:
    try:
        text = read_regular(Path(folder, name)).decode(errors="replace")
    except OSError:
        return None
    return _Ignores(folder, _compiled(text.splitlines()))


def _compiled(lines: Sequence[str]) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:  # git skips invalid patterns
        return GitIgnoreSpec.from_lines([line for line in lines if _makes_sense(line)])


def _makes_sense(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
