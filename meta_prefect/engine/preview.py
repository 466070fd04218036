"""Previews schedules: those of a project's deployments as a deploy would store them, or a single one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meta_prefect.engine.offline import sound_plan_offline
from meta_prefect.engine.resolve import Draft
from meta_prefect.implementations.schedule.scheduler import scheduler
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.schedules.preview import Preview, preview
from meta_prefect.schedules.resolve import Resolved, resolve

_EVERY_RUN = 600_000  # more than one a minute for a year


@dataclass(frozen=True, slots=True)
class PreviewWindow:
    """The part of a schedule's future to show.

    Attributes:
        now: The time of the deploy, with a UTC offset; runs after it are shown.
        count: How many runs to show.
        year: Show this whole year instead.
    """

    now: datetime
    count: int = 10
    year: int | None = None

    def of(self, schedule: Schedule | Resolved) -> Preview:
        """Evaluate a schedule."""
        return preview(schedule, now=self.now, count=self.count, year=self.year, most=_EVERY_RUN)


@dataclass(frozen=True, slots=True)
class SchedulePreview:
    """The preview of one schedule.

    Attributes:
        schedule: The schedule as stored.
        preview: Its upcoming runs.
        deployment: Its ``flow/deployment``; None for a standalone schedule.
        environment: The deployment's environment.
    """

    schedule: Schedule
    preview: Preview
    deployment: str | None = None
    environment: str | None = None


def preview_written(spec: Mapping[str, object], wanted: PreviewWindow) -> SchedulePreview:
    """Preview a standalone schedule.

    Raises:
        ScheduleError: A deploy would reject it too.
    """
    (found,) = resolve(spec, default_calendar=None, now=wanted.now, where="schedule")
    return SchedulePreview(found.schedule, wanted.of(found))


async def preview_project(
    path: Path, environment: str | None, names: Sequence[str], wanted: PreviewWindow
) -> tuple[list[SchedulePreview], list[str]]:
    """Preview the schedules of a project's deployments as a deploy would store them.

    Args:
        path: The project's folder, or a file in it.
        environment: The environment; None for META_PREFECT__ENV, or ``dev``.
        names: Flows or ``flow/deployment``; empty for everything.
        wanted: The part of the future to show.

    Returns:
        The schedules, and the deployments that have none.

    Raises:
        ValidationFailed: The project is invalid.
    """
    plan = await sound_plan_offline(path, environment, names, now=wanted.now)
    drafts = [planned.wanted for planned in plan.batch.deployments]
    found = [shown for draft in drafts for shown in _of(draft, wanted)]
    return found, [draft.deployment.full_name for draft in drafts if not draft.deployment.schedules]


def _of(draft: Draft, wanted: PreviewWindow) -> Iterator[SchedulePreview]:
    deployment = draft.deployment
    schedulers = [builder for builder in draft.builders if isinstance(builder, scheduler)]
    explained = [found for builder in schedulers for found in _resolved(builder, draft)]
    for schedule in deployment.schedules or ():
        # if another builder made or changed it, only the stored form is known
        known = next((found for found in explained if _is_the_same(found.schedule, schedule)), None)
        shown = wanted.of(schedule if known is None else known)
        yield SchedulePreview(schedule, shown, deployment.full_name, deployment.environment)


def _resolved(builder: scheduler, draft: Draft) -> Sequence[Resolved]:
    with draft.within(builder)():  # a calendar may be a class in the project
        return builder.resolved(draft.deployment)


def _is_the_same(one: Schedule, other: Schedule) -> bool:
    return one.model_copy(update={"parameters": {}}) == other.model_copy(update={"parameters": {}})
