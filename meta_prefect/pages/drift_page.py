"""The page about how a project stands."""

from __future__ import annotations

from meta_prefect.interfaces.markdown import code, escaped, row
from meta_prefect.plan.explain import shown
from meta_prefect.plan.status import FieldStatus, ProjectStatus


def drift_markdown(found: ProjectStatus) -> str:
    """How a project stands, as a page: one section for each deployment that is not in sync, one row for each field."""
    lines = [f"# {escaped(found.project)} in {escaped(found.environment)}"]
    for one in found.deployments:
        if one.is_in_sync:
            continue
        lines += ["", f"## {escaped(one.deployment)}: {one.state}", ""]
        if one.applied_at is not None:
            lines += [f"Deployed {one.applied_at:%Y-%m-%d %H:%M} UTC by {escaped(one.applied_by or '')}.", ""]
        if one.fields:
            lines += ["| field | last deployed | live | wanted | |", "|---|---|---|---|---|"]
            lines += [_drift_row(field) for field in one.fields]
    count = sum(one.is_in_sync for one in found.deployments)
    return "\n".join([*lines, "", f"{count} of {len(found.deployments)} are in sync."])


def _drift_row(field: FieldStatus) -> str:
    values = (
        shown(getattr(field, name)) if name in field.model_fields_set else "" for name in ("applied", "live", "wanted")
    )
    return row((escaped(field.path), *(code(value) for value in values), field.kind))
