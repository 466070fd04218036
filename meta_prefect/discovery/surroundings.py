"""What importing a project's modules may depend on besides the modules themselves, as digests that can be compared."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from meta_prefect.discovery.files import FOREIGN_FOLDERS

MOST_FILES = 5_000
"""A project with more files is not remembered: looking at them would take longer than what it saves."""

_READ_WHOLE = 64 * 1024
"""Files up to this size count by their content, larger ones (data) by size and time. Python files always by their content."""

_UNREAD_NAMES = frozenset(
    {
        # Where the shell and the terminal are; a module that asks for the folder gets it from the process, which counts.
        "SHLVL", "_", "PWD", "OLDPWD", "COLUMNS", "LINES", "WINDOWID", "STY", "TMUX", "TMUX_PANE", "GPG_TTY",
        # Which session or which start of a service this is.
        "XDG_SESSION_ID", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID",
    }
)  # fmt: skip
_UNREAD_PREFIXES = (
    "TERM",  # the terminal, and the session in it
    "SSH_",  # the connection somebody came by
    "PREFECT__",  # which flow run this is
)


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """The files of a project at one moment.

    Attributes:
        names: Their paths, absolute.
        digest: What changes with any of their contents and names.
    """

    names: frozenset[str]
    digest: str


def project_files(root: Path) -> ProjectFiles | None:
    """Look at all files of a project, ignored ones too, since modules may import and read them.

    Left out are hidden folders, caches, virtual environments and packages that are installed in the project's folder. What an
    import loads or reads from there all the same is seen by :mod:`~meta_prefect.discovery.witnesses`.

    Returns:
        The files, or None where there are too many.
    """
    names: set[str] = set()
    lines: list[str] = []
    for entry in _walk(str(root)):
        if len(lines) >= MOST_FILES:
            return None
        names.add(entry.path)
        lines.append(f"{entry.path}\0{_content(entry)}")
    return ProjectFiles(frozenset(names), digest_of(sorted(lines)))


def surroundings(root: Path, key: bytes) -> dict[str, str]:
    """What an import may depend on outside of the project, part by part.

    Args:
        root: The project's folder.
        key: What the digest of the environment is made with, so that no value can be read from it or guessed.
    """
    return {
        "interpreter": digest_of(_interpreter()),
        "import path": digest_of(_import_path(root)),
        "environment": digest_of(_environment(os.environ), key),
        "settings": digest_of(_settings_files()),
        "day": day(),
    }


def day() -> str:
    """Today here and in UTC, as a default such as ``date.today()`` holds for one day."""
    local = datetime.now().astimezone()
    return f"{local.date()} {local.utcoffset()} {datetime.now(UTC).date()} {time.tzname}"


def digest_of(lines: Iterable[str], key: bytes = b"") -> str:
    """One digest of many lines."""
    made = hashlib.blake2b(key=key, digest_size=32)
    for line in lines:
        made.update(line.encode("utf-8", "surrogateescape"))
        made.update(b"\n\0")
    return made.hexdigest()


def names_in(folder: str) -> str | None:
    """A digest of the names in a folder, less caches of bytecode; None where it cannot be listed."""
    try:
        return digest_of(sorted(name for name in os.listdir(folder) if name != "__pycache__"))  # noqa: PTH208 - str, not Path
    except OSError:
        return None


def _walk(top: str) -> Iterator[os.DirEntry[str]]:
    """List the entries of a folder and of those below it, folders too: an empty one can hide a module."""
    folders = [top]
    seen: set[str] = set()
    while folders:
        folder = folders.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue  # links lead in circles
        seen.add(real)
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except OSError:
            continue
        if folder != top and any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            # Asked of a link onto itself, an entry raises, and a path does not.
            is_folder = Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir()
            if is_folder and (entry.name.startswith(".") or entry.name in FOREIGN_FOLDERS):
                continue
            if is_folder:
                folders.append(entry.path)
            yield entry


def _content(entry: os.DirEntry[str]) -> str:
    try:
        if not entry.is_file():
            return "folder" if entry.is_dir() else "neither file nor folder"
        told = entry.stat()
        if told.st_size > _READ_WHOLE and not entry.name.endswith(".py"):
            return f"{told.st_size} {told.st_mtime_ns}"
        with open(entry.path, "rb") as file:  # noqa: PTH123 - of thousands of files
            return hashlib.blake2b(file.read(), digest_size=16).hexdigest()
    except OSError as error:
        return f"unreadable: {error.errno}"


def _interpreter() -> Iterator[str]:
    import prefect

    yield from (sys.version, sys.executable, sys.prefix, str(sys.flags), prefect.__version__)
    yield from (socket.gethostname(), psutil.Process().username(), str(Path.cwd()))
    try:
        yield version("meta-prefect")
    except PackageNotFoundError:
        yield "not installed"


def _import_path(root: Path) -> Iterator[str]:
    """The places that modules are imported from. Installing something changes the time of a folder, adding a module its names."""
    for place in sys.path:
        yield place
        folder = place or str(Path.cwd())
        if folder == str(root):
            continue  # its files are looked at one by one
        try:
            told = os.stat(folder)  # noqa: PTH116
        except OSError:
            yield "missing"
            continue
        is_installed = folder.rstrip("/").endswith(("site-packages", "dist-packages"))
        yield f"{told.st_mtime_ns}" if is_installed or Path(folder).is_file() else str(names_in(folder))


def _environment(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in sorted(environ.items()):
        if name not in _UNREAD_NAMES and not name.startswith(_UNREAD_PREFIXES):
            yield f"{name}={value}"


def _settings_files() -> Iterator[str]:
    """What Prefect's settings come from besides the environment: a module may read them when it is imported."""
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    yield str(settings.api.url)
    for file in (settings.profiles_path, *(Path.cwd() / name for name in (".env", "prefect.toml", "pyproject.toml"))):
        try:
            told = file.stat()
            yield f"{file} {told.st_size} {told.st_mtime_ns}"
        except OSError:
            yield f"{file} missing"
