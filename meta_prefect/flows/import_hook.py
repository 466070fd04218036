"""The import hook that gives each project its own modules and executes each file once."""

from __future__ import annotations

import importlib
import sys
import sysconfig
from collections.abc import Sequence
from hashlib import sha256
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

_INSTALLED_FOLDERS = frozenset({"site-packages", "dist-packages"})
_SHARED = frozenset({"prefect", "meta_prefect", "deployer_flows"})
"""Packages that exist once per process: a project's own copy cannot replace the one running the deploy."""


class ProjectFinder(MetaPathFinder):
    """Finds the modules of one project. While it is in ``sys.meta_path``, it takes precedence over all other finders.

    Each file is executed under one name: its dotted name relative to the project's folder (``flows.etl``), or, if that name
    means something else (``queue.py``, a folder ``docker/`` when the package is installed), a generated one. Imported under
    another name (``import helpers`` next to a script in ``flows/``), it is the same module.

    Attributes:
        served: The names under which modules of the project were found so far.
        taken: Top-level names that keep referring to what the process imported before.
        folder: The folder of the script being loaded, or the project's folder.
    """

    def __init__(self, root: Path) -> None:
        self.served: set[str] = set()
        self.taken: set[str] = set(_SHARED)
        self.folder = root
        self._root = root
        self._inside = f"{root}/".replace("//", "/")
        self._bases = self._folders_to_import_from()  # packages installed in place come before the folder around them
        self._installed = self._installed_inside()
        self._names: dict[Path, str] = {}
        self._files: dict[str, Path] = {}
        self._failures: dict[str, tuple[BaseException, TracebackType | None]] = {}

    def owns(self, path: str) -> bool:
        """Return whether a path belongs to the project: inside its folder, but not in a package installed there."""
        if not f"{path}/".startswith(self._inside):
            return False
        if any(path.startswith(folder) for folder in self._installed):
            return False
        return _INSTALLED_FOLDERS.isdisjoint(path[len(self._inside) :].split("/"))

    def name_of(self, file: Path) -> str:
        """Return the module name under which a file of the project is executed."""
        if file not in self._names:
            base = next(one for one in self._bases if file.is_relative_to(one))
            parts = list(file.relative_to(base).with_suffix("").parts)
            if len(parts) > 1 and parts[-1] == "__init__":
                del parts[-1]
            self._names[file] = ".".join(parts) if self._is_importable(base, parts, file) else self._own_name(file)
        return self._names[file]

    def _own_name(self, file: Path) -> str:
        """Derive a unique name from the file's path."""
        digest = sha256(str(file.relative_to(self._root)).encode()).hexdigest()[:8]
        name = f"{''.join(sign if sign.isalnum() else '_' for sign in file.stem)}_{digest}"
        self._files[name] = file
        return name

    def package_of(self, folder: Path) -> str | None:
        """Return the name of the package containing a folder, if any. Within it, that name means nothing else."""
        for base in self._bases:
            if folder != base and folder.is_relative_to(base):
                name = folder.relative_to(base).parts[0]
                if (base / name / "__init__.py").is_file():
                    return name
        return None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module if it belongs to the project. Called by Python's import system."""
        if file := self._files.get(fullname):
            self.served.add(fullname)
            # setting the search path makes `from .helpers import x` work, as for a script that Prefect loads
            folders = [str(file.parent)]
            loader = self._loader(fullname, file)
            return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=folders)
        if fullname.partition(".")[0] in self.taken:
            return None
        folders = [folder for folder in (sys.path if path is None else path) if self.owns(folder)]
        if path is None and fullname == self.package_of(self.folder):
            folders = [str(base) for base in self._bases]
        spec = PathFinder.find_spec(fullname, folders, target) if folders else None
        if spec is None:
            return None
        self.served.add(fullname)
        if not isinstance(spec.loader, SourceFileLoader) or spec.origin is None:
            return None  # a namespace package or a compiled module: left to Python's own finder
        if (name := self.name_of(Path(spec.origin))) != fullname:
            return ModuleSpec(fullname, _SameModule(name), origin=spec.origin)
        spec.loader = self._loader(fullname, Path(spec.origin))
        return spec

    def is_ours(self, module: object) -> bool:
        """Return whether a loaded module belongs to the project: its file, or all folders of a namespace package."""
        if isinstance(file := getattr(module, "__file__", None), str):
            return self.owns(file)
        try:
            folders = list(getattr(module, "__path__", ()))
        except KeyError:  # a namespace package whose parent was removed from sys.modules: useless to others
            return True
        return bool(folders) and all(self.owns(folder) for folder in folders)

    def _is_importable(self, base: Path, parts: list[str], file: Path) -> bool:
        """Return whether the dotted name refers to the file and to nothing else."""
        if not parts or any("." in part for part in parts):
            return False
        top = parts[0]
        if top in self.taken:
            return self._means_ours(top)
        if top in sys.stdlib_module_names:
            return False
        is_package = (base / top / "__init__.py").is_file()
        if (
            not is_package
            and len(parts) > 1
            and ((file.parent / f"{top}.py").is_file() or (file.parent / top).is_dir())
        ):
            return False  # as in etl/etl.py: a script in that folder imports its sibling by that name
        folder = base
        for part in parts[:-1]:
            if not (folder / part / "__init__.py").is_file() and (folder / f"{part}.py").is_file():
                return False  # the module shadows the namespace package
            folder /= part
        if file.name != "__init__.py" and (folder / parts[-1] / "__init__.py").is_file():
            return False  # the package shadows the module
        if len(parts) > 1 and not is_package:
            installed = PathFinder.find_spec(top)  # shadows a namespace package
            return installed is None or installed.origin is None
        return True

    def _means_ours(self, top: str) -> bool:
        if loaded := sys.modules.get(top):
            return self.is_ours(loaded)
        spec = PathFinder.find_spec(top)
        return spec is not None and self.owns(spec.origin or "")

    def _folders_to_import_from(self) -> list[Path]:
        """Return the project's folder and any folders in it on Python's path, for packages installed in place."""
        here = str(Path.cwd())  # on sys.path only because Python was started here
        inside = [Path(one) for one in sys.path if one.startswith(self._inside) and one != here]
        return sorted({self._root, *inside}, key=lambda one: -len(one.parts))

    def _installed_inside(self) -> tuple[str, ...]:
        """Return the interpreter's library folders inside the project's folder, such as ``.venv/lib``."""
        folders = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")} | {sys.prefix}
        return tuple(f"{folder}/" for folder in folders if folder.startswith(self._inside))

    def _loader(self, name: str, file: Path) -> Loader:
        return _OnceLoader(name, str(file), self._failures)


class _OnceLoader(SourceFileLoader):
    """Executes a module from its source, and does not retry one that failed.

    Bytecode is neither read nor written: a deploy runs the current source and leaves nothing behind in the project.
    """

    def __init__(self, name: str, path: str, failures: dict[str, tuple[BaseException, TracebackType | None]]) -> None:
        super().__init__(name, path)
        self._failures = failures

    def get_code(self, fullname: str) -> CodeType | None:
        """Compile the module from source."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, or re-raise the error of the first attempt."""
        if failure := self._failures.get(self.path):
            error, trace = failure
            raise error.with_traceback(trace)
        try:
            super().exec_module(module)
        except (Exception, SystemExit) as error:
            self._failures[self.path] = (error, error.__traceback__)
            raise


class _SameModule(Loader):
    """Returns a module that is already known under another name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002 - the import system gives it
        """Import the module under its own name."""
        module = importlib.import_module(self._name)
        self._spec = getattr(module, "__spec__", None)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing but restore the spec that Python just replaced: the module has been executed already."""
        module.__spec__ = self._spec
