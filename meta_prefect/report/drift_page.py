"""The artifact page about the status of a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meta_prefect.interfaces.markdown import escaped, fenced
from meta_prefect.plan.outcomes import listed
from meta_prefect.plan.status import FieldStatus, ProjectStatus
from meta_prefect.report.plan_text import shown
from meta_prefect.report.report import drift_in_one_line

_NAMES = {"applied": "- last deployed:", "live": "+ live:", "wanted": "  wanted:"}


def drift_markdown(found: ProjectStatus) -> str:
    """Render a project's status as a page: a section for drift, and a line for each state of the other deployments."""
    lines = [
        f"# {escaped(found.project)} in {escaped(found.environment)}",
        "",
        f"{drift_in_one_line(found).capitalize()}.",
    ]
    for one in found.drifted:
        lines += ["", f"## {escaped(one.deployment)}: {one.state}", ""]
        if one.applied_at is not None:
            lines += [f"Deployed {one.applied_at:%Y-%m-%d %H:%M} UTC by {escaped(one.applied_by or '')}.", ""]
        if one.hold is not None:
            lines += [f"{escaped(one.hold[:1].upper() + one.hold[1:])}.", ""]
        lines += _fields(one.fields)
    for one in found.drifted_components:
        lines += ["", f"## {escaped(str(one))}: {one.state}", ""]
        lines += [f"Needed by {escaped(listed(one.needed_by))}.", "", *_fields(one.fields)]
    others: dict[str, list[str]] = {}
    for one in found.deployments:
        if one not in found.drifted:
            others.setdefault(one.state, []).append(one.deployment)
    if others:
        lines.append("")
    lines += [f"- {len(names)} {state}: {escaped(listed(names))}" for state, names in others.items()]
    return "\n".join(lines)


def _fields(fields: Iterable[FieldStatus]) -> list[str]:
    lines = [line for field in fields for line in _lines(field)]
    return [fenced("\n".join(lines), "diff")] if lines else []


def _lines(field: FieldStatus) -> Iterator[str]:
    yield f"{field.path} ({field.kind})"
    for name, label in _NAMES.items():
        if name in field.model_fields_set:
            yield f"{label:<16} {shown(getattr(field, name), field.path)}"
