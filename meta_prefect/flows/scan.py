"""Find flows by name through the syntax tree, without running any code of the project."""

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
        name: The flow's name by Prefect's rule; None where the name is computed, so that only running the code would tell.
        entrypoint: ``folder/file.py:function`` or ``folder/file.py:Class.method``, relative to the project's folder, with
            ``/``; for a flow of an installed package its module entrypoint, ``package.module.function``.
        file: The file, absolute.
        line: The line of the ``def``, counted from 1.
        column: The column of the ``def``, counted from 1.
    """

    name: str | None
    entrypoint: str
    file: Path
    line: int
    column: int


class FoundFlows(tuple[FlowSource, ...]):
    """The flows of a project, by file and line.

    Attributes:
        unread: Files that may hold flows but could not be read; a lookup that fails mentions them.
        made: Files that may bind flows to names that do not stand in them; a lookup that fails mentions these too.
    """

    unread: tuple[UnreadFile, ...]
    made: tuple[str, ...]

    def __new__(
        cls, flows: Iterable[FlowSource] = (), unread: Iterable[UnreadFile] = (), made: Iterable[str] = ()
    ) -> Self:
        """Make the tuple of flows; what could not be found hangs on it."""
        found = super().__new__(cls, flows)
        found.unread = tuple(unread)
        found.made = tuple(made)
        return found


def find_flows(root: Path, patterns: Sequence[str] = ()) -> FoundFlows:
    """Find all flows that a project defines with Prefect's decorator, without running its code.

    Found are functions, static and class methods below ``@flow``, however it was imported, also when ``functools.partial``
    or a builder was applied to it first; not those inside of functions, since they cannot be loaded.

    Args:
        root: The project's folder.
        patterns: The files to look at, as for :func:`python_files`.
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
    """Parse a file that may hold flows; gives why not where it cannot be read, and None where it holds none for certain."""
    source = read_source(file)
    if isinstance(source, str):
        return source
    if b"\0" not in source and not (b"flow" in source and b"prefect" in source):
        return None  # parsing is what takes the time
    return parse(source)


def flows_in_tree(tree: ast.Module, path: str, file: Path) -> tuple[FlowSource, ...]:
    """Find the flows of a syntax tree.

    Args:
        tree: The module.
        path: What stands before the colon of the entrypoints.
        file: The file, absolute.
    """
    scanner = _Scanner(tree, path, file)
    scanner.scan(tree.body, {}, ())
    return tuple(scanner.flows.values())


@dataclass(frozen=True)
class _Decorator:
    """Something that makes a function a flow.

    Attributes:
        name: The name that it gives every flow; empty for Prefect's rule, None where it is computed.
    """

    name: str | None = ""


_Names = dict[str, "str | _Decorator"]
"""What names mean at a point of the text: a dotted path of an import, or a flow decorator."""


class _Scanner:
    """Goes through the statements that run on import, and keeps what names mean there."""

    def __init__(self, tree: ast.Module, path: str, file: Path) -> None:
        self.flows: dict[str, FlowSource] = {}
        self._tree = tree
        self._path = path
        self._file = file
        self._constants: dict[str, str] | None = None

    def scan(self, body: Sequence[ast.stmt], names: _Names, owner: tuple[str, ...]) -> None:
        """Scan a block; ``names`` is changed to what holds after it."""
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
        """Scan the blocks of a statement; a decorator after any of them is one after all (``try: from prefect import flow``)."""
        after: list[_Names] = []
        for block in branches(statement):
            inside = dict(names)
            for earlier in after:
                _merge(inside, earlier)  # else and finally come after the others
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
        # defined twice, as in the two branches of an `if`: which one it will be is not known here
        self.flows[entrypoint] = flow if earlier is None or earlier.name == flow.name else replace(flow, name=None)

    def _decorator(self, expression: ast.expr, names: _Names) -> _Decorator | None:
        """Say whether an expression gives a flow decorator, and which name that gives."""
        if dotted := dotted_name(expression):
            return _as_decorator(_resolve(dotted, names))
        if not isinstance(expression, ast.Call):
            return None
        if called := self._decorator(expression.func, names):
            # flow(fn) makes a flow; flow(name="x") a decorator
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
            return _Decorator(None)  # flow(**options) may hold a name
        return decorator

    def _text(self, expression: ast.expr) -> str | None:
        """Give the name that an expression stands for: empty for none, None where it is computed."""
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
    """Join what names mean after two branches: a decorator wins over a stand-in, and two given names leave none."""
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
    """Say what ``a.b.c`` means, given what ``a`` means."""
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
    """Find module-level names that stand for one text: bound once in the whole file, to a literal."""
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
