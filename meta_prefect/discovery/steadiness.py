"""Find modules that are something else each time they are imported: by the clock, by chance, or by what a server says."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from meta_prefect.discovery.syntax import branches, parse

_CHANGING = frozenset(
    {
        "now", "utcnow", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime",
        "ctime", "uuid1", "uuid4", "uuid6", "uuid7", "random", "randint", "randrange", "getrandbits", "choice", "choices",
        "sample", "shuffle", "uniform", "gauss", "rand", "randn", "urandom", "token_hex", "token_bytes", "token_urlsafe",
        "randbelow", "default_rng", "mkdtemp", "mkstemp", "getpid",
    }
)  # fmt: skip
"""Names of functions that give something else at each call, whatever module they are of."""

_LOADING = frozenset({"load", "aload", "load_from_ref", "aload_from_ref"})
_RUN_WHEN_MADE = frozenset({"__new__", "__init__", "__post_init__", "model_post_init"})


def changing_call(sources: Iterable[bytes]) -> str | None:
    """Find a call that makes an import give something else each time.

    Looked at is what runs when the modules are imported, default values of parameters among it, and the functions of the modules
    that are called there, by their names. What stands in the body of a flow runs later, and does not count.

    Args:
        sources: The modules.

    Returns:
        What is called; None where there is no such call. A module that cannot be parsed counts as one.
    """
    waiting: list[ast.AST] = []
    defined: dict[str, list[ast.stmt]] = {}
    for source in sources:
        tree = parse(source)
        if isinstance(tree, str):
            return tree
        waiting.append(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                defined.setdefault(node.name, []).append(node)
    own = frozenset(defined)
    while waiting:
        for called, has_arguments in _calls(waiting.pop()):
            if _is_changing(called, own, has_arguments=has_arguments):
                return ".".join(filter(None, called))
            for definition in defined.pop(called[1], ()):
                waiting.extend(_run_by_a_call(definition))
    return None


_Called = tuple[str, str]
"""What is called: the name before the last dot (its last part), and the one after it."""


def _calls(node: ast.AST) -> Iterator[tuple[_Called, bool]]:
    """List what is called when a piece of code is executed, and whether with arguments."""
    inside: Iterable[ast.AST]
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            inside = (*node.decorator_list, node.args, *filter(None, [node.returns]))
        case ast.Lambda():
            inside = (node.args,)
        case ast.If():
            inside = (node.test, *(statement for block in branches(node) for statement in block))
        case _:
            inside = ast.iter_child_nodes(node)
    if isinstance(node, ast.Call):
        yield _name(node.func), bool(node.args or node.keywords)
    for decorator in getattr(node, "decorator_list", ()):
        yield _name(decorator), True
    for one in inside:
        yield from _calls(one)


def _name(function: ast.expr) -> _Called:
    match function:
        case ast.Attribute(value=value, attr=name):
            owner = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
            return owner, name
        case ast.Name(id=name):
            return "", name
        case _:
            return "", ""


def _is_changing(called: _Called, own: frozenset[str], *, has_arguments: bool) -> bool:
    owner, name = called
    match name:
        case "today":
            return owner != "date"  # a date holds for the day, and that is looked at
        case "time":
            return owner in ("", "time") and not has_arguments
        case "strftime":
            return owner == "time"
        case "get" | "aget":
            return owner == "Variable"
        case _:
            is_block = name in _LOADING and owner[:1].isupper() and owner not in own
            return is_block or (name in _CHANGING and not (not owner and name in own))


def _run_by_a_call(definition: ast.stmt) -> Iterator[ast.AST]:
    """List what runs when a function is called, or a class."""
    if isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from definition.body
    for node in definition.body if isinstance(definition, ast.ClassDef) else ():
        if isinstance(node, ast.FunctionDef) and node.name in _RUN_WHEN_MADE:
            yield from node.body
        for inner in ast.walk(node):
            if isinstance(inner, ast.keyword) and inner.arg == "default_factory":
                made_by = inner.value
                yield made_by.body if isinstance(made_by, ast.Lambda) else ast.Call(func=made_by, args=[], keywords=[])
