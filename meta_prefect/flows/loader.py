"""Loads a project's code so that each file runs once and projects never see each other's modules."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from meta_prefect.errors import FlowNotFoundError, ProjectFileError, nearest
from meta_prefect.flows.entrypoints import (
    Entrypoint,
    check_module,
    file_in_project,
    find_module,
    parse_entrypoint,
)
from meta_prefect.flows.import_errors import import_failure
from meta_prefect.flows.import_hook import ProjectFinder
from meta_prefect.prefect_internals.run_guard import refusing_runs

if TYPE_CHECKING:
    from prefect import Flow

_LOCK = threading.RLock()  # sys.modules is global
_active: list[tuple[ProjectModules, Path]] = []


@dataclass(frozen=True, slots=True)
class Place:
    """The module that an entrypoint refers to.

    Attributes:
        name: The name under which the module is executed.
        file: Its file.
        beside: Names of modules that shadow others in its imports.
        has_been_executed: Whether it was executed already, so that loading it runs no code.
    """

    name: str
    file: Path
    beside: frozenset[str]
    has_been_executed: bool


class ProjectModules:
    """The modules of one project, for one deploy.

    Modules are stored here and are in ``sys.modules`` only within :meth:`imported`. Project code that imports lazily when
    called needs that too, and so does pickling, so do both within it. Hold it briefly and never across an ``await``, because
    it blocks other threads. It can be nested, also with other projects, which are hidden meanwhile.

    Args:
        root: The folder of the project, or of a part of it.
        named_from: The folder relative to which errors name files; None for ``root``.

    Attributes:
        root: The folder, resolved.
        named_from: As above, resolved.
    """

    def __init__(self, root: Path, named_from: Path | None = None) -> None:
        self.root: Path = root.resolve()
        self.named_from: Path = self.root if named_from is None else named_from.resolve()
        self._finder = ProjectFinder(self.root)
        self._modules: dict[str, ModuleType] = {}
        self._aliases: dict[Path, dict[str, ModuleType]] = {}
        self._hidden: dict[str, ModuleType] = {}
        self._top_names: dict[Path, frozenset[str]] = {}
        self._path_before: list[str] = []
        self._path_added: list[str] = []
        importlib.invalidate_caches()  # files may be newer than the import system's directory cache

    @contextmanager
    def imported(self, folder: Path | None = None) -> Generator[None]:
        """Make the project's modules importable, as in a process of its own.

        Args:
            folder: A folder of the project to search before the project's folder, as Python does with a script's folder.
        """
        view = (self, folder or self.root)
        with _LOCK:
            is_new = not _active or _active[-1] != view
            if is_new and _active:
                _active[-1][0]._leave(_active[-1][1])
            _active.append(view)
            try:
                if is_new:
                    self._enter(view[1])
                try:
                    yield
                finally:
                    if is_new:
                        self._leave(view[1])
            finally:
                _active.pop()
                if is_new and _active:
                    _active[-1][0]._enter(_active[-1][1])

    def load(self, entrypoint: str, *, where: str | None = None) -> Any:
        """Load the object an entrypoint refers to, executing its module if necessary.

        Args:
            entrypoint: ``path.py:function``, ``path.py:Class.method`` or ``package.module.function``.
            where: What refers to the entrypoint, for error messages.

        Raises:
            FlowNotFoundError: The file, module or attribute does not exist, or the file is outside the project.
            FlowImportError: The module raised an exception or tried to exit the process.
        """
        parsed = parse_entrypoint(entrypoint, where=where)
        if parsed.module is not None:
            check_module(self.root, parsed.module, where=where)
            with self.imported():
                return _attribute(self._import(parsed.module, parsed.module, where), parsed, where)
        file = file_in_project(self.root, str(parsed.file), where=where)
        with self.imported(file.parent):
            module = self._import(self._finder.name_of(file), self.named(file), where)
            return _attribute(module, parsed, where)

    def named(self, file: Path) -> str:
        """Return the name of a file in error messages."""
        return file.relative_to(self.named_from).as_posix() if file.is_relative_to(self.named_from) else str(file)

    def _named(self, path: str) -> str | None:
        return self.named(Path(path)) if self._finder.owns(path) else None

    def place_of(self, entrypoint: str) -> Place | None:
        """Find the file that loading an entrypoint would execute; None if it is not part of the project.

        Raises:
            FlowNotFoundError: The file does not exist or is outside the project.
        """
        parsed = parse_entrypoint(entrypoint)
        if parsed.module is not None:
            check_module(self.root, parsed.module)
            file = find_module(self.root, parsed.module)
        else:
            file = file_in_project(self.root, str(parsed.file))
        if file is None or not self._finder.owns(str(file)):
            return None
        with self.imported(file.parent):
            name = self._finder.name_of(file)
        if parsed.module not in (None, name):
            return None
        return Place(name, file, self._names_in(self.root) | self._names_in(file.parent), name in self._modules)

    def load_flow(self, entrypoint: str, *, where: str | None = None) -> Flow[..., Any]:
        """Load a flow.

        Raises:
            FlowNotFoundError: See :meth:`load`; or the object is not a flow.
            FlowImportError: See :meth:`load`.
        """
        from prefect import Flow

        loaded: object = self.load(entrypoint, where=where)
        if isinstance(loaded, Flow):
            return cast("Flow[..., Any]", loaded)
        kind = (
            "a function" if callable(loaded) and hasattr(loaded, "__code__") else f"of type {type(loaded).__name__!r}"
        )
        raise FlowNotFoundError(
            f"{entrypoint!r} is {kind}, not a flow",
            where=where,
            hint="A decorator above `@flow` makes a plain function of it: put `@flow` first, above all others."
            if _wraps_a_flow(loaded)
            else "Put Prefect's `@flow` above the function.",
        )

    def load_module(self, name: str, *, where: str | None = None) -> ModuleType:
        """Load a module of the project, or an installed one, by its dotted name.

        Raises:
            ProjectFileError: The module does not exist or is outside the project.
            FlowImportError: The module raised an exception or tried to exit the process.
        """
        try:
            check_module(self.root, name, where=where)
        except FlowNotFoundError as error:
            raise ProjectFileError(error.message, where=where, hint=error.hint) from None
        with self.imported():
            try:
                return self._import(name, name, where)
            except FlowNotFoundError as error:
                known = sorted(self._names_in(self.root))
                raise ProjectFileError(error.message, where=where, hint=nearest(name, known) or None) from None

    def _import(self, name: str, what: str, where: str | None) -> ModuleType:
        try:
            return _imported_only(name)
        except (Exception, SystemExit) as error:
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            if missing and (name == missing or name.startswith(f"{missing}.")) and not self._raised_inside(error):
                raise FlowNotFoundError(
                    f"there is no module {name!r}, neither in {self.root} nor among the installed packages", where=where
                ) from None
            raise import_failure(error, self.root, self._named, what, where) from error

    def _raised_inside(self, error: BaseException) -> bool:
        trace = error.__traceback__
        while trace is not None:
            if self._finder.owns(trace.tb_frame.f_code.co_filename):
                return True
            trace = trace.tb_next
        return False

    def _enter(self, folder: Path) -> None:
        """Install this project's modules, path and finder."""
        self._path_before = list(sys.path)
        first = [str(folder)] if folder != self.root else []
        sys.path[:0] = [*first, str(self.root), *self._path_added]
        self._hide(folder)
        shadowed = self._names_in(folder) - {self._finder.package_of(folder)} if first else set[str]()
        modules = {name: one for name, one in self._modules.items() if name.partition(".")[0] not in shadowed}
        modules |= self._aliases.get(folder, {})
        self._hidden |= {name: sys.modules[name] for name in modules.keys() & sys.modules.keys()}
        sys.modules.update(modules)
        self._finder.folder = folder
        sys.meta_path.insert(0, self._finder)

    def _leave(self, folder: Path) -> None:
        """Remove them, keep what was loaded, and restore what was there before."""
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self._finder]
        aliases = self._aliases.setdefault(folder, {})
        # check all before removing any: a namespace package needs its parent to determine its path
        ours = {
            name: module
            for name in self._finder.served
            if (module := sys.modules.get(name)) is not None and self._finder.is_ours(module)
        }
        for name, module in ours.items():
            del sys.modules[name]
            (self._modules if getattr(module, "__name__", name) == name else aliases)[name] = module
        sys.modules.update(self._hidden)
        self._hidden = {}
        first = {*self._path_before, str(folder), str(self.root)}
        self._path_added = [one for one in sys.path if one not in first]  # by sys.path.insert(0, "lib") and the like
        sys.path[:] = self._path_before

    def _hide(self, folder: Path) -> None:
        """Set aside other code's imports whose names refer to modules of the project here."""
        for top in (self._names_in(self.root) | self._names_in(folder)) & sys.modules.keys():
            if top in sys.stdlib_module_names or top in self._finder.taken or self._finder.is_ours(sys.modules[top]):
                self._finder.taken.add(top)
                continue
            for name in [one for one in sys.modules if one == top or one.startswith(f"{top}.")]:
                self._hidden[name] = sys.modules.pop(name)

    def _names_in(self, folder: Path) -> frozenset[str]:
        """Return the names of the modules and packages in a folder."""
        if folder not in self._top_names:
            try:
                entries = list(os.scandir(folder))
            except OSError:  # not a folder, or unreadable
                entries = []
            modules = {entry.name.removesuffix(".py") for entry in entries if entry.name.endswith(".py")}
            packages = {entry.name for entry in entries if os.path.isfile(f"{entry.path}/__init__.py")}  # noqa: PTH113 - never raises
            self._top_names[folder] = frozenset(modules | packages)
        return self._top_names[folder]


