"""Watch what is read while a project's modules are imported, so that it can be told later whether that has changed.

Python tells of every file that it opens and of every folder that it lists (audit events, PEP 578), whoever asks for it. What is
not told: what libraries in C open by themselves, and questions such as whether a file exists.
"""

from __future__ import annotations

import functools
import inspect
import os
import stat
import sys
import sysconfig
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from types import ModuleType
from typing import Any, cast

import psutil

from meta_prefect.discovery.surroundings import names_in

Seen = list[int] | str | None
"""How a file or folder looked: size and time of a file, a digest of the names in a folder, None for what is not there."""

_NANOSECONDS = 1_000_000_000
_TOLERANCE = 1.0
"""Seconds by which the start of a process and the time of a file may be off."""

_OUTWARD = frozenset(
    {
        "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen", "os.system", "os.exec",
        "os.posix_spawn", "os.fork", "os.forkpty", "sqlite3.connect", "_thread.start_new_thread",
        "_thread.start_joinable_thread", "urllib.Request",
    }
)  # fmt: skip
"""Events by which code asks something else than files for what it then knows."""

_READS = frozenset({"open", "os.listdir", "os.scandir"})
_OF_PACKAGES = (".dist-info", ".egg-info", ".egg-link", ".pth")
"""What an installation puts where packages are."""

_MACHINE = ("/proc/", "/sys/", "/dev/")
_OWN = tuple(f"{Path(__file__).parents[2] / name}/" for name in ("meta_prefect", "deployer_flows"))
_STDLIB = tuple({f"{sysconfig.get_path(kind)}/" for kind in ("stdlib", "platstdlib")})


class Watch:
    """What one deploy has seen its project's modules read.

    Attributes:
        opened: The files that were read, absolute.
        listed: The folders that were listed.
        outward: What else than files was asked; None where nothing was.
    """

    def __init__(self) -> None:
        self.opened: set[str] = set()
        self.listed: set[str] = set()
        self.outward: str | None = None
        self._loaded_before = frozenset(sys.modules)

    @contextmanager
    def looking(self) -> Generator[None]:
        """Watch what this thread does."""
        _install()
        thread = get_ident()
        before = _watches.get(thread)
        _watches[thread] = self
        try:
            yield
        finally:
            if before is None:
                del _watches[thread]
            else:
                _watches[thread] = before

    def witnesses(self, is_known: Callable[[str], bool]) -> set[str]:
        """List what tells whether the imports would give the same again, besides the project's own files.

        Args:
            is_known: Says whether a file or folder is looked at anyway, as one of the project's.
        """
        found = {path for path in self.opened if not (path.endswith(".pyc") or _is_stdlib(path))}
        found |= {path for path in self.listed if not (is_installed(f"{path}/") or _is_stdlib(f"{path}/"))}
        for name, path in _loaded():
            if not is_installed(path):
                found |= {path, os.path.dirname(path)}  # noqa: PTH120
            elif name not in self._loaded_before:
                found.add(path)
        return {path for path in found if not (path.startswith(_MACHINE) or is_known(path))}

    def code(self) -> set[str]:
        """List the Python files that were imported, less those of installed packages and our own."""
        found = self.opened | {path for name, path in _loaded() if name not in self._loaded_before}
        return {
            path
            for path in found
            if path.endswith(".py") and not (path.startswith(_OWN) or is_installed(path) or _is_stdlib(path))
        }

    def note(self, event: str, args: tuple[Any, ...]) -> None:
        """Note an event of this thread."""
        if event in _OUTWARD:
            if _asked_by_the_user():
                self.outward = event
        elif args and isinstance(args[0], str | bytes | os.PathLike):
            path = os.path.abspath(os.fsdecode(cast("str", args[0])))  # noqa: PTH100 - of thousands of files
            if event != "open":
                self.listed.add(path)
            elif not _only_writes(args):
                self.opened.add(path)


_watches: dict[int, Watch] = {}
_installed: list[bool] = []


def _install() -> None:
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hook)  # for good: there is no way back, so it does nothing while nobody watches


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _watches or (event not in _READS and event not in _OUTWARD):
        return
    if (watch := _watches.get(get_ident())) is not None:
        try:
            watch.note(event, args)
        except Exception as error:  # noqa: BLE001 - what is raised here would stop what the module does
            watch.outward = f"{event}: {error}"


def _only_writes(args: tuple[Any, ...]) -> bool:
    flags = args[2] if len(args) > 2 else 0
    return isinstance(flags, int) and flags & os.O_ACCMODE == os.O_WRONLY


def _asked_by_the_user() -> bool:
    """Whether the user's code asks, and not a library that finds out about its own when it is imported."""
    frame = inspect.currentframe()
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return False
        if not (name.startswith(("<", *_OWN)) or is_installed(name) or _is_stdlib(name)):
            return True
        frame = frame.f_back
    return True


def is_installed(path: str) -> bool:
    """Whether a file is one of an installed package, not installed in place."""
    return "/site-packages/" in path or "/dist-packages/" in path


def _is_stdlib(path: str) -> bool:
    return path.startswith(_STDLIB) and not is_installed(path)


def _loaded() -> Iterator[tuple[str, str]]:
    """List the modules of this process that are none of Python's own: their names, and where they lie."""
    for name, module in list(sys.modules.items()):
        for path in _places_of(module):
            if not _is_stdlib(path):
                yield name, path


def _places_of(module: ModuleType) -> list[str]:
    """The file of a module, or the folders of a package without a file."""
    known = getattr(module, "__dict__", {})  # asking the module itself may make a lazy one load something
    file = known.get("__file__")
    if isinstance(file, str):
        return [os.path.abspath(file)]  # noqa: PTH100
    try:
        return [os.path.abspath(one) for one in known.get("__path__", ())]  # noqa: PTH100
    except (KeyError, TypeError):
        return []


def look_at(path: str) -> Seen:
    """See how a file or folder looks now."""
    try:
        told = os.stat(path)  # noqa: PTH116 - of thousands of files
    except OSError:
        return None
    return names_in(path) if stat.S_ISDIR(told.st_mode) else [told.st_size, told.st_mtime_ns]


def changed_since_this_process_began(paths: Iterable[str]) -> Iterator[str]:
    """Find files that have been changed since this process began, or just before that, and packages that have been installed.

    What has come to a folder is no matter: caches of bytecode do, and Prefect's server unpacks its UI beside its modules. Nor is
    what somebody does to Meta-Prefect's own modules: no project's facts come from them.
    """
    yield from (path for path in paths if not path.startswith(_OWN) and os.path.isfile(path) and _is_younger(path))  # noqa: PTH113
    for place in sys.path:
        if place and is_installed(f"{place}/") and os.path.isdir(place):  # noqa: PTH112
            with os.scandir(place) as entries:
                yield from (
                    entry.path for entry in entries if entry.name.endswith(_OF_PACKAGES) and _is_younger(entry.path)
                )


def _is_younger(path: str) -> bool:
    try:
        return os.stat(path).st_mtime_ns >= _process_began()  # noqa: PTH116
    except OSError:
        return False  # gone meanwhile, which is seen as such


@functools.cache
def _process_began() -> int:
    return int((psutil.Process().create_time() - _TOLERANCE) * _NANOSECONDS)
