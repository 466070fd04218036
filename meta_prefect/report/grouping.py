"""Groups what several deployments of a plan have in common, so that the special cases stand out."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from meta_prefect.plan.changes import DEPLOYMENT
from meta_prefect.plan.outcomes import listed as shortened

COMMIT: Final = "commit"
"""The label of a field that contains a commit, wherever it is."""

WIDTH: Final = 80
"""The width of lines where the terminal's is unknown."""

_INDENT: Final = 4

_LEFT: Final = "="
"""The mark of untouched objects."""

_WIDEST_VALUE: Final = 32
"""Longer values are not padded to a common width."""

_COUNTED: Final = "version:"
"""The label of a field that usually differs only because deploys are counted."""

_MIN_VALUES_TO_GROUP: Final = 4
"""A field with this many values is shown grouped by value."""


@dataclass(frozen=True, slots=True)
class FieldLine:
    """A differing field, with its values as displayed and a note on them."""

    label: str
    before: str
    after: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.label} {self.before} → {self.after}{self.note}"


@dataclass(frozen=True, slots=True)
class VaryingLine:
    """What is true of each deployment in another way, and what is said in the place of many such lines."""

    label: str
    text: str
    in_short: str

    def __str__(self) -> str:
        return f"{self.label} {self.text}"


Line = str | FieldLine | VaryingLine


@dataclass(frozen=True, slots=True)
class Section:
    """What a plan says about one object, or about several deployments at once.

    Attributes:
        mark: ``+``, ``~``, ``=`` or ``-``; ``!`` for a remark.
        kind: The object's kind.
        name: Its name; empty for several.
        title: The text after the mark.
        reason: Why nothing is done, if so.
        lines: The lines below.
        remarks: Further remarks.
    """

    mark: str
    kind: str
    name: str
    title: str
    reason: str = ""
    lines: tuple[Line, ...] = ()
    remarks: tuple[str, ...] = ()

    def text(self) -> Iterator[str]:
        """Yield plain lines."""
        yield f"{self.mark} {self.title}"
        yield from (f"    {line}" for line in self.lines)

    def diff(self) -> Iterator[str]:
        """Yield the lines of a diff: a field's old value is removed, the new one added."""
        yield f"{self.mark} {self.title}"
        for line in self.lines:
            if isinstance(line, FieldLine):
                yield f"-   {line.label} {line.before}"
                yield f"+   {line.label} {line.after}"
            else:
                yield f"    {line}"


def grouped(sections: Iterable[Section], width: int = WIDTH) -> list[Section]:
    """Return the sections of a plan: shared changes, individual changes, counted versions, untouched objects, remarks.

    A line common to several deployments with the same mark appears once, under their number and names. A field that has a
    different value in most of them appears once too, listing which deployments have which value. Deployments without anything
    further get no section of their own, and untouched ones are only counted.

    Args:
        sections: The sections.
        width: The width of lines.
    """
    sections = list(sections)
    owners: dict[tuple[str, Line], list[str]] = {}
    for section in _deployments(sections):
        for line in dict.fromkeys(section.lines):
            owners.setdefault((section.mark, line), []).append(section.name)
    varying = _varying(owners)
    shared: dict[tuple[str, tuple[str, ...]], list[Line]] = {}
    for (mark, line), names in owners.items():
        if len(names) > 1 and (mark, line) not in varying:
            shared.setdefault((mark, tuple(names)), []).append(line)
    named = {(mark, name) for (mark, names), lines in shared.items() if _names_its(mark, lines) for name in names}
    named |= {(mark, name) for mark, line in varying for name in owners[mark, line]}
    own: list[Section] = []
    for section in sections:
        own_lines = (line for line in section.lines if len(owners.get((section.mark, line), ())) < 2)
        lines = tuple(line for line in own_lines if (section.mark, line) not in varying)
        is_said = section.kind == DEPLOYMENT and not lines and (section.mark, section.name) in named
        if not is_said:
            own.append(replace(section, lines=lines) if section.kind == DEPLOYMENT else section)
    names_of = _Names(sections, width, {(mark, name) for mark, line in varying for name in owners[mark, line]})
    # What most have in common comes first, but for versions, which are all that differs in most of them.
    largest = sorted(shared.items(), key=lambda one: -len(one[0][1]))
    groups, versions = (
        [_group(mark, names, lines, names_of) for (mark, names), lines in largest if _is_counted(lines) == counted]
        for counted in (False, True)
    )
    changed, left = ([one for one in own if (one.mark == _LEFT) == is_left] for is_left in (False, True))
    values = list(_values(varying, owners, names_of))
    return [*groups, *values, *changed, *versions, *_counted(left), *_remarks(sections)]


