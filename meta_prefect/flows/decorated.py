"""Finds flows that carry builders. Builders are objects, so modules that may contain some have to be executed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from meta_prefect.errors import ConfigurationError, FlowImportError, FlowNotFoundError
from meta_prefect.flows.files import python_files
from meta_prefect.flows.import_graph import uses_meta_prefect
from meta_prefect.flows.loader import ProjectModules
from meta_prefect.flows.syntax import bound_names, executed, makes_names, parse, read_source
from meta_prefect.interfaces.flow_builder_interface import builders_of

if TYPE_CHECKING:
    from prefect import Flow


@dataclass(frozen=True, slots=True)
class DecoratedFlow:
    """A flow that carries builders, with the entrypoint from which a worker can load it.

    Attributes:
        entrypoint: ``folder/file.py:name``.
        flow: The flow.
    """

    entrypoint: str
    flow: Flow[..., Any]


def decorated_flows(
    modules: ProjectModules, patterns: Sequence[str] | None, extra_packages: Iterable[str] = ()
) -> tuple[list[DecoratedFlow], list[ConfigurationError]]:
    """Load the modules of a project that use Meta-Prefect and return the flows in them that carry builders.

    Args:
        modules: The project's modules.
        patterns: Which files to load, in ``.gitignore`` syntax; None to detect them by following imports.
        extra_packages: Additional packages that count as Meta-Prefect, such as installed ones containing recipes.

    Returns:
        The flows by file and name, and the errors raised while loading modules.
    """
    root = modules.root
    files = uses_meta_prefect(root, extra_packages) if patterns is None else python_files(root, patterns)
    flows: list[DecoratedFlow] = []
    errors: list[ConfigurationError] = []
    for file in files:
        try:
            flows.extend(_in_file(modules, file))
        except ConfigurationError as error:
            errors.append(error)
    return flows, errors


def _in_file(modules: ProjectModules, file: Path) -> Iterator[DecoratedFlow]:
    from prefect import Flow

    path = file.relative_to(modules.root).as_posix()
    tree = _tree_of(file, modules.named(file))
    own, imported = _names_in(tree)
    if makes_names(tree) and "*" not in imported:
        made = {name for name in modules.load(f"{path}:__dict__") if name not in own | imported}
        known = {id(modules.load(f"{path}:{name}")) for name in made}
        # the value of such a name is usually bound to the loop variable as well
        own = made | {name for name in own if id(_found(modules, f"{path}:{name}")) not in known}
    for name in sorted(name for name in own if not name.startswith("_")):
        found = _found(modules, f"{path}:{name}")
        if builders_of(found) and isinstance(found, Flow):
            yield DecoratedFlow(f"{path}:{name}", cast("Flow[..., Any]", found))


def _found(modules: ProjectModules, entrypoint: str) -> object:
    """Return the value of a name; None if the module binds it conditionally or deletes it again."""
    try:
        return modules.load(entrypoint)
    except FlowNotFoundError:
        return None


def _tree_of(file: Path, path: str) -> ast.Module:
    source = read_source(file)
    tree = parse(source) if isinstance(source, bytes) else source
    if isinstance(tree, str):
        raise FlowImportError(
            f"flows here may carry builders, and the file cannot be read: {tree}",
            where=path,
            hint="Fix it, or list the files to search under `flows:` in meta_prefect.yaml.",
        )
    return tree


def _names_in(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the names a module defines and the names it imports: an imported flow belongs to another module."""
    own: set[str] = set()
    imported: set[str] = set()
    for statement in executed(tree.body):
        (imported if isinstance(statement, ast.Import | ast.ImportFrom) else own).update(bound_names(statement))
    return own, imported
