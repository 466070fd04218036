"""Extracts the statements of a module that define a flow, if that can be done with certainty without running the module.

A flow's name, description and parameters depend on its decorator, its signature and its docstring, and on what the names in
them mean. That is certain if each of these names is bound exactly once, at the module's top level, to a literal, to an enum
of literals or to an import from a module that is the same everywhere, and if nothing in the module could change any of it.
Whatever else the module does is irrelevant. In case of doubt, the module has to be imported.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meta_prefect.flows.syntax import FLOW_DECORATORS, dotted_name, is_main_guard, names_bound_by

_MODULES = frozenset(
    {"collections.abc", "datetime", "decimal", "enum", "pathlib", "pydantic", "typing", "typing_extensions", "uuid"}
)
"""Modules whose names annotations, defaults and decorators may use, besides builtins."""

_CALLED = frozenset(
    {"bool", "bytes", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple", "enum.auto", "uuid.UUID"}
    | {f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")}
    | {f"pathlib.{name}" for name in ("Path", "PosixPath", "PurePath", "PurePosixPath")}
    | {
        f"pydantic.con{name}"
        for name in ("bytes", "date", "decimal", "float", "frozenset", "int", "list", "set", "str")
    }
    | {"decimal.Decimal", "pydantic.Field", "pydantic.SecretStr", "pydantic.StringConstraints"}
)
"""Deterministic functions that may be called there."""

_LITERALS = (
    *(ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.JoinedStr, ast.FormattedValue),
    *(ast.UnaryOp, ast.BinOp, ast.Subscript),
)
"""Functions that are deterministic if their arguments are."""

_ENUMERATIONS = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum"})

_OPTIONS = frozenset(
    {"cache_result_in_memory", "flow_run_name", "log_prints", "on_cancellation", "on_completion", "on_crashed"}
    | {"on_failure", "on_running", "persist_result", "result_serializer", "retries", "retry_delay_seconds"}
    | {"task_runner", "timeout_seconds", "validate_parameters"}
)
"""Arguments of the decorator that do not affect the facts read here, whatever their value."""

_WRITERS = frozenset({"__builtins__", "__import__", "delattr", "eval", "exec", "globals", "locals", "setattr", "vars"})
_NAMESPACES = frozenset({"__globals__", "f_globals", "f_locals", "modules"})
"""Functions and attributes by which code can rebind a name without mentioning it, such as ``sys.modules``."""

_PATCHED = frozenset({"builtins", "prefect", *(name.partition(".")[0] for name in _MODULES)})
"""Packages with global settings, whose behavior differs once one is set."""


class UncertainError(Exception):
    """Why a flow cannot be read from source with certainty."""


@dataclass(frozen=True, slots=True)
class CertainFlow:
    """The code that defines a flow.

    Attributes:
        code: The statements the function depends on, and finally the function: without decorator, with only the docstring as
            body.
        options: The arguments of the decorator that matter.
    """

    code: ast.Module
    options: dict[str, ast.expr]


class ModuleText:
    """A module's source, analyzed for what its names mean.

    Args:
        tree: The module's syntax tree.
        beside: Names of the project's modules, which may shadow others of the same name.
    """

    def __init__(self, tree: ast.Module, beside: Iterable[str] = ()) -> None:
        self._beside = frozenset(beside)
        self._uses = _Uses(tree)
        self._bindings = dict(reversed([*_plain_bindings(tree.body)]))
        if patched := sorted(name for name in self._uses.changed if self._is_patched(name)):
            self._uses.opaque = patched[0]
        self._future = [one for one in tree.body if isinstance(one, ast.ImportFrom) and one.module == "__future__"]
        features = {alias.name for statement in self._future for alias in statement.names}
        self.is_postponed: bool = "annotations" in features or sys.version_info >= (3, 14)

    def flow(self, name: str) -> CertainFlow:
        """Extract the code that defines a flow.

        Args:
            name: The name of its function.

        Raises:
            UncertainError: Running the module could change the result.
        """
        if self._uses.opaque:
            raise UncertainError(f"the module could change anything by {self._uses.opaque!r}")
        function = self.definition(name)
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or getattr(function, "type_params", ()):
            raise UncertainError(f"{name} is no plain function")
        if name in self._uses.passed_on | self._uses.changed_attributes:
            raise UncertainError(f"{name} is used other than by calling it")
        parts = _Parts(self)
        options = dict(parts.options(function))
        signature = parts.signature(function)
        defined = sorted(parts.needed.values(), key=lambda one: (one.lineno, one.col_offset))
        code = ast.Module(body=[*self._future, *defined, signature], type_ignores=[])
        return CertainFlow(ast.fix_missing_locations(code), options)

    def definition(self, name: str) -> ast.stmt | None:
        """Return the statement that binds a name in the module; None for a builtin.

        Raises:
            UncertainError: The name is also bound elsewhere, modified, or not bound at all.
        """
        if name not in self._uses.bound:
            if name.startswith("_") or not hasattr(builtins, name):
                raise UncertainError(f"{name} is not defined")
            return None
        if self._uses.bound[name] != 1 or name not in self._bindings or name in self._uses.changed:
            raise UncertainError(f"{name} is bound more than once or in some cases only, or changed")
        return self._bindings[name]

    def meaning(self, dotted: str) -> str:
        """Resolve ``a.b`` through the import of ``a``; names defined in the module resolve to themselves.

        Raises:
            UncertainError: It may be something else.
        """
        first, _, rest = dotted.partition(".")
        if any(part.startswith("_") for part in rest.split(".")):
            raise UncertainError(f"{dotted} is private")
        match self.definition(first):
            case ast.Import(names=[alias]):
                start = alias.name if alias.asname else first
            case ast.ImportFrom(module=str(module), names=[alias], level=0):
                start = f"{module}.{alias.name}"
            case _:
                return dotted
        if start.partition(".")[0] in self._beside:
            raise UncertainError(f"{start} may be the project's own")
        return f"{start}.{rest}" if rest else start

    def is_passed_on(self, name: str) -> bool:
        """Return whether a function gets the object behind a name as an argument, and could modify it."""
        return name in self._uses.arguments

    def _is_patched(self, name: str) -> bool:
        match self._bindings.get(name):
            case ast.Import(names=[ast.alias(name=module)]) | ast.ImportFrom(module=str(module)):
                return module.partition(".")[0] in _PATCHED
            case _:
                return name in _PATCHED


class _Parts:
    """Collects the code that a flow's decorator and signature depend on, and rejects anything uncertain."""

    def __init__(self, text: ModuleText) -> None:
        self.needed: dict[str, ast.stmt] = {}
        self._text = text
        self._seen: set[tuple[str, bool]] = set()

    def options(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, ast.expr]]:
        """Yield the arguments of the flow's decorator that matter."""
        match function.decorator_list:
            case [ast.Call(func=decorator, args=[], keywords=keywords)]:
                pass
            case [ast.Name() | ast.Attribute() as decorator]:
                keywords = []
            case _:
                raise UncertainError(f"{function.name} is decorated by more than Prefect's `flow`")
        dotted = dotted_name(decorator)
        if dotted is None or self._text.meaning(dotted) not in FLOW_DECORATORS:
            raise UncertainError(f"{function.name} is decorated by something else than Prefect's `flow`")
        for keyword in keywords:
            match keyword:
                case ast.keyword(arg="name" | "description" | "version" as name, value=value):
                    self._value(value)
                    yield name, value
                case ast.keyword(arg="result_storage", value=ast.Constant()):
                    pass  # an object may require a block
                case ast.keyword(arg=name) if name in _OPTIONS:
                    pass
                case _:
                    raise UncertainError(f"{function.name} is decorated with {keyword.arg or 'more arguments'}")

    def signature(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
        """Return the function reduced to what its callers see."""
        given = function.args
        for default in filter(None, (*given.defaults, *given.kw_defaults)):
            self._value(default)
        for one in filter(None, (*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg)):
            if one.annotation is not None:
                self._annotation(one.annotation, is_whole=True)
        docstring = function.body[:1] if ast.get_docstring(function, clean=False) is not None else []
        made = type(function)(
            name=function.name,
            args=given,
            body=[*docstring, ast.Pass()],
            decorator_list=[],
            returns=self._returned(function.returns),
        )
        return ast.copy_location(made, function)

    def _returned(self, annotation: ast.expr | None) -> ast.expr | None:
        """Return the return annotation: not a fact itself, but if one annotation fails, Prefect evaluates none."""
        if annotation is None:
            return None
        has_text = any(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in ast.walk(annotation))
        if not self._text.is_postponed and not has_text:
            return None  # needs an import to evaluate
        self._annotation(annotation, is_whole=True)
        return annotation

    def _annotation(self, node: ast.expr, *, is_whole: bool = False) -> None:
        match node:
            case ast.Constant(value=str(text)):
                if not is_whole or self._text.is_postponed:
                    raise UncertainError(f"{text!r} is evaluated by others")
                self._annotation(_parsed(text))
            case ast.Name() | ast.Attribute():
                self._load(node, in_annotation=True)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                self._annotation(left)
                self._annotation(right)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self._annotation(part)
            case ast.Subscript(value=ast.Name() | ast.Attribute() as generic, slice=arguments):
                self._arguments(self._load(generic, in_annotation=True), arguments)
            case _:
                self._value(node)

    def _arguments(self, generic: str, arguments: ast.expr) -> None:
        match generic.rpartition(".")[2], arguments:
            case "Literal", _:
                self._value(arguments)
            case "Annotated", ast.Tuple(elts=[first, *others]):
                self._annotation(first)
                for other in others:
                    self._value(other)
            case _:
                self._annotation(arguments)

    def _value(self, node: ast.expr) -> None:
        match node:
            case ast.Name() | ast.Attribute():
                self._load(node)
                return
            case ast.Call(func=ast.Name() | ast.Attribute() as called, args=args, keywords=keywords):
                self._call(called)
                if any(one.arg in (None, "default_factory") for one in keywords):
                    raise UncertainError("a default is made when it is asked for")
                inside = (*args, *(one.value for one in keywords))
            case _ if isinstance(node, _LITERALS):
                inside = (one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr))
            case _:
                raise UncertainError(f"{ast.unparse(node)} is computed")
        for one in inside:
            self._value(one)

    def _call(self, called: ast.Name | ast.Attribute) -> None:
        meant = self._load(called)
        if meant not in _CALLED and not isinstance(self.needed.get(meant), ast.ClassDef):
            raise UncertainError(f"{meant} is called")

    def _load(self, node: ast.Name | ast.Attribute, *, in_annotation: bool = False) -> str:
        """Collect the code a dotted name depends on; return what the name means."""
        dotted = dotted_name(node)
        if dotted is None:
            raise UncertainError(f"{ast.unparse(node)} is computed")
        meant, name = self._text.meaning(dotted), dotted.partition(".")[0]
        statement = self._text.definition(name)
        if statement is None or (name, in_annotation) in self._seen:
            return meant
        self._seen.add((name, in_annotation))
        self.needed[name] = statement
        match statement:
            case ast.Import() | ast.ImportFrom():
                if not any(meant.startswith(f"{module}.") for module in _MODULES):
                    raise UncertainError(f"{meant} is imported")
            case ast.Assign(value=value) if in_annotation:
                self._annotation(value)
            case ast.Assign(value=value):
                self._value(value)
                if any(map(self._is_changeable, ast.walk(value))):
                    raise UncertainError(f"{name} can be changed")
            case ast.ClassDef():
                self._enumeration(statement)
            case _:
                raise UncertainError(f"{name} is computed")
        return meant

    def _is_changeable(self, node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Name() | ast.Attribute() as called):
                return self._load(called) in {"dict", "list", "set"}
            case _:
                return isinstance(node, ast.List | ast.Set | ast.Dict)

    def _enumeration(self, definition: ast.ClassDef) -> None:
        """Check that a class is an enum of literals."""
        bases = {self._load(one) if isinstance(one, ast.Name | ast.Attribute) else "" for one in definition.bases}
        is_plain = not (definition.keywords or definition.decorator_list or self._text.is_passed_on(definition.name))
        if not is_plain or not bases & _ENUMERATIONS or bases - _ENUMERATIONS - {"int", "str"}:
            raise UncertainError(f"{definition.name} is no plain enumeration")
        for statement in definition.body:
            match statement:
                case ast.Pass() | ast.Expr(value=ast.Constant()):
                    pass
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.startswith("_"):
                    self._value(value)
                case _:
                    raise UncertainError(f"{definition.name} is more than an enumeration")


