"""Parses Python files into syntax trees; never runs their code."""

from __future__ import annotations

import ast
import codecs
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from meta_prefect.files import read_regular

FLOW_DECORATORS = frozenset({"prefect.flow", "prefect.flows.flow", "prefect.main.flow"})
"""The modules from which Prefect's decorator can be imported."""

_NAME_MAKERS = frozenset({"globals", "locals", "vars", "setattr", "exec"})


@dataclass(frozen=True)
class UnreadFile:
    """A Python file that could not be read.

    Attributes:
        path: The path relative to the project's folder, with ``/``.
        reason: For example ``invalid syntax in line 3``.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} ({self.reason})"


def parse(source: bytes) -> ast.Module | str:
    """Parse the contents of a Python file.

    Returns:
        The syntax tree, or the reason it could not be parsed.
    """
    if source.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in source:
        return "it is not UTF-8 text"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as invalid escapes: not ours to report
            return ast.parse(source)
    except SyntaxError as error:
        return f"{error.msg} in line {error.lineno}" if error.lineno else str(error.msg)
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or "it is nested too deeply"


def read_source(file: Path) -> bytes | str:
    """Read a file; return its contents, or the reason it could not be read."""
    try:
        return read_regular(file)
    except OSError as error:
        return error.strerror or str(error)


def branches(statement: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    """Yield the blocks of a statement that run when a module is imported.

    Excludes blocks under ``if __name__ == "__main__":`` and ``if TYPE_CHECKING:``, and function bodies.
    """
    match statement:
        case ast.If(test=test, body=body, orelse=orelse):
            if not _is_false_on_import(test):
                yield body
            yield orelse
        case ast.Try() | ast.TryStar():
            yield statement.body
            yield from (handler.body for handler in statement.handlers)
            yield statement.orelse
            yield statement.finalbody
        case ast.For() | ast.AsyncFor() | ast.While():
            yield statement.body
            yield statement.orelse
        case ast.With() | ast.AsyncWith() | ast.ClassDef():
            yield statement.body
        case ast.Match(cases=cases):
            yield from (case.body for case in cases)
        case _:
            pass


def executed(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield all statements that run when a module is imported, in source order."""
    for statement in body:
        yield statement
        for block in branches(statement):
            yield from executed(block)


def bound_names(statement: ast.stmt) -> set[str]:
    """Return the names that a statement itself binds; ``*`` stands for those of ``from module import *``."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {alias.asname or alias.name.partition(".")[0] for alias in aliases}
        case ast.Assign(targets=targets):
            return _stored(targets)
        case ast.AnnAssign(target=target) | ast.For(target=target) | ast.AsyncFor(target=target):
            return _stored([target])
        case ast.With(items=items) | ast.AsyncWith(items=items):
            return _stored([item.optional_vars for item in items if item.optional_vars])
        case _:
            return set()


def makes_names(tree: ast.Module) -> bool:
    """Return whether a module may bind names dynamically, as with ``globals()[f"copy_{table}"] = …``."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _NAME_MAKERS
        for node in ast.walk(tree)
    )


def names_bound_by(node: ast.AST) -> list[str]:
    """Return the names a node itself binds or deletes, in any scope; for ``*`` see :func:`bound_names`."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return [name]
        case ast.alias(name=name, asname=asname):
            return [asname or name.partition(".")[0]]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return [name]
        case ast.MatchMapping(rest=str(name)):
            return [name]
        case _:
            return []


def _stored(targets: Sequence[ast.expr]) -> set[str]:
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}


def dotted_name(expression: ast.expr) -> str | None:
    """Return ``a.b.c`` as text, or None for any other expression."""
    match expression:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{start}.{attribute}" if (start := dotted_name(value)) else None
        case _:
            return None


def is_main_guard(test: ast.expr) -> bool:
    """Return whether a condition is ``__name__ == "__main__"``."""
    match test:
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]):
            return True
        case _:
            return False


def _is_false_on_import(test: ast.expr) -> bool:
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
        case _:
            return is_main_guard(test)
