"""Generates the text of a new project file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from meta_prefect.init.entries import NewEntry
from meta_prefect.init.found import Remark
from meta_prefect.init.sharing import Family
from meta_prefect.init.yaml_text import yaml_lines
from meta_prefect.texts import presentable

_WIDTH: Final = 110


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project file to be written.

    Attributes:
        name: The project's name.
        entries: Its entries.
        source: A description of what it was made from.
        schema: The location of the editor schema.
        recipes: The modules of its own recipes.
        remarks: Remarks about the project as a whole.
        advice: What to do with it next.
    """

    name: str
    entries: tuple[NewEntry, ...]
    source: str
    schema: str
    recipes: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    advice: str = ""


def project_text(project: NewProject, alike: Sequence[Family] = ()) -> str:
    """Generate a project file.

    Args:
        project: Its contents.
        alike: Groups of entries whose shared variables are written once.
    """
    lines = [
        f"# yaml-language-server: $schema={project.schema}",
        *_commented([f"What this project deploys; made by `meta-prefect init` from {project.source}."]),
        f"# `meta-prefect recipes {_usual(project.entries)}` lists the variables. {project.advice}".rstrip(),
        *(line for remark in project.remarks for line in _noted(remark)),
        *yaml_lines({"project": project.name}),
        *(yaml_lines({"recipes": list(project.recipes)}) if project.recipes else ()),
        "",
        "deployments:",
    ]
    anchored = _Anchors(alike)
    for flow, places in groupby(_by_flow(project.entries), lambda place: project.entries[place].flow):
        of_flow = [(place, project.entries[place]) for place in places]
        key = yaml_lines({flow: None})[0].removesuffix(" null")
        lines.append(f"  {key}" if any(entry.refused is None for _, entry in of_flow) else f"  # {key}")
        for place, entry in of_flow:
            lines += (f"    {line}" if line else "" for line in _entry_lines(entry, anchored.lines_of(place, entry)))
    return "\n".join(lines) + "\n"


def in_order(entries: Sequence[NewEntry]) -> list[int]:
    """Return the indexes of the entries that are not comments, in file order."""
    return [place for place in _by_flow(entries) if entries[place].refused is None]


def _by_flow(entries: Sequence[NewEntry]) -> list[int]:
    """Return the indexes of all entries, grouped by flow."""
    first: dict[str, int] = {}
    for place, entry in enumerate(entries):
        first.setdefault(entry.flow, place)
    return sorted(range(len(entries)), key=lambda place: first[entries[place].flow])


def _usual(entries: Iterable[NewEntry]) -> str:
    names = [entry.recipe for entry in entries]
    return max(names, key=names.count) if names else ""


class _Anchors:
    """Writes a group's shared variables as a YAML anchor at its first entry, and as aliases at the others."""

    def __init__(self, alike: Sequence[Family]) -> None:
        self._families = {index: family for family in alike for index in family.members}
        self._names: dict[int, str] = {}

    def lines_of(self, index: int, entry: NewEntry) -> list[str]:
        """Return the lines of an entry's variables."""
        family = self._families.get(index)
        if family is None or entry.refused is not None:
            return yaml_lines(entry.variables)
        own: dict[str, Any] = {key: value for key, value in entry.variables.items() if key not in family.shared}
        known = self._names.get(id(family))
        if known is not None:
            return [f"<<: *{known}", *yaml_lines(own)]
        name = self._names[id(family)] = f"shared-{len(self._names) + 1}" if self._names else "shared"
        return [f"<<: &{name}", *(f"  {line}" for line in yaml_lines(family.shared)), *yaml_lines(own)]


def _entry_lines(entry: NewEntry, variables: Sequence[str]) -> Iterator[str]:
    for remark in entry.remarks:
        yield from _noted(remark)
    body = [f"- recipe: {entry.recipe}", *(f"  {line}" for line in _settings(entry)), "  variables:"]
    body += (f"    {line}" if line else "" for line in variables)
    if entry.refused is None:
        yield from body
    else:
        yield from _commented(["It cannot be deployed as it stands:", *entry.refused.splitlines()])
        yield from (f"# {line}".rstrip() for line in body)


def _settings(entry: NewEntry) -> list[str]:
    settings: Mapping[str, Any] = {
        **({"entrypoint": entry.entrypoint} if entry.entrypoint else {}),
        **({"environments": list(entry.environments)} if entry.environments else {}),
    }
    return yaml_lines(settings) if settings else []


def _noted(remark: Remark) -> Iterator[str]:
    return _commented(
        [f"{remark.place}: {remark.key}: {remark.text}" if remark.key else f"{remark.place}: {remark.text}"]
    )


def _commented(texts: Iterable[str]) -> Iterator[str]:
    """Format texts as comments: some come from others, so each line break starts another comment line."""
    for text in texts:
        for line in presentable(text, longest=None).splitlines():
            yield from (f"# {part}" for part in textwrap.wrap(line, _WIDTH, subsequent_indent="  ") or [""])
