"""The next runs of schedules affected by a change, before and after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from meta_prefect.errors import ScheduleError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import DEPLOYMENT, Change, Create, Update
from meta_prefect.schedules.preview import preview

_COUNT = 3
_TIMING = ("rrule", "cron", "day_or", "interval", "anchor_date", "timezone")


State = Literal["active", "schedule is inactive", "deployment is paused"]


class UpcomingRuns(BaseModel):
    """The next runs of a schedule.

    Attributes:
        timezone: The schedule's time zone.
        fires: The next runs, in ISO 8601 with the zone's offset. Prefect creates them only if the state is ``active``.
        state: Whether it creates runs, and if not, why.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    timezone: str
    fires: tuple[str, ...]
    state: State = "active"

    def __str__(self) -> str:
        return self.times if self.state == "active" else f"{self.none_now}, else {self.times}"

    @property
    def times(self) -> str:
        """The runs as text, whatever the state."""
        times = ", ".join(f"{datetime.fromisoformat(at):%a %Y-%m-%d %H:%M}" for at in self.fires)
        return f"{times} ({self.timezone})" if times else "none"

    @property
    def none_now(self) -> str:
        """Why there are none, as text."""
        return f"none while the {self.state}"


class NextRuns(BaseModel):
    """The effect of a change on the next runs of one schedule.

    Attributes:
        schedule: The schedule's slug.
        before: Its current next runs; None if the schedule does not exist.
        after: Its future next runs; None if the schedule is removed.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    schedule: str
    before: UpcomingRuns | None = None
    after: UpcomingRuns | None = None

    def __str__(self) -> str:
        before, after = self.before, self.after
        if before == after:
            return f"{after}, as before"
        if before is None:
            return str(after)
        if after is None:
            return f"{before} → none"
        if before.times == after.times:
            # only its activation changes: show the times once
            before, after = (side.times if side.state == "active" else side.none_now for side in (before, after))
        return f"{before} → {after}"

    @property
    def in_short(self) -> str:
        """From when on it will run, without the time of day: what the schedules of many deployments share."""
        after = self.after
        if after is None or not after.fires:
            return "none"
        first = f"from {datetime.fromisoformat(after.fires[0]):%a %Y-%m-%d} on ({after.timezone})"
        return first if after.state == "active" else f"{after.none_now}, else {first}"


def next_fires(change: Change) -> Iterator[NextRuns]:
    """Yield the next runs of each schedule whose times or activation change, from the time of the deploy on."""
    match change:
        case Create(subject=subject, at=datetime() as now) if subject.kind == DEPLOYMENT:
            old, new = Record(), change.after
            touched = list(new.get("schedules", {}))
        case Update(subject=subject, at=datetime() as now) if subject.kind == DEPLOYMENT:
            old, new = change.before, change.after
            touched = [slug for slug in {**old["schedules"], **new["schedules"]} if _touches(change, slug)]
        case _:
            return
    for slug in touched:
        sides = {"before": _fires(old, slug, now), "after": _fires(new, slug, now)}
        if found := {side: fires for side, fires in sides.items() if fires is not None}:
            yield NextRuns(schedule=slug, **found)


def _touches(change: Update, slug: str) -> bool:
    own = f"schedules.{slug}"
    paths = {"paused", own, *(f"{own}.{part}" for part in (*_TIMING, "active"))}
    return any(field.path in paths for field in change.fields)


def _fires(deployment: Record, slug: str, now: datetime) -> UpcomingRuns | None:
    record: Record | None = deployment.get("schedules", {}).get(slug)
    if record is None:
        return None
    found = _evaluated(tuple((part, record[part]) for part in _TIMING if part in record), now)
    return found and found.model_copy(update={"state": _state(deployment, record)})


def _state(deployment: Record, schedule: Record) -> State:
    if deployment.get("paused"):
        return "deployment is paused"
    return "active" if schedule.get("active", True) else "schedule is inactive"


# cached: many deployments have the same schedule, and a plan is shown more than once
@lru_cache(maxsize=1000)
def _evaluated(timing: tuple[tuple[str, Any], ...], now: datetime) -> UpcomingRuns | None:
    parts = dict(timing)
    if "interval" in parts:
        parts["interval"] = timedelta(seconds=parts["interval"])
    try:
        shown = preview(Schedule(slug="schedule", **parts), now=now, count=_COUNT)
    except (ScheduleError, ValueError):
        # created by others, and of a kind we would reject
        return None
    if not shown.is_known:
        return None
    return UpcomingRuns(timezone=shown.timezone, fires=tuple(run.isoformat() for run in shown.fires))
