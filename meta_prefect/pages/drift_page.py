"""The page about how a project stands."""

from __future__ import annotations

from collections.abc import Iterator

from meta_prefect.interfaces.markdown import escaped, fenced
from meta_prefect.plan.explain import shown
from meta_prefect.plan.status import FieldStatus, ProjectStatus

_NAMES = {"applied": "- last deployed:", "live": "+ live:", "wanted": "  wanted:"}


def drift_markdown(found: ProjectStatus) -> str:
    """How a project stands, as a page: one section for each deployment that is not in sync, one block of its fields."""
    lines = [f"# {escaped(found.project)} in {escaped(found.environment)}"]
    for one in found.deployments:
        if one.is_in_sync:
            continue
        lines += ["", f"## {escaped(one.deployment)}: {one.state}", ""]
        if one.applied_at is not None:
            lines += [f"Deployed {one.applied_at:%Y-%m-%d %H:%M} UTC by {escaped(one.applied_by or '')}.", ""]
        if one.fields:
            lines += [fenced("\n".join(line for field in one.fields for line in _lines(field)), "diff")]
    count = sum(one.is_in_sync for one in found.deployments)
    return "\n".join([*lines, "", f"{count} of {len(found.deployments)} are in sync."])


def _lines(field: FieldStatus) -> Iterator[str]:
    yield f"{field.path} ({field.kind})"
    for name, told in _NAMES.items():
        if name in field.model_fields_set:
            yield f"{told:<16} {shown(getattr(field, name))}"
