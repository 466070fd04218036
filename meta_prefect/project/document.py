"""Parses YAML into JSON-like data and keeps the position of each value for error messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from meta_prefect.errors import ProjectFileError
from meta_prefect.redaction import hidden

KeyPath = tuple[str | int, ...]
"""The path to a value: keys of mappings and indexes of lists."""

_MAX_DEPTH = 100
_MAX_VALUES = 250_000
_TAG = "tag:yaml.org,2002:"
_KINDS = {"null": "nothing", "bool": "a boolean", "int": "a number", "float": "a number"}
_BARE_KEY = re.compile(r"[\w -]+")


if TYPE_CHECKING:
    from yaml import SafeLoader as _Loader
else:
    _Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _FastLoader(_Loader):
    """The fast loader, extended to read ``1e-5`` as a number, as in JSON and YAML 1.2; YAML 1.1 requires a decimal point."""


_FastLoader.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType] - partly untyped in PyYAML
    f"{_TAG}float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@dataclass(frozen=True)
class Document:
    """A file's data with the position of each value.

    Attributes:
        name: The file's name, for messages.
        data: Strings, finite numbers, booleans, None, lists, and dictionaries with string keys.
        positions: Line and column, both starting at 1, of each key and each list item.
        problems: YAML problems that did not prevent reading the file, such as a duplicate key.
    """

    name: str
    data: object
    positions: Mapping[KeyPath, tuple[int, int]]
    problems: tuple[ProjectFileError, ...]

    def locate(self, path: KeyPath) -> str:
        """Format a value's position, for example ``meta_prefect.yaml:4:7: deployments.etl[0].recipe``."""
        return _located(self.name, self.position(path), path)

    def position(self, path: KeyPath) -> tuple[int, int]:
        """Return a value's line and column; for a path not in the file, those of the nearest enclosing value."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, (1, 1))


@lru_cache(maxsize=256)  # a deploy reads all files before it starts, and again in its run
def parse_document(name: str, content: bytes) -> Document:
    """Parse YAML. The document is cached and must not be modified.

    Dates, times and base-60 numbers (``9:30``) remain strings as written, since JSON has none of them. ``1e-5`` is a number,
    as in JSON.

    Raises:
        ProjectFileError: It is not YAML, or not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        raise ProjectFileError(
            "not UTF-8 text", where=_located(name, _end_of(before)), hint="Save it as UTF-8."
        ) from None
    node = _compose(name, text)
    builder = _Builder(name)
    data = builder.build(node, ()) if node is not None else None
    return Document(name, data, builder.positions, tuple(builder.problems))


