"""Computes what a deploy of a project would do, as a value."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from meta_prefect.engine.offline import planned_without_run
from meta_prefect.engine.project_plan import ProjectPlan
from meta_prefect.errors import ValidationFailed
from meta_prefect.plan.changes import Plan
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.report.plan_json import document
from meta_prefect.server import NoServer
from meta_prefect.testing.in_memory import InMemoryHost

if TYPE_CHECKING:
    from meta_prefect.testing.live import Live

__all__ = ["changes_of", "plan_of"]

_NOTHING = ("unchanged", "held", "next version")


def plan_of(
    project: Path | str,
    *,
    live: Live | None = None,
    environment: str = "dev",
    now: datetime | None = None,
    prune: bool = False,
    adopt: bool = False,
) -> Plan:
    """Plan a deploy of a project against a given server state.

    Args:
        project: The project's folder, or a file in it.
        live: The state of the server, as ``Live(…)``; by default unknown, so that nothing is missing and everything is
            created.
        environment: The environment to deploy to.
        now: The time of the deploy, with a UTC offset; defaults to the current time.
        prune: Whether to delete what is no longer in the project.
        adopt: Whether to take over deployments that nobody manages.

    Raises:
        ValidationFailed: All errors that a deploy would report.
    """
    return planned(Path(project), environment, now, live, DeployOptions(prune=prune, adopt=adopt)).batch.plan


def changes_of(plan: Plan) -> list[str]:
    """Return a plan's changes, one line each: ``create deployment add/nightly-dev``, ``update work pool team: type``."""
    return list(_changes(plan))


def _changes(plan: Plan) -> Iterator[str]:
    for one in document(plan).changes:
        if one.action not in _NOTHING:
            fields = ", ".join(field.path for field in one.fields) if one.action == "update" else ""
            yield f"{one.action} {one.kind} {one.name}{f': {fields}' if fields else ''}"


def planned(
    path: Path, environment: str, now: datetime | None, live: Live | None, asked: DeployOptions | None = None
) -> ProjectPlan:
    """Plan as the engine does, against a given state.

    Raises:
        ValidationFailed: Something is wrong with the project.
    """
    server = live or NoServer(InMemoryHost())
    plan = asyncio.run(planned_without_run(path, environment, asked or DeployOptions(), server, now=now))
    plan = plan.to_be_applied()
    if plan.errors:
        raise ValidationFailed(plan.errors)
    return plan