def _deployments(sections: Iterable[Section]) -> Iterator[Section]:
    return (section for section in sections if section.kind == DEPLOYMENT)


def _varying(owners: Mapping[tuple[str, Line], Sequence[str]]) -> set[tuple[str, Line]]:
    """Return the lines about fields with many values, such as the parameter that distinguishes deployments of one flow."""
    by_label: dict[tuple[str, str], list[tuple[str, Line]]] = {}
    for mark, line in owners:
        if (label := _label(line)) is not None:
            by_label.setdefault((mark, label), []).append((mark, line))
    return {one for lines in by_label.values() if len(lines) >= _MIN_VALUES_TO_GROUP for one in lines}


def _label(line: Line) -> str | None:
    """Return the field that a line is about."""
    if not isinstance(line, str):
        return line.label
    label, colon, _ = line.partition(": ")
    return f"{label}:" if colon and " " not in label else None


def _values(
    varying: Iterable[tuple[str, Line]], owners: Mapping[tuple[str, Line], Sequence[str]], names_of: _Names
) -> Iterator[Section]:
    """Yield each field with many values, and which deployments have which value; a table for several fields of the same ones."""
    fields: dict[tuple[str, str], dict[Line, Sequence[str]]] = {}
    for mark, line in owners:
        if (mark, line) in varying:
            fields.setdefault((mark, _label(line) or ""), {})[line] = owners[mark, line]
    tables: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = {}
    for (mark, label), values in fields.items():
        if not _is_in_short(values) and all(len(names) == 1 for names in values.values()):
            whose = tuple(name for (name,) in values.values())
            tables.setdefault((mark, whose), {})[label] = [_value(line, label) for line in values]
    in_tables = {(mark, label) for (mark, _), columns in tables.items() if len(columns) > 1 for label in columns}
    for (mark, whose), columns in tables.items():
        if len(columns) > 1:
            what = shortened((label.rstrip(":") for label in columns), len(columns))
            lines = _rows([whose, *columns.values()], names_of.width)
            yield Section(mark, DEPLOYMENT, "", f"{what} of {len(whose)} deployments", lines=lines)
    for (mark, label), values in fields.items():
        if (mark, label) not in in_tables:
            yield _one_field(mark, label, values, names_of)


def _is_in_short(values: Iterable[Line]) -> bool:
    return all(isinstance(line, VaryingLine) for line in values)


def _one_field(mark: str, label: str, values: Mapping[Line, Sequence[str]], names_of: _Names) -> Section:
    """A field, and whose value is which."""
    count = sum(map(len, values.values()))
    notes = {line.note for line in values if isinstance(line, FieldLine)}
    what = f"{label.rstrip(':')} of {count} deployments{notes.pop() if len(notes) == 1 else ''}"
    if _is_in_short(values):
        short: Counter[str] = Counter()
        for line, names in values.items():
            short[line.in_short if isinstance(line, VaryingLine) else ""] += len(names)
        if len(short) == 1:
            return Section(mark, DEPLOYMENT, "", f"{what}: {next(iter(short))}")
        return Section(
            mark, DEPLOYMENT, "", what, lines=tuple(f"{said} for {number}" for said, number in short.items())
        )
    common, shown = _without_common_words([_value(line, label) for line in values])
    widest = max(map(len, shown))
    lines: list[str] = []
    for value, names in zip(shown, values.values(), strict=True):
        first, *more = names_of.listed(mark, names)
        lines += [f"{value:{widest if widest <= _WIDEST_VALUE else 0}} for {first}", *(f"    {one}" for one in more)]
    return Section(mark, DEPLOYMENT, "", f"{what}{common and f': {common}'}", lines=tuple(lines))


def _value(line: Line, label: str) -> str:
    return f"{line.before} → {line.after}" if isinstance(line, FieldLine) else str(line).removeprefix(f"{label} ")


def _without_common_words(values: Sequence[str]) -> tuple[str, list[str]]:
    """What all values begin and end with, with an ellipsis for what differs; and the rest of each.

    Values that are more than plain words stay whole, with nothing in common.
    """
    parts = [value.split(" → ") for value in values]
    words = [side.split(" ") for sides in parts for side in sides]
    if any(side[0][:1] in '"[{' for side in words):
        return "", list(values)
    start = _alike(words)
    end = _alike([side[start:][::-1] for side in words])
    if not start + end or any(len(side) == start + end for side in words):
        return "", list(values)
    first = words[0]
    common = " ".join([*first[:start], "…", *first[len(first) - end :]])
    return common, [
        " → ".join(" ".join(side.split(" ")[start : len(side.split(" ")) - end]) for side in one) for one in parts
    ]


