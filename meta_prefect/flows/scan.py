"""Finds flows by name in syntax trees, without running any code of the project."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from meta_prefect.flows.files import python_files
from meta_prefect.flows.syntax import (
    FLOW_DECORATORS,
    UnreadFile,
    branches,
    dotted_name,
    makes_names,
    names_bound_by,
    parse,
    read_source,
)

_STAR_SOURCES = frozenset({"prefect", "prefect.flows", "prefect.main"})


@dataclass(frozen=True)
class FlowSource:
    """Where a flow is defined.

    Attributes:
        name: The flow's name by Prefect's rule; None if the name is computed and known only at run time.
        entrypoint: ``folder/file.py:function`` or ``folder/file.py:Class.method``, relative to the project's folder, with
            ``/``; for a flow of an installed package, its module entrypoint, ``package.module.function``.
        file: The absolute path of the file.
        line: The line of the ``def``, starting at 1.
        column: The column of the ``def``, starting at 1.
    """

    name: str | None
    entrypoint: str
    file: Path
    line: int
    column: int


class FoundFlows(tuple[FlowSource, ...]):
    """The flows of a project, by file and line.

    Attributes:
        unread: Files that may contain flows but could not be read; mentioned when a lookup fails.
        made: Files that may bind flows to dynamically created names; also mentioned when a lookup fails.
    """

    unread: tuple[UnreadFile, ...]
    made: tuple[str, ...]

    def __new__(
        cls, flows: Iterable[FlowSource] = (), unread: Iterable[UnreadFile] = (), made: Iterable[str] = ()
    ) -> Self:
        """Create the tuple of flows with the files that may hide more."""
        found = super().__new__(cls, flows)
        found.unread = tuple(unread)
        found.made = tuple(made)
        return found


def find_flows(root: Path, patterns: Sequence[str] = ()) -> FoundFlows:
    """Find all flows that a project defines with Prefect's decorator, without running its code.

    Finds functions, static methods and class methods decorated with ``@flow``, however it was imported, even through
    ``functools.partial`` or a builder; not functions nested in functions, which cannot be loaded.

    Args:
        root: The project's folder.
        patterns: Which files to scan, see :func:`python_files`.
    """
    root = root.resolve()
    flows: list[FlowSource] = []
    unread: list[UnreadFile] = []
    made: list[str] = []
    for file in python_files(root, patterns):
        path = file.relative_to(root).as_posix()
        match _tree_of(file):
            case str(reason):
                unread.append(UnreadFile(path, reason))
            case ast.Module() as tree:
                flows.extend(flows_in_tree(tree, path, file))
                made.extend([path] if makes_names(tree) else [])
            case None:
                pass
    return FoundFlows(flows, unread, made)


def _tree_of(file: Path) -> ast.Module | str | None:
    """Parse a file that may contain flows; return the reason if it cannot be read, None if it certainly contains none."""
    source = read_source(file)
    if isinstance(source, str):
        return source
    if b"\0" not in source and not (b"flow" in source and b"prefect" in source):
        return None  # parsing is the slow part
    return parse(source)


def flows_in_tree(tree: ast.Module, path: str, file: Path) -> tuple[FlowSource, ...]:
    """Find the flows in a syntax tree.

    Args:
        tree: The module.
        path: The part of the entrypoints before the colon.
        file: The absolute path of the file.
    """
    scanner = _Scanner(tree, path, file)
    scanner.scan(tree.body, {}, ())
    return tuple(scanner.flows.values())


@dataclass(frozen=True)
class _Decorator:
    """A decorator that turns a function into a flow.

    Attributes:
        name: The name it gives to every flow; empty for Prefect's default, None if it is computed.
    """

    name: str | None = ""


_Names = dict[str, "str | _Decorator"]
"""The meaning of names at a point in the source: an imported dotted path or a flow decorator."""


class _Scanner:
    """Walks the statements that run on import and tracks what names mean."""

    def __init__(self, tree: ast.Module, path: str, file: Path) -> None:
        self.flows: dict[str, FlowSource] = {}
        self._tree = tree
        self._path = path
        self._file = file
        self._constants: dict[str, str] | None = None

    def scan(self, body: Sequence[ast.stmt], names: _Names, owner: tuple[str, ...]) -> None:
        """Scan a block and update ``names`` to the state after it."""
        for statement in body:
            match statement:
                case ast.Import() | ast.ImportFrom():
                    _bind_imports(statement, names)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._function(statement, names, owner)
                    names.pop(statement.name, None)
                case ast.ClassDef():
                    self.scan(statement.body, dict(names), (*owner, statement.name))
                    names.pop(statement.name, None)
                case ast.Assign(targets=targets, value=value):
                    self._assign(targets, value, names)
                case ast.AnnAssign(target=target, value=value) if value:
                    self._assign([target], value, names)
                case _:
                    self._branches(statement, names, owner)

    def _branches(self, statement: ast.stmt, names: _Names, owner: tuple[str, ...]) -> None:
        """Scan a statement's blocks; a decorator bound in any of them stays one after (``try: from prefect import flow``)."""
        after: list[_Names] = []
        for block in branches(statement):
            inside = dict(names)
            for earlier in after:
                _merge(inside, earlier)  # else and finally run after the others
            self.scan(block, inside, owner)
            after.append(inside)
        for one in after:
            _merge(names, one)

    def _assign(self, targets: Sequence[ast.expr], value: ast.expr, names: _Names) -> None:
        dotted = dotted_name(value)
        meaning = self._decorator(value, names) or (dotted and _resolve(dotted, names))
        for target in targets:
            if isinstance(target, ast.Name):
                if meaning:
                    names[target.id] = meaning
                else:
                    names.pop(target.id, None)

    def _function(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef, names: _Names, owner: tuple[str, ...]
    ) -> None:
        decorators = [found for one in function.decorator_list if (found := self._decorator(one, names))]
        if not decorators or (owner and _needs_an_instance(function)):
            return
        given = decorators[-1].name
        entrypoint = f"{self._path}:{'.'.join((*owner, function.name))}"
        flow = FlowSource(
            name=function.name.replace("_", "-") if given == "" else given,
            entrypoint=entrypoint,
            file=self._file,
            line=function.lineno,
            column=function.col_offset + 1,
        )
        earlier = self.flows.get(entrypoint)
        # defined twice, as in two branches of an `if`: which one wins is unknown here
        self.flows[entrypoint] = flow if earlier is None or earlier.name == flow.name else replace(flow, name=None)

    def _decorator(self, expression: ast.expr, names: _Names) -> _Decorator | None:
        """Return the flow decorator that an expression evaluates to, with the name it assigns; None if it is not one."""
        if dotted := dotted_name(expression):
            return _as_decorator(_resolve(dotted, names))
        if not isinstance(expression, ast.Call):
            return None
        if called := self._decorator(expression.func, names):
            # flow(fn) makes a flow, flow(name="x") a decorator
            return None if expression.args else self._with_keywords(called, expression)
        for argument in expression.args:
            if wrapped := self._decorator(argument, names):  # partial(flow, name="x"), versioneer()(flow)
                return self._with_keywords(wrapped, expression)
        return None

    def _with_keywords(self, decorator: _Decorator, call: ast.Call) -> _Decorator:
        for keyword in call.keywords:
            if keyword.arg == "name":
                return _Decorator(self._text(keyword.value))
        if any(keyword.arg is None for keyword in call.keywords):
            return _Decorator(None)  # flow(**options) may contain a name
        return decorator

    def _text(self, expression: ast.expr) -> str | None:
        """Evaluate an expression as a name: empty if None, None if it is computed."""
        match expression:
            case ast.Constant(value=str(text)):
                return text
            case ast.Constant(value=None):
                return ""
            case ast.Name(id=name):
                if self._constants is None:
                    self._constants = _string_constants(self._tree)
                return self._constants.get(name)
            case _:
                return None


