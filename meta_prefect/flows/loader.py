"""Load the code of a project, so that each file runs once and two projects never see each other's modules."""

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

_LOCK = threading.RLock()  # there is one sys.modules
_active: list[tuple[ProjectModules, Path]] = []


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project holds what an entrypoint names.

    Attributes:
        name: The name under which the module is executed.
        file: Its file.
        beside: The names of modules that come before others where it imports something.
        has_been_executed: Whether that has happened, so that loading it runs nothing.
    """

    name: str
    file: Path
    beside: frozenset[str]
    has_been_executed: bool


class ProjectModules:
    """The modules of one project, for one deploy.

    Modules are kept here and stand in ``sys.modules`` only inside of :meth:`imported`. Code of the project that imports
    something when it is called, and pickling, need that as well, so call and pickle inside of it. Hold it briefly and never
    across an ``await``: other threads wait meanwhile. It may be nested, also with other projects, which are out of sight then.

    Args:
        root: The project's folder, or that of a part of it.
        named_from: The folder from which errors name files; None for the same one.

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
        importlib.invalidate_caches()  # files may be newer than what Python remembers of their folders

    @contextmanager
    def imported(self, folder: Path | None = None) -> Generator[None]:
        """Make the project's modules importable, as in a process of the project's own.

        Args:
            folder: A folder of the project that is imported from before the project's own folder, as Python does with the
                folder of a script.
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
        """Load what an entrypoint names; its module is executed if that has not happened yet.

        Args:
            entrypoint: ``path.py:function``, ``path.py:Class.method``, ``package.module.function``.
            where: What names the entrypoint, for errors.

        Raises:
            FlowNotFoundError: There is no such file, module or attribute, or the file lies outside of the project.
            FlowImportError: The module raised an exception, or ended the process.
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
        """What a file is called in errors."""
        return file.relative_to(self.named_from).as_posix() if file.is_relative_to(self.named_from) else str(file)

    def _named(self, path: str) -> str | None:
        return self.named(Path(path)) if self._finder.owns(path) else None

    def place_of(self, entrypoint: str) -> Place | None:
        """Find the file that loading an entrypoint would execute; None where that is none of the project's.

        Raises:
            FlowNotFoundError: There is no such file, or it lies outside of the project.
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
            FlowNotFoundError: As :meth:`load`, or what the entrypoint names is no flow.
            FlowImportError: As :meth:`load`.
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
            ProjectFileError: There is no such module, or it lies outside of the project.
            FlowImportError: The module raised an exception, or ended the process.
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
        """Put this project's modules, path and finder in place."""
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
        """Take them away, keep what was loaded, and bring back what was there before."""
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self._finder]
        aliases = self._aliases.setdefault(folder, {})
        # all of them are asked before one is taken away: a package without a file needs its parent to say where it lies
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
        self._path_added = [one for one in sys.path if one not in first]  # by lines like sys.path.insert(0, "lib")
        sys.path[:] = self._path_before

    def _hide(self, folder: Path) -> None:
        """Put aside what other code has imported under names that here mean modules of the project."""
        for top in (self._names_in(self.root) | self._names_in(folder)) & sys.modules.keys():
            if top in sys.stdlib_module_names or top in self._finder.taken or self._finder.is_ours(sys.modules[top]):
                self._finder.taken.add(top)
                continue
            for name in [one for one in sys.modules if one == top or one.startswith(f"{top}.")]:
                self._hidden[name] = sys.modules.pop(name)

    def _names_in(self, folder: Path) -> frozenset[str]:
        """List the names of modules and packages that lie in a folder."""
        if folder not in self._top_names:
            try:
                entries = list(os.scandir(folder))
            except OSError:  # no folder, or one that may not be read
                entries = []
            modules = {entry.name.removesuffix(".py") for entry in entries if entry.name.endswith(".py")}
            packages = {entry.name for entry in entries if os.path.isfile(f"{entry.path}/__init__.py")}  # noqa: PTH113 - never raises
            self._top_names[folder] = frozenset(modules | packages)
        return self._top_names[folder]


def _imported_only(name: str) -> ModuleType:
    """Import a module; what it runs while it is imported is refused, also where it catches that exception."""
    with refusing_runs() as refused:
        module = importlib.import_module(name)
    if refused:
        raise refused[0]
    return module


def load_flow(root: Path, entrypoint: str, *, where: str | None = None) -> Flow[..., Any]:
    """Load one flow of a project. For several flows of a project use one :class:`ProjectModules`.

    Raises:
        FlowNotFoundError: There is no such file, module or attribute, or it is no flow.
        FlowImportError: The module raised an exception.
    """
    return ProjectModules(root).load_flow(entrypoint, where=where)


def _wraps_a_flow(function: object) -> bool:
    """Whether a function was made by a decorator that a flow was given to."""
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
