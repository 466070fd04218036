"""Looks up a flow by name or entrypoint, or explains why there is none."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Sequence
from pathlib import Path

from meta_prefect.errors import FlowNotFoundError, nearest
from meta_prefect.flows.entrypoints import Entrypoint, file_in_project, find_module, parse_entrypoint
from meta_prefect.flows.files import python_files
from meta_prefect.flows.scan import FlowSource, FoundFlows, flows_in_tree
from meta_prefect.flows.syntax import bound_names, executed, makes_names, parse, read_source

_SHOWN = 20


def choose_flow(flows: Sequence[FlowSource], name: str, *, where: str | None = None) -> FlowSource:
    """Return the flow with a name. ``_`` and ``-`` are equivalent unless that makes the name ambiguous.

    Args:
        flows: The known flows, from :func:`find_flows`.
        name: The flow's name.
        where: What refers to the flow, for error messages.

    Raises:
        FlowNotFoundError: There is no such flow, or more than one.
    """
    matching = [flow for flow in flows if flow.name == name]
    if not matching:
        alike = name.replace("_", "-")
        matching = [flow for flow in flows if flow.name and flow.name.replace("_", "-") == alike]
    if len(matching) > 1:
        entrypoints = ", ".join(flow.entrypoint for flow in matching)
        raise FlowNotFoundError(
            f"{len(matching)} flows are named {name!r}: {entrypoints}",
            where=where,
            hint=f"Say which one is meant: add `entrypoint: {matching[0].entrypoint}` to the entry.",
        )
    if not matching:
        raise FlowNotFoundError(_none_is_named(flows, name), where=where, hint=_hint(flows, name))
    return matching[0]


def check_entrypoint(root: Path, entrypoint: str, *, where: str | None = None) -> FlowSource:
    """Check that an entrypoint refers to something that can be a flow, without running any code.

    Args:
        root: The project's folder.
        entrypoint: ``path.py:function``, ``path.py:Class.method`` or ``package.module.function``.
        where: What refers to the entrypoint, for error messages.

    Returns:
        The flow; its name is None unless it is a plainly decorated function (not so for ``daily = flow(function)``).

    Raises:
        FlowNotFoundError: The file, module, function or class does not exist, the file is outside the project, or the
            entrypoint names an undecorated function.
    """
    root = root.resolve()
    parsed = parse_entrypoint(entrypoint, where=where)
    file = _file_of(root, parsed, where)
    source = read_source(file)
    tree = parse(source) if isinstance(source, bytes) else source
    if isinstance(tree, str):
        raise FlowNotFoundError(f"{file.name} cannot be read: {tree}", where=where)
    if parsed.module is None:
        before = file.relative_to(root).as_posix()
        text = f"{before}:{'.'.join(parsed.attributes)}"
    else:  # keep the module form: it is loaded with its package, where its relative imports work
        before, text = parsed.module, entrypoint
    flows = {flow.entrypoint.rpartition(":")[2]: flow for flow in flows_in_tree(tree, before, file)}
    if flow := flows.get(".".join(parsed.attributes)):
        return FlowSource(flow.name, text, file, flow.line, flow.column)
    statement = _definition(tree, parsed, where, known=flows)
    return FlowSource(None, text, file, statement.lineno, statement.col_offset + 1)


def _file_of(root: Path, entrypoint: Entrypoint, where: str | None) -> Path:
    if entrypoint.module is not None:
        if file := find_module(root, entrypoint.module):
            is_installed = not file.is_relative_to(root) or "site-packages" in file.parts
            return file if is_installed else file_in_project(root, str(file), where=where)
        raise FlowNotFoundError(
            f"there is no module {entrypoint.module!r}, neither in {root} nor among the installed packages",
            where=where,
            hint="For a file of the project write 'folder/file.py:function'.",
        )
    path = str(entrypoint.file)
    try:
        return file_in_project(root, path, where=where)
    except FlowNotFoundError as error:
        if error.hint is None:
            function = ".".join(entrypoint.attributes)
            if close := difflib.get_close_matches(
                path, [file.relative_to(root).as_posix() for file in python_files(root)], 1
            ):
                error.hint = f"Did you mean '{close[0]}:{function}'?"
        raise


def _definition(tree: ast.Module, entrypoint: Entrypoint, where: str | None, known: dict[str, FlowSource]) -> ast.stmt:
    """Find the definition of an entrypoint that is not a plain flow: an assignment, import, class or decorated function."""
    body: Sequence[ast.stmt] = tree.body
    found: ast.stmt | None = None
    for attribute in entrypoint.attributes:
        definitions = [statement for statement in executed(body) if bound_names(statement) & {attribute, "*"}]
        if not definitions:
            if isinstance(found, ast.ClassDef) and found.bases:
                return found  # possibly inherited
            if found is None and makes_names(tree):
                return tree.body[0]  # defined dynamically by some statement here
            place = f"class {found.name!r}" if isinstance(found, ast.ClassDef) else "module's top level"
            raise FlowNotFoundError(
                f"{entrypoint.text!r}: there is no {attribute!r} in the {place}",
                where=where,
                hint=nearest(".".join(entrypoint.attributes), known) if known else "There is no flow in this file.",
            )
        found = definitions[-1]
        if not isinstance(found, ast.ClassDef):
            break  # attributes of an object or a module may not be visible here
        body = found.body
    if found is None or isinstance(found, ast.ClassDef):
        raise FlowNotFoundError(f"{entrypoint.text!r} is a class", where=where, hint=nearest("", known) or None)
    if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef) and not found.decorator_list:
        raise FlowNotFoundError(
            f"{entrypoint.text!r} is a function but no flow", where=where, hint="Put Prefect's `@flow` above it."
        )
    return found


def _none_is_named(flows: Sequence[FlowSource], name: str) -> str:
    names = sorted({flow.name for flow in flows if flow.name})
    if not names:
        return f"there is no flow {name!r}: the project defines no flows"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"there is no flow {name!r}; there are: {', '.join(names[:_SHOWN])}{more}"


def _hint(flows: Sequence[FlowSource], name: str) -> str | None:
    """Suggest which flow was probably meant, or where it may be hidden."""
    names = {flow.name for flow in flows if flow.name}
    # people often write the function's name instead
    close = difflib.get_close_matches(name, names, n=1) or difflib.get_close_matches(name.replace("_", "-"), names, n=1)
    hints = [f"Did you mean {close[0]!r}?"] if close else []
    if computed := [flow.entrypoint for flow in flows if flow.name is None]:
        hints.append(
            f"The name is computed in {', '.join(computed[:_SHOWN])}: if one of them is meant, add `entrypoint:`."
        )
    if isinstance(flows, FoundFlows) and flows.made:
        made = ", ".join(flows.made[:_SHOWN])
        hints.append(
            f"Names are made when {made} is imported: if the flow is one, add `entrypoint: {flows.made[0]}:NAME`."
        )
    if isinstance(flows, FoundFlows) and flows.unread:
        hints.append(f"Not read: {', '.join(str(file) for file in flows.unread[:_SHOWN])}.")
    if not hints and not flows:
        hints.append("Put Prefect's `@flow` above a function at the top level of a file.")
    return " ".join(hints) or None