def _merge(names: _Names, others: _Names) -> None:
    """Merge the meanings of names after two branches: a decorator beats a stub, and conflicting names become unknown."""
    for name, other in others.items():
        ours, theirs = _as_decorator(names.get(name)), _as_decorator(other)
        if ours and theirs:
            names[name] = ours if ours == theirs else _Decorator(None)
        elif not ours and (theirs or not str(names.get(name)).startswith("prefect")):
            names[name] = other


def _as_decorator(meaning: str | _Decorator | None) -> _Decorator | None:
    if isinstance(meaning, _Decorator):
        return meaning
    return _Decorator() if meaning in FLOW_DECORATORS else None


def _resolve(dotted: str, names: _Names) -> str | _Decorator | None:
    """Resolve ``a.b.c`` given the meaning of ``a``."""
    first, _, rest = dotted.partition(".")
    meaning = names.get(first)
    if isinstance(meaning, str):
        return f"{meaning}.{rest}" if rest else meaning
    return None if rest else meaning


def _bind_imports(statement: ast.Import | ast.ImportFrom, names: _Names) -> None:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            names[alias.asname or alias.name.partition(".")[0]] = (
                alias.name if alias.asname else alias.name.partition(".")[0]
            )
        return
    module = "." * statement.level + (statement.module or "")
    for alias in statement.names:
        if alias.name != "*":
            names[alias.asname or alias.name] = f"{module}.{alias.name}"
        elif module in _STAR_SOURCES:
            names["flow"] = f"{module}.flow"


def _needs_an_instance(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    kinds = {dotted_name(decorator) for decorator in function.decorator_list}
    arguments = [*function.args.posonlyargs, *function.args.args]
    return not kinds & {"staticmethod", "classmethod"} and bool(arguments) and arguments[0].arg == "self"


def _string_constants(tree: ast.Module) -> dict[str, str]:
    """Return module-level string constants: names bound once in the file, to a literal."""
    bound: Counter[str] = Counter()
    for node in ast.walk(tree):
        bound.update([node.arg] if isinstance(node, ast.arg) else names_bound_by(node))
    constants: dict[str, str] = {}
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text)))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text)))
            ) if bound[name] == 1 and "*" not in bound:
                constants[name] = text
            case _:
                pass
    return constants