def describe(value: object, *keys: str | int) -> str:
    """Format a value as it appears in the file, shortened and with secrets masked.

    Args:
        value: The value.
        keys: The keys that lead to it.
    """
    text = json.dumps(hidden(value, *keys), ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _compose(name: str, text: str) -> Node | None:
    """Parse into nodes. The fast parser is tried first; the pure Python one has better error messages."""
    try:
        # libyaml recurses without a limit of its own, and deep nesting would crash the process
        _refuse_depth(name, text)
        return yaml.compose(text, Loader=_FastLoader)
    except yaml.YAMLError as error:
        raise _broken(name, text, _better_explained(text) or error) from None


def _better_explained(text: str) -> yaml.YAMLError | None:
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        return error
    except RecursionError:
        # The nesting is within our limit (see `_refuse_depth`), so the caller's stack must be deep already. The Python parser
        # only improves the message; fall back to that of the fast one.
        pass
    return None


def _refuse_depth(name: str, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_FastLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH and event.start_mark is not None:
                at = (event.start_mark.line + 1, event.start_mark.column + 1)
                raise ProjectFileError(f"nested deeper than {_MAX_DEPTH} levels", where=_located(name, at))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _broken(name: str, text: str, error: yaml.YAMLError) -> ProjectFileError:
    """Explain what is wrong with a text that is not YAML."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        at = (error.problem_mark.line + 1, error.problem_mark.column + 1)
        what = error.problem or "it cannot be read"
        context = f" ({error.context})" if error.context else ""
    else:
        at = _end_of(text[: getattr(error, "position", 0)])
        what, context = str(getattr(error, "reason", error)), ""
    hint = "YAML is indented with spaces, never with tabs." if "'\\t'" in what else None
    if "mapping values are not allowed" in what:
        hint = "A text that holds ': ' needs quotes around it; else look for a wrong indentation."
    return ProjectFileError(f"not valid YAML: {what}{context}", where=_located(name, at), hint=hint)


def _end_of(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def _located(name: str, at: tuple[int, int], path: KeyPath = ()) -> str:
    where = f"{name}:{at[0]}:{at[1]}"
    return f"{where}: {_written(path)}" if path else where


def _written(path: KeyPath) -> str:
    """Format a path as ``deployments.etl[0].recipe``, quoting keys that contain such punctuation."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f"{'.' if text else ''}{part if _BARE_KEY.fullmatch(part) else repr(part)}"
    return text


class _Builder:
    """Converts nodes into data, recording positions and collecting problems."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.positions: dict[KeyPath, tuple[int, int]] = {}
        self.problems: list[ProjectFileError] = []
        self._constructor = SafeConstructor()
        self._values = 0

    def build(self, node: Node, path: KeyPath) -> object:
        """Build the value of a node and everything below it."""
        self._values += 1
        if len(path) > _MAX_DEPTH or self._values > _MAX_VALUES:
            # only possible with aliases: `&a [*a]` contains itself, and nested aliases grow exponentially
            raise ProjectFileError(
                "aliases (`*name`) make this file endless or far too large", where=_located(self.name, _start(node))
            )
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            return self._list(node, path)
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        at = self.positions.get(path, _start(node))
        return self._problem(at, path, f"the tag {node.tag!r} is not supported", "Write plain YAML.")

    def _list(self, node: SequenceNode, path: KeyPath) -> list[object]:
        values: list[object] = []
        for index, item in enumerate(node.value):
            self.positions[*path, index] = _start(item)
            values.append(self.build(item, (*path, index)))
        return values

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        values: dict[str, object] = {}
        for key_node, value_node, merged in self._pairs(node, path, 0):
            key = self._key(key_node, path)
            if key is None or (merged and key in values):
                continue  # a mapping's own keys come first and override merged ones
            if key in values:
                line = self.positions[*path, key][0]
                self._problem(
                    _start(key_node),
                    (*path, key),
                    f"this key stands here twice, first in line {line}",
                    "Keep one of the two.",
                )
                continue
            self.positions[*path, key] = _start(key_node)
            values[key] = self.build(value_node, (*path, key))
        return values

    def _pairs(self, node: MappingNode, path: KeyPath, depth: int) -> Iterator[tuple[Node, Node, bool]]:
        """Yield keys and values: a mapping's own first, then those merged by ``<<`` (indicated by the third item)."""
        merges: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                merges.extend(value_node.value if isinstance(value_node, SequenceNode) else [value_node])
            else:
                yield key_node, value_node, depth > 0
        for merged in merges:
            if not isinstance(merged, MappingNode) or depth > _MAX_DEPTH:
                self._problem(
                    _start(merged), path, "`<<` merges mappings only", "Give it an alias of a mapping: `<<: *name`."
                )
                continue
            yield from self._pairs(merged, path, depth + 1)

    def _key(self, node: Node, path: KeyPath) -> str | None:
        if isinstance(node, ScalarNode) and _is_text(node):
            return node.value
        if isinstance(node, ScalarNode):
            read_as = _KINDS.get(node.tag.removeprefix(_TAG), "something else")
            message, hint = (
                f"the key {node.value!r} is read as {read_as}, not as text",
                f'Put it in quotes: "{node.value}".',
            )
        else:
            message, hint = "a key must be text", None
        self._problem(_start(node), path, message, hint)
        return None

    def _scalar(self, node: ScalarNode, path: KeyPath) -> object:
        if _is_text(node):
            return node.value
        at = self.positions.get(path, _start(node))
        kind = node.tag.removeprefix(_TAG)
        if node.value == "NO":
            return self._problem(at, path, "YAML reads NO as false", "Write 'NO' in quotes for Norway, or false.")
        read = {
            "null": self._constructor.construct_yaml_null,
            "bool": self._constructor.construct_yaml_bool,
            "int": self._constructor.construct_yaml_int,
            "float": self._constructor.construct_yaml_float,
        }.get(kind)
        if read is None:
            return self._problem(at, path, f"the tag {node.tag!r} is not supported", "Write plain YAML.")
        try:
            value: object = read(node)
        except (ValueError, KeyError):
            return self._problem(
                at, path, f"{node.value[:40]!r} cannot be read as {_KINDS[kind]}", "Put text in quotes."
            )
        if isinstance(value, float) and not isfinite(value):
            return self._problem(at, path, f"{node.value!r} cannot be stored: JSON has no such number", None)
        return value

    def _problem(self, at: tuple[int, int], path: KeyPath, message: str, hint: str | None) -> None:
        self.problems.append(ProjectFileError(message, where=_located(self.name, at, path), hint=hint))


def _is_text(node: ScalarNode) -> bool:
    """Return whether a scalar stays a string: text, and anything YAML 1.1 reads as a date, a time or a base-60 number."""
    kind = node.tag.removeprefix(_TAG)
    return kind in {"str", "timestamp", "value"} or (kind in {"int", "float"} and ":" in node.value)


def _start(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