def _alike(texts: Sequence[Sequence[str]]) -> int:
    """How many words all of them begin with."""
    return sum(1 for _ in takewhile(lambda words: len(set(words)) == 1, zip(*texts, strict=False)))


def _rows(columns: Sequence[Sequence[str]], width: int) -> tuple[str, ...]:
    """Columns side by side where they fit; else each row for itself."""
    widths = [max(map(len, column)) for column in columns]
    rows = zip(*columns, strict=True)
    if sum(widths) + 2 * (len(widths) - 1) <= width:
        return tuple(
            "  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in rows
        )
    return tuple(f"{row[0]}: {', '.join(row[1:])}" for row in rows)


def _names_its(mark: str, lines: Sequence[Line]) -> bool:
    """Return whether a group lists its deployments' names, because it describes a change rather than just a remark."""
    return mark == "+" or any(isinstance(line, FieldLine) for line in lines)


def _group(mark: str, names: Sequence[str], lines: Sequence[Line], names_of: _Names) -> Section:
    count = f"{len(names)} deployments"
    fields = [line for line in lines if isinstance(line, FieldLine)]
    # A new commit is the point of most deploys; its consequences are listed below it.
    head = next((line for line in fields if line.label == COMMIT), fields[0] if len(fields) == 1 else None)
    title = f"{head} for {count}" if head else f"{count}, each with" if mark == "+" else count
    below = [line for line in lines if line is not head]
    listed = (
        [shortened(names)] if _is_counted(lines) else names_of.in_short(mark, names) if _names_its(mark, lines) else ()
    )
    return Section(mark, DEPLOYMENT, "", title, lines=(*listed, *below))


def _is_counted(lines: Sequence[Line]) -> bool:
    """Return whether a version is the only field of a group, in which case its names are of little interest."""
    fields = [line for line in lines if isinstance(line, FieldLine)]
    return bool(fields) and all(line.label == _COUNTED for line in fields)


class _Names:
    """Formats lists of deployments; if all of a flow were named before, only the flow is listed.

    Args:
        sections: The whole plan.
        width: How long lines should be.
        below: Those that are named with their values, further down.
    """

    def __init__(self, sections: Iterable[Section], width: int, below: Collection[tuple[str, str]]) -> None:
        self._below = below
        self.width = width - 2 * _INDENT
        self._all: dict[tuple[str, str], set[str]] = {}
        self._said: set[tuple[str, str]] = set()
        for section in _deployments(sections):
            self._all.setdefault((section.mark, _flow(section.name)), set()).add(section.name)

    def listed(self, mark: str, names: Sequence[str]) -> list[str]:
        """Return the names in lines of limited length."""
        flows: dict[str, list[str]] = {}
        for name in names:
            flows.setdefault(_flow(name), []).append(name)
        short = (one for flow, members in flows.items() for one in self._of(mark, flow, members))
        return textwrap.wrap(", ".join(short), self.width, break_long_words=False, break_on_hyphens=False)

    def in_short(self, mark: str, names: Sequence[str]) -> list[str]:
        """The first ones, where all are named further down; else all of them."""
        return [shortened(names)] if all((mark, name) in self._below for name in names) else self.listed(mark, names)

    def _of(self, mark: str, flow: str, names: Sequence[str]) -> Sequence[str]:
        if len(names) < _MIN_VALUES_TO_GROUP or set(names) != self._all.get((mark, flow)):
            return names
        if (mark, flow) in self._said:
            return [f"{flow}/* ({len(names)})"]
        self._said.add((mark, flow))
        return names


def _flow(name: str) -> str:
    return name.partition("/")[0]


def _remarks(sections: Iterable[Section]) -> Iterator[Section]:
    """Yield each remark once, with the object it is about, or how many."""
    about: dict[str, list[str]] = {}
    for section in sections:
        for remark in section.remarks:
            about.setdefault(remark, []).append(section.name)
    for remark, names in about.items():
        yield Section("!", "", "", f"{names[0] if len(names) == 1 else f'{len(names)} deployments'}: {remark}")


def _counted(sections: Sequence[Section]) -> Iterator[Section]:
    """Fold deployments that are untouched for the same reason and have nothing further to say."""
    alike: dict[str, list[Section]] = {}
    for section in _deployments(sections):
        if section.reason and not section.lines:
            alike.setdefault(section.reason, []).append(section)
    for section in sections:
        same = alike.get(section.reason, []) if section.kind == DEPLOYMENT and not section.lines else []
        if len(same) > 1:
            if section is same[0]:
                yield replace(section, name="", title=f"{len(same)} deployments: {section.reason}")
        else:
            yield section
