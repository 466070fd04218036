"""Finding flows that carry builders. A flow's builders are objects, so the modules that may hold some are executed."""

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
from meta_prefect.flows.syntax import bound_names, executed, parse, read_source
from meta_prefect.interfaces.flow_builder_interface import builders_of

if TYPE_CHECKING:
    from prefect import Flow


@dataclass(frozen=True, slots=True)
class DecoratedFlow:
    """A flow that carries builders, under the name by which a worker can load it.

    Attributes:
        entrypoint: ``folder/file.py:name``.
        flow: The flow.
    """

    entrypoint: str
    flow: Flow[..., Any]


def decorated_flows(
    modules: ProjectModules, patterns: Sequence[str] | None, extra_packages: Iterable[str] = ()
) -> tuple[list[DecoratedFlow], list[ConfigurationError]]:
    """Load the modules of a project that use Meta-Prefect, and list the flows there that carry builders.

    Args:
        modules: The project's modules.
        patterns: Which files to look at, in the notation of ``.gitignore``; None finds out by following imports.
        extra_packages: More packages that count as Meta-Prefect, such as installed ones that hold recipes.

    Returns:
        The flows by file and name, and what went wrong while modules were loaded.
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
    for name in own_names(file, modules.named(file)):
        entrypoint = f"{path}:{name}"
        try:
            found: object = modules.load(entrypoint)
        except FlowNotFoundError:
            continue  # a name that the module binds only in some cases, or deletes again
        if builders_of(found) and isinstance(found, Flow):
            yield DecoratedFlow(entrypoint, cast("Flow[..., Any]", found))


def own_names(file: Path, path: str) -> list[str]:
    """List the names that a module binds itself when it is imported; a flow that it imports belongs to another module.

    Args:
        file: The module.
        path: What it is called in errors.

    Raises:
        FlowImportError: It cannot be read.
    """
    source = read_source(file)
    tree = parse(source) if isinstance(source, bytes) else source
    if isinstance(tree, str):
        raise FlowImportError(
            f"flows here may carry builders, and the file cannot be read: {tree}",
            where=path,
            hint="Fix it, or list the files to search under `flows:` in meta_prefect.yaml.",
        )
    names: set[str] = set()
    for statement in executed(tree.body):
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            names |= bound_names(statement)
    return sorted(name for name in names if not name.startswith("_"))