def _imported_only(name: str) -> ModuleType:
    """Import a module; a flow run or deploy that it starts meanwhile is rejected, even if it catches the exception."""
    with refusing_runs() as refused:
        module = importlib.import_module(name)
    if refused:
        raise refused[0]
    return module


def load_flow(root: Path, entrypoint: str, *, where: str | None = None) -> Flow[..., Any]:
    """Load one flow of a project. To load several, use one :class:`ProjectModules`.

    Raises:
        FlowNotFoundError: The file, module or attribute does not exist, or is not a flow.
        FlowImportError: The module raised an exception.
    """
    return ProjectModules(root).load_flow(entrypoint, where=where)


def _wraps_a_flow(function: object) -> bool:
    """Return whether a function was made by applying a decorator to a flow."""
    from prefect import Flow

    held = inspect.getclosurevars(function).nonlocals.values() if inspect.isfunction(function) else ()
    return any(isinstance(one, Flow) for one in (*held, getattr(function, "__wrapped__", None)))


def _attribute(module: ModuleType, entrypoint: Entrypoint, where: str | None) -> Any:
    found: Any = module
    for name in entrypoint.attributes:
        try:
            found = getattr(found, name)
        except AttributeError:
            close = get_close_matches(name, dir(found), n=1)
            raise FlowNotFoundError(
                f"{entrypoint.text!r}: there is no {name!r}",
                where=where,
                hint=f"Did you mean {close[0]!r}?" if close else None,
            ) from None
    return found