class _Uses:
    """How a module uses names, at the top level and inside functions.

    Attributes:
        bound: How often each name is bound in the module's own scope.
        changed: Names of which an attribute or item is set or deleted.
        changed_attributes: The attributes on the path to it, whatever they belong to.
        passed_on: Names used for anything other than a call or a public attribute.
        arguments: Names passed as arguments of a call.
        opaque: Why nothing is certain in this module; empty if there is no such reason.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.bound = Counter[str]()
        self.changed: set[str] = set()
        self.changed_attributes: set[str] = set()
        self.arguments: set[str] = set()
        self.opaque = ""
        loaded: dict[int, str] = {}
        asked: set[int] = set()
        for node in _below(tree, into_bodies=True):
            match node:
                case ast.Name(id=name, ctx=ast.Load()):
                    loaded[id(node)] = name
                    self._note_way(name, _WRITERS)
                case ast.Attribute(value=value, attr=name, ctx=ast.Load()):
                    asked |= set() if name.startswith("_") or name == "fn" else {id(value)}
                    self._note_way(name, _NAMESPACES)
                case ast.Attribute() | ast.Subscript(ctx=ast.Store() | ast.Del()):
                    self._note_change(node)
                case ast.Call(func=called, args=args, keywords=keywords):
                    asked.add(id(called))
                    given = (*args, *(one.value for one in keywords))
                    self.arguments |= {one.id for one in given if isinstance(one, ast.Name)}
                case ast.alias(name=name):
                    self._note_way(name.rpartition(".")[2], _NAMESPACES | {"*"})
                case ast.Global(names=names):
                    self.bound.update([*names, *names])
                case _:
                    pass
        self.passed_on = {name for one, name in loaded.items() if one not in asked}
        packages: set[str] = set()
        for node in _below(tree, into_bodies=False):
            if isinstance(node, ast.Import):  # `import a.b` and `import a.c` both bind the same `a`
                names = {alias.name.partition(".")[0] for alias in node.names if not alias.asname}
                self.bound.subtract(names & packages)
                packages |= names
            self.bound.update(names_bound_by(node))

    def _note_way(self, name: str, ways: frozenset[str]) -> None:
        if name in ways:
            self.opaque = name

    def _note_change(self, node: ast.expr) -> None:
        """Record the object whose attribute or item is set: everything before the last dot or bracket, and that attribute."""
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
            if isinstance(node, ast.Attribute):
                self.changed_attributes.add(node.attr)
            node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Name):
            self.changed.add(node.id)


def _below(node: ast.AST, *, into_bodies: bool) -> Iterator[ast.AST]:
    """Yield a node and its descendants, except script-only code and, optionally, the bodies of functions and classes."""
    yield node
    skipped: set[ast.AST] = set()
    match node:
        case ast.If(test=test, body=body) if is_main_guard(test):
            skipped = {*body}
        case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body) | ast.ClassDef(body=body) if not into_bodies:
            skipped = {*body}
        case ast.Lambda(body=expression) if not into_bodies:
            skipped = {expression}
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from _below(child, into_bodies=into_bodies)


def _plain_bindings(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the names bound by top-level statements, each with a statement that binds only that name."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, statement
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name, statement
            case ast.AnnAssign(target=ast.Name(id=name) as target, value=ast.expr() as value):
                yield name, ast.copy_location(ast.Assign(targets=[target], value=value), statement)
            case ast.Import(names=aliases):
                for alias in aliases:
                    made = ast.copy_location(ast.Import(names=[alias]), statement)
                    yield alias.asname or alias.name.partition(".")[0], made
            case ast.ImportFrom(names=aliases):
                for alias in aliases:
                    made = ast.ImportFrom(module=statement.module, names=[alias], level=statement.level)
                    yield alias.asname or alias.name, ast.copy_location(made, statement)
            case _:
                pass


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        raise UncertainError(f"{text!r} is no expression") from None
