"""Renders a plan as text for the terminal, and as Markdown for the artifact in the Prefect UI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, cast

from meta_prefect.interfaces.commits import is_commit, short_commit
from meta_prefect.interfaces.components import Worker
from meta_prefect.interfaces.json_diff import ABSENT, is_same
from meta_prefect.interfaces.markdown import escaped, fenced
from meta_prefect.plan.changes import Plan, ScheduledRuns, Unchanged
from meta_prefect.redaction import hidden
from meta_prefect.report.grouping import COMMIT, WIDTH, FieldLine, Line, Section, VaryingLine, grouped
from meta_prefect.report.plan_json import Action, ChangeDocument, FieldDocument, PlanDocument
from meta_prefect.report.schedule_fields import Field, Words, in_words, rule_shown
from meta_prefect.texts import escaped as in_one_line

MAX_VALUE_LENGTH = 120
"""Maximum displayed length of a value; the JSON output has all of it."""


_CONTEXT = 24
"""How much common text to show before the difference between two long texts."""

_MARKS: Final[Mapping[Action, str]] = {
    "create": "+",
    "update": "~",
    "next version": "~",
    "unchanged": "=",
    "held": "=",
    "delete": "-",
}


def kept_versions(plan: Plan) -> Iterator[str]:
    """Explain once which counted versions are not incremented, and how to change that."""
    versions = [change.live["version"] for change in plan if isinstance(change, Unchanged) and change.keeps_version]
    if versions:
        what = f"version kept at {versions[0]}" if len(set(versions)) == 1 else "versions kept"
        several = f" for {len(versions)} deployments" if len(versions) > 1 else ""
        yield (
            f"{what}{several}: nothing else changed; --bump writes {'it' if len(versions) == 1 else 'them'} and lets Prefect "
            "create the scheduled runs anew"
        )


def title(change: ChangeDocument) -> str:
    """Return the line that names an object, and why it is left alone or deleted; its mark says what happens to it."""
    if _starts(change):
        return f"{change.kind} {change.name}: starts with the deploy"
    why = change.detail or ("next version" if change.action == "next version" else "")
    return f"{change.kind} {change.name}{f': {why}' if why else ''}"


def _starts(change: ChangeDocument) -> bool:
    """Whether a worker is started, of which there is nothing to compare."""
    return change.kind == Worker.kind and [(one.path, one.after) for one in change.fields] == [("status", "online")]


def field_lines(change: ChangeDocument) -> Iterator[Line]:
    """Yield the lines below: the fields of a new object, or each field before and after, and what happens to scheduled runs."""
    fields = () if _starts(change) else change.fields
    changed = (Field(one.path, _value(one, "before"), _value(one, "after")) for one in fields)
    if change.action == "create":
        yield from _created_lines(changed)
    elif change.action == "held":
        yield from (f"held back: {line}" for line in changed_lines(changed))
    else:
        yield from changed_lines(changed)
    if change.action != "delete":
        yield from scheduled_runs_lines(change.scheduled_runs)
    yield from kept_lines(change.kept)
    for fires in change.next_fires:
        named = f" of {fires.schedule!r}" if len(change.next_fires) > 1 else ""
        yield VaryingLine(f"next fires{named}:", str(fires), fires.in_short)


def _created_lines(fields: Iterable[Field]) -> Iterator[str]:
    for field in in_words(fields):
        if isinstance(field, str):
            yield field
        elif field.after not in (None, "", [], {}) and not field.path.startswith("parameter_openapi_schema"):
            yield f"{field.path}: {shown(field.after, field.path)}"


def changed_lines(fields: Iterable[Field], note: str = "") -> Iterator[Line]:
    """The lines of fields that differ, schedules in words.

    Args:
        fields: The fields.
        note: What is added to each.
    """
    for field in in_words(fields):
        yield f"{field}{note}" if isinstance(field, str) else replace(field_line(*field), note=note)


def _value(field: FieldDocument, name: Literal["before", "after"]) -> Any:
    """Return a field's value; a missing value is distinct from null."""
    return getattr(field, name) if name in field.model_fields_set else ABSENT


def scheduled_runs_lines(runs: ScheduledRuns | None) -> Iterator[str]:
    """Describe what happens to runs already created by a deployment's schedules, unless they are kept."""
    if runs == "regenerated":
        yield "scheduled runs: created anew, as Prefect does at every change"
    elif runs == "deleted":
        yield "scheduled runs: deleted, as nothing is scheduled any more"


def kept_lines(kept: Mapping[str, Any]) -> Iterator[str]:
    """Yield the operators' settings that are kept."""
    said = "(kept: set on the server, not by the recipe)"
    yield from (f"{path}: {shown(value, path)} {said}" for path, value in kept.items())


