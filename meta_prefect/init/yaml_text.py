"""Formats YAML for people: short values on one line, long ones below their key; round-trips."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import yaml

_ROOM: Final = 88
"""The maximum length of a list or mapping on one line."""


def yaml_lines(value: Mapping[str, Any]) -> list[str]:
    """Format a mapping as lines of YAML, one key per line."""
    dump = cast("Any", yaml).dump  # partly untyped in PyYAML
    text: str = dump(_Block(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return text.splitlines()


class _Block(dict[str, Any]):
    """A mapping that is never put on one line."""


class _Dumper(yaml.SafeDumper):
    """Repeats shared values instead of using aliases, and indents list items."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)

    def represent_sequence(self, tag: str, sequence: Iterable[Any], flow_style: bool | None = None) -> Any:
        del flow_style
        return super().represent_sequence(tag, sequence, flow_style=_fits(sequence))

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        return super().represent_mapping(tag, mapping, flow_style=_fits(mapping) if flow_style is None else flow_style)


def _fits(value: object) -> bool:
    text = repr(value)
    return len(text) <= _ROOM and "\\n" not in text


def _text(dumper: Any, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _block(dumper: Any, mapping: _Block) -> yaml.MappingNode:
    # As a list: a mapping would be sorted.
    return dumper.represent_mapping("tag:yaml.org,2002:map", list(mapping.items()), flow_style=False)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Block, _block)
# What the project file's reader treats as a number, unlike YAML 1.1.
_Dumper.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType] - partly untyped in PyYAML
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)
