"""A plan in words: for the terminal, for the artifact in the Prefect UI."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from meta_prefect.interfaces.records import ABSENT, FieldChange
from meta_prefect.plan.changes import Change, Create, Delete, Plan, Unchanged, Update
from meta_prefect.plan.fires import next_fires
from meta_prefect.redaction import hidden
from meta_prefect.texts import escaped, fenced
from meta_prefect.texts import markdown as plain

LONGEST_VALUE = 120
"""How many characters of a value are shown; the whole one is in the JSON output."""


def summary(plan: Plan) -> str:
    """``2 to create, 1 to update, 3 unchanged``."""
    counts = {
        "to create": sum(isinstance(change, Create) for change in plan),
        "to update": sum(isinstance(change, Update) for change in plan),
        "to delete": sum(isinstance(change, Delete) for change in plan),
        "unchanged": sum(isinstance(change, Unchanged) for change in plan),
    }
    return ", ".join(f"{count} {verb}" for verb, count in counts.items() if count) or "nothing"


def headline(change: Change) -> str:
    """One line that says what happens to one object; begins with ``+``, ``~``, ``=`` or ``-``."""
    match change:
        case Create(subject=subject, after=after):
            version = f" version {after['version']}" if after.get("version") else ""
            return f"+ create {subject}{version}"
        case Update(subject=subject, only_counts=True):
            return f"~ update {subject}: next version"
        case Update(subject=subject):
            return f"~ update {subject}"
        case Unchanged(subject=subject, reason=reason):
            return f"= {subject}: {reason}"
        case Delete(subject=subject):
            return f"- delete {subject}"
        case _:
            assert_never(change)


def details(change: Change) -> Iterator[str]:
    """The lines below a headline: each field's before and after, what becomes of scheduled runs, remarks."""
    match change:
        case Create(fields=fields):
            yield from (f"{one.path}: {shown(one.after, one.path)}" for one in fields if _is_worth_showing(one))
        case Update(fields=fields):
            yield from (f"{one.path}: {shown(one.before, one.path)} → {shown(one.after, one.path)}" for one in fields)
            if change.subject.kind == "deployment":
                yield "runs that its schedules have created already are created anew (Prefect does so at every change)"
        case Unchanged() | Delete():
            pass
        case _:
            assert_never(change)
    if isinstance(change, Update | Unchanged):
        yield from kept_lines(change.kept)
    yield from (str(fires) for fires in next_fires(change))
    yield from change.remarks


def kept_lines(kept: Mapping[str, Any]) -> Iterator[str]:
    """What operators have set and keep."""
    said = "(kept: set on the server, not by the recipe)"
    yield from (f"{path}: {shown(value, path)} {said}" for path, value in kept.items())


def _is_worth_showing(field: FieldChange) -> bool:
    """Leave out of a new object what is empty, and the parameter schema, which is the flow's own signature."""
    return field.after not in (None, "", [], {}) and not field.path.startswith("parameter_openapi_schema")


def shown(value: Any, path: str = "") -> str:
    """A value in one line of bounded length, without secrets.

    Args:
        value: The value.
        path: Its place, keys joined by dots.
    """
    if value is ABSENT:
        return "(none)"
    text = escaped(json.dumps(hidden(value, path), ensure_ascii=False, default=str))
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def lines(plan: Plan) -> Iterator[str]:
    """The whole plan as plain text."""
    for change in plan:
        yield escaped(headline(change))
        yield from (f"    {escaped(detail)}" for detail in details(change))


def markdown(plan: Plan, title: str) -> str:
    """The whole plan as markdown: a diff block, which UIs colour."""
    body = "\n".join(lines(plan)) or "= nothing to deploy"
    return f"# {plain(title)}\n\n{summary(plan)}\n\n{fenced(body, 'diff')}\n"