def field_line(path: str, before: Any, after: Any) -> FieldLine:
    """Return a field's old and new value; for secrets, which look the same, only that they have changed.

    For lists and objects that differ in one place, only that place is shown; for long texts with a common prefix, only the
    difference. Commits are labeled as such.
    """
    path, before, after = _narrowed(path, (before, hidden(before, path)), (after, hidden(after, path)))
    if path.endswith(".rrule") and (rules := (rule_shown(before), rule_shown(after)))[0] != rules[1]:
        before, after = rules
    if is_same(before, after):
        return FieldLine(f"{path}:", shown(before), "(secret, changed)")
    if is_commit(before) and is_commit(after):
        return FieldLine(COMMIT, short_commit(before), short_commit(after))
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > MAX_VALUE_LENGTH:
        both = zip(before, after, strict=False)
        alike = next((at for at, (one, other) in enumerate(both) if one != other), 0) - _CONTEXT
        if alike > 0:
            before, after = f"…{before[alike:]}", f"…{after[alike:]}"
    return FieldLine(f"{path}:", shown(before), shown(after))


def _narrowed(path: str, before: tuple[Any, Any], after: tuple[Any, Any]) -> tuple[str, Any, Any]:
    """Narrow two values of the same shape to their single difference; return its path and the displayed values.

    Args:
        path: The path of the values.
        before: The old value and its displayed form: two secrets may differ but look the same.
        after: The same for the new value.
    """
    old, new = _members(before[0]), _members(after[0])
    if old is None or new is None or old.keys() != new.keys():
        return path, before[1], after[1]
    differing = [key for key in old if old[key] != new[key]]
    if len(differing) != 1:
        return path, before[1], after[1]
    (key,) = differing
    return _narrowed(f"{path}.{key}", (old[key], before[1][key]), (new[key], after[1][key]))


def _members(value: Any) -> dict[Any, Any] | None:
    if isinstance(value, dict):
        return cast("dict[Any, Any]", value)
    return dict(enumerate(cast("list[Any]", value))) if isinstance(value, list) else None


def shown(value: Any, path: str = "") -> str:
    """Format a value in one line of limited length, without secrets; a commit is shortened to seven characters.

    Args:
        value: The value.
        path: Its path, keys joined by dots.
    """
    if value is ABSENT:
        return "(none)"
    if isinstance(value, Words) or (path.endswith(".rrule") and isinstance(value, str)):
        return in_one_line(value if isinstance(value, Words) else rule_shown(value))
    plain = hidden(value, path)
    short = short_commit(plain) if isinstance(plain, str) else plain
    text = in_one_line(json.dumps(short, ensure_ascii=False, default=str))
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 1]}…"


def sections(plan: PlanDocument, *, with_remarks: bool = True, width: int = WIDTH) -> list[Section]:
    """Return the sections of the plan, starting with what several deployments have in common.

    Args:
        plan: The plan.
        with_remarks: Whether what else to know is part of it.
        width: How long lines should be.
    """
    parts = (
        Section(
            mark="+" if _starts(change) else _MARKS[change.action],
            kind=change.kind,
            name=change.name,
            title=title(change),
            reason=change.detail,
            lines=tuple(field_lines(change)),
            remarks=change.remarks if with_remarks else (),
        )
        for change in plan.changes
    )
    return grouped(parts, width)


def lines(plan: PlanDocument) -> Iterator[str]:
    """Yield the plan as plain text."""
    return (line for section in sections(plan) for line in section.text())


def markdown(plan: PlanDocument, title: str, first: Iterable[str] = (), *, longest: int | None = None) -> str:
    """Render the plan as Markdown: the text ``first``, then a diff block, which Markdown viewers can color.

    Args:
        plan: The plan.
        title: The heading.
        first: The lines before the plan.
        longest: The maximum length of the diff; None for no limit.
    """
    notes = "".join(f"**{escaped(line)}**\n\n" for line in first)
    body = diff_block([line for section in sections(plan) for line in section.diff()], longest)
    return f"# {escaped(title)}\n\n{notes}{plan.count()}\n\n{body or fenced('= nothing to deploy', 'diff')}\n"


def diff_block(lines: Sequence[str], longest: int | None = None) -> str:
    """Render lines of a plan as a Markdown block; empty if there are none.

    Args:
        lines: The lines.
        longest: The maximum length, in whole lines; omitted lines are counted below the block.
    """
    shown = list(lines)
    while longest is not None and sum(len(line) + 1 for line in shown) > longest:
        shown = shown[: len(shown) * 9 // 10]
    block = fenced("\n".join(shown), "diff") if shown else ""
    left_out = len(lines) - len(shown)
    return f"{block}\n\n{left_out} more lines: `meta-prefect plan`" if left_out else block
