"""When the schedules that a change touches will run next: before it, and after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from meta_prefect.errors import ScheduleError
from meta_prefect.implementations.schedule.preview import preview
from meta_prefect.interfaces.records import Record
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import DEPLOYMENT, Change, Create, Update

_COUNT = 3
_TIMING = ("rrule", "cron", "day_or", "interval", "anchor_date", "timezone")


class Fires(BaseModel):
    """The next runs of a schedule.

    Attributes:
        timezone: The schedule's time zone.
        fires: The next runs, ISO 8601 with the zone's offset.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: str
    fires: tuple[str, ...]

    def __str__(self) -> str:
        told = ", ".join(f"{datetime.fromisoformat(at):%a %Y-%m-%d %H:%M}" for at in self.fires)
        return f"{told} ({self.timezone})" if told else "none"


class NextFires(BaseModel):
    """What a change does to the next runs of one schedule.

    Attributes:
        schedule: The schedule's slug.
        before: Its next runs as it is on the server; None where there is no such schedule.
        after: Its next runs as it will be; None where it goes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedule: str
    before: Fires | None = None
    after: Fires | None = None

    def __str__(self) -> str:
        name = f"next fires of {self.schedule!r}"
        if self.before == self.after:
            return f"{name}: {self.after}, as before"
        if self.before is None:
            return f"{name}: {self.after}"
        return f"{name}: {self.before} → {'none' if self.after is None else self.after}"


def next_fires(change: Change) -> Iterator[NextFires]:
    """The next runs of each schedule whose times a change touches, from the moment of the deploy on."""
    match change:
        case Create(subject=subject, at=datetime() as now) if subject.kind == DEPLOYMENT:
            before: Record = {}
            after: Record = change.after.get("schedules", {})
            touched = list(after)
        case Update(subject=subject, at=datetime() as now) if subject.kind == DEPLOYMENT:
            before, after = change.before["schedules"], change.after["schedules"]
            touched = [slug for slug in {**before, **after} if _touches(change, slug)]
        case _:
            return
    for slug in touched:
        sides = {"before": _fires(before.get(slug), now), "after": _fires(after.get(slug), now)}
        if found := {side: fires for side, fires in sides.items() if fires is not None}:
            yield NextFires(schedule=slug, **found)


def _touches(change: Update, slug: str) -> bool:
    own = f"schedules.{slug}"
    return any(field.path in {own, *(f"{own}.{part}" for part in _TIMING)} for field in change.fields)


def _fires(record: Record | None, now: datetime) -> Fires | None:
    if record is None:
        return None
    return _evaluated(tuple((part, record[part]) for part in _TIMING if part in record), now)


# many deployments have the same schedule, and a plan is shown more than once
@lru_cache(maxsize=1000)
def _evaluated(timing: tuple[tuple[str, Any], ...], now: datetime) -> Fires | None:
    parts = dict(timing)
    if "interval" in parts:
        parts["interval"] = timedelta(seconds=parts["interval"])
    try:
        shown = preview(Schedule(slug="schedule", **parts), now=now, count=_COUNT)
    except (ScheduleError, ValueError):
        # somebody else's schedule, which we would have refused
        return None
    return Fires(timezone=shown.timezone, fires=tuple(run.isoformat() for run in shown.fires))
