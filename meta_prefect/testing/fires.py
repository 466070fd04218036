"""Computes when a schedule starts runs, the way Prefect's server does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.schedules.preview import preview
from meta_prefect.schedules.resolve import resolve

__all__ = ["fires_of"]

Moment = date | datetime | str


def fires_of(
    schedule: Deployment | Schedule | Mapping[str, object] | str,
    *,
    between: tuple[Moment, Moment],
    now: datetime | None = None,
) -> list[datetime]:
    """Return when a schedule starts runs, in order, in its own time zone.

    Args:
        schedule: A deployment, of which all schedules count, including inactive ones; a stored schedule; or one as written in
            the project file.
        between: The first and the last moment; a date means that whole day in the schedule's time zone.
        now: For a schedule as written: the time of the deploy, from which days off are computed; defaults to the first moment.

    Raises:
        ScheduleError: A deploy would reject it too.
    """
    match schedule:
        case Deployment():
            found = [one for each in schedule.schedules or () for one in fires_of(each, between=between)]
            return sorted(found, key=lambda run: run.astimezone(UTC))
        case Schedule():
            first, last = _instants(between, schedule.timezone)
            return list(preview(schedule, now=first, until=last).fires)
        case _:
            written = dict(schedule) if isinstance(schedule, Mapping) else schedule
            start = now or _instants(between, "UTC")[0] - timedelta(days=1)
            stored = [one.schedule for one in resolve(written, default_calendar=None, now=start, where="schedule")]
            return [run for one in stored for run in fires_of(one, between=between)]


def _instants(between: tuple[Moment, Moment], zone: str) -> tuple[datetime, datetime]:
    first, last = (_read(one) for one in between)
    return _instant(first, zone, time.min), _instant(last, zone, time.max)


def _read(moment: Moment) -> date | datetime:
    if not isinstance(moment, str):
        return moment
    return date.fromisoformat(moment) if len(moment) == len("2026-12-24") else datetime.fromisoformat(moment)


def _instant(moment: date | datetime, zone: str, of_day: time) -> datetime:
    if not isinstance(moment, datetime):
        return datetime.combine(moment, of_day, ZoneInfo(zone))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))
