"""Groups what several deployments of a plan have in common, so that the special cases stand out."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from meta_prefect.plan.changes import DEPLOYMENT
from meta_prefect.plan.outcomes import listed as shortened

COMMIT: Final = "commit"
"""The label of a field that contains a commit, wherever it is."""

_NAMES_WIDTH: Final = 72
"""Including the indent, for a terminal of 80 columns."""

_COUNTED: Final = "version:"
"""The label of a field that usually differs only because deploys are counted."""

_MIN_VALUES_TO_GROUP: Final = 4
"""A field with this many values is shown grouped by value."""


@dataclass(frozen=True, slots=True)
class FieldLine:
    """A differing field, with its values as displayed."""

    label: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.label} {self.before} → {self.after}"


Line = str | FieldLine


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


def grouped(sections: Iterable[Section]) -> list[Section]:
    """Return the sections of a plan in order, preceded by those that several deployments share, and followed by the remarks.

    A line common to several deployments with the same mark appears once, under their number and names. A field that has a
    different value in most of them appears once too, listing which deployments have which value. Deployments without anything
    further get no section of their own, and untouched ones are only counted.
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
    names_of = _Names(sections)
    # The most common come first, except for versions, which are often the only difference.
    largest = sorted(shared.items(), key=lambda one: (_is_counted(one[1]), -len(one[0][1])))
    groups = [_group(mark, names, lines, names_of) for (mark, names), lines in largest]
    return [*groups, *_values(varying, owners, names_of), *_counted(own), *_remarks(sections)]


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
    if isinstance(line, FieldLine):
        return line.label
    label, colon, _ = line.partition(": ")
    return f"{label}:" if colon and " " not in label else None


def _values(
    varying: Iterable[tuple[str, Line]], owners: Mapping[tuple[str, Line], Sequence[str]], names_of: _Names
) -> Iterator[Section]:
    """Yield each field with many values, and which deployments have which value."""
    fields: dict[tuple[str, str], list[str]] = {}
    count: Counter[tuple[str, str]] = Counter()
    for mark, line in owners:
        if (mark, line) in varying:
            label = _label(line) or ""
            value = f"{line.before} → {line.after}" if isinstance(line, FieldLine) else line.removeprefix(f"{label} ")
            first, *more = names_of.listed(mark, owners[mark, line])
            fields.setdefault((mark, label), []).extend((f"{value} for {first}", *(f"    {one}" for one in more)))
            count[mark, label] += len(owners[mark, line])
    for (mark, label), lines in fields.items():
        yield Section(
            mark, DEPLOYMENT, "", f"{label.rstrip(':')} of {count[mark, label]} deployments", lines=tuple(lines)
        )


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
        [shortened(names)] if _is_counted(lines) else names_of.listed(mark, names) if _names_its(mark, lines) else ()
    )
    return Section(mark, DEPLOYMENT, "", title, lines=(*listed, *below))


def _is_counted(lines: Sequence[Line]) -> bool:
    """Return whether a group contains only a version, in which case its names are of little interest."""
    return all(isinstance(line, FieldLine) and line.label == _COUNTED for line in lines)


class _Names:
    """Formats lists of deployments; if all of a flow were named before, only the flow is listed.

    Args:
        sections: The whole plan.
    """

    def __init__(self, sections: Iterable[Section]) -> None:
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
        return textwrap.wrap(", ".join(short), _NAMES_WIDTH, break_long_words=False, break_on_hyphens=False)

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
