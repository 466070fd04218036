"""A plan in words: for the terminal, for the artifact in the Prefect UI."""

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

LONGEST_VALUE = 120
"""How many characters of a value are shown; the whole one is in the JSON output."""


_CONTEXT = 24
"""How many characters of what two long texts have in common are shown before what differs."""

_MARKS: Final[Mapping[Action, str]] = {
    "create": "+",
    "update": "~",
    "next version": "~",
    "unchanged": "=",
    "held": "=",
    "delete": "-",
}


def kept_versions(plan: Plan) -> Iterator[str]:
    """Say once which counted versions stay, and how to have them go up."""
    versions = [change.live["version"] for change in plan if isinstance(change, Unchanged) and change.keeps_version]
    if versions:
        what = f"version kept at {versions[0]}" if len(set(versions)) == 1 else "versions kept"
        several = f" for {len(versions)} deployments" if len(versions) > 1 else ""
        yield (
            f"{what}{several}: nothing else changed; --bump writes {'it' if len(versions) == 1 else 'them'} and lets Prefect "
            "create the scheduled runs anew"
        )


def title(change: ChangeDocument) -> str:
    """One line that says what an object is, and why it is left alone or goes; its mark says what happens to it."""
    if _starts(change):
        return f"{change.kind} {change.name}: starts with the deploy"
    why = change.detail or ("next version" if change.action == "next version" else "")
    return f"{change.kind} {change.name}{f': {why}' if why else ''}"


def _starts(change: ChangeDocument) -> bool:
    """Whether a worker is started, of which there is nothing to compare."""
    return change.kind == Worker.kind and [(one.path, one.after) for one in change.fields] == [("status", "online")]


def field_lines(change: ChangeDocument) -> Iterator[Line]:
    """The lines below it: what a new object has, or each field's before and after, and what becomes of scheduled runs."""
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
    """A value of a field; one that is not there is none that is null."""
    return getattr(field, name) if name in field.model_fields_set else ABSENT


def scheduled_runs_lines(runs: ScheduledRuns | None) -> Iterator[str]:
    """What becomes of the runs that a deployment's schedules have created already; nothing is said of those that stay."""
    if runs == "regenerated":
        yield "scheduled runs: created anew, as Prefect does at every change"
    elif runs == "deleted":
        yield "scheduled runs: deleted, as nothing is scheduled any more"


def kept_lines(kept: Mapping[str, Any]) -> Iterator[str]:
    """What operators have set and keep."""
    said = "(kept: set on the server, not by the recipe)"
    yield from (f"{path}: {shown(value, path)} {said}" for path, value in kept.items())


def field_line(path: str, before: Any, after: Any) -> FieldLine:
    """What a field was and is to be; of secrets, which look alike, that they have changed.

    Of lists and objects that differ in one place that place is shown, of long texts that begin alike what differs. Commits are
    named as such.
    """
    path, before, after = _narrowed(path, (before, hidden(before, path)), (after, hidden(after, path)))
    if path.endswith(".rrule") and (rules := (rule_shown(before), rule_shown(after)))[0] != rules[1]:
        before, after = rules
    if is_same(before, after):
        return FieldLine(f"{path}:", shown(before), "(secret, changed)")
    if is_commit(before) and is_commit(after):
        return FieldLine(COMMIT, short_commit(before), short_commit(after))
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > LONGEST_VALUE:
        both = zip(before, after, strict=False)
        alike = next((at for at, (one, other) in enumerate(both) if one != other), 0) - _CONTEXT
        if alike > 0:
            before, after = f"…{before[alike:]}", f"…{after[alike:]}"
    return FieldLine(f"{path}:", shown(before), shown(after))


def _narrowed(path: str, before: tuple[Any, Any], after: tuple[Any, Any]) -> tuple[str, Any, Any]:
    """The place of the one difference within two values of the same shape, and what is shown of it.

    Args:
        path: The place of the values.
        before: A value, and what is shown of it: two secrets differ that look alike.
        after: The same of the other one.
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
    """A value in one line of bounded length, without secrets; of a commit the first seven characters.

    Args:
        value: The value.
        path: Its place, keys joined by dots.
    """
    if value is ABSENT:
        return "(none)"
    if isinstance(value, Words) or (path.endswith(".rrule") and isinstance(value, str)):
        return in_one_line(value if isinstance(value, Words) else rule_shown(value))
    plain = hidden(value, path)
    short = short_commit(plain) if isinstance(plain, str) else plain
    text = in_one_line(json.dumps(short, ensure_ascii=False, default=str))
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def sections(plan: PlanDocument, *, with_remarks: bool = True, width: int = WIDTH) -> list[Section]:
    """The whole plan, what several deployments have in common first.

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
    """The whole plan as plain text."""
    return (line for section in sections(plan) for line in section.text())


def markdown(plan: PlanDocument, title: str, first: Iterable[str] = (), *, longest: int | None = None) -> str:
    """The whole plan as Markdown: what to know ``first``, then a diff block, which viewers of Markdown can colour.

    Args:
        plan: The plan.
        title: What stands above it.
        first: What to know first.
        longest: How many characters of the diff there may be; None for all of it.
    """
    notes = "".join(f"**{escaped(line)}**\n\n" for line in first)
    body = diff_block([line for section in sections(plan) for line in section.diff()], longest)
    return f"# {escaped(title)}\n\n{notes}{plan.count()}\n\n{body or fenced('= nothing to deploy', 'diff')}\n"


def diff_block(lines: Sequence[str], longest: int | None = None) -> str:
    """Lines of a plan as a block of Markdown; empty for none.

    Args:
        lines: The lines.
        longest: How many characters there may be, of whole lines; those that are left out are counted below the block.
    """
    shown = list(lines)
    while longest is not None and sum(len(line) + 1 for line in shown) > longest:
        shown = shown[: len(shown) * 9 // 10]
    block = fenced("\n".join(shown), "diff") if shown else ""
    left_out = len(lines) - len(shown)
    return f"{block}\n\n{left_out} more lines: `meta-prefect plan`" if left_out else block
