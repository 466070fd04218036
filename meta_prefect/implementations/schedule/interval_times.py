"""The instants at which Prefect's server runs an interval schedule that leaves out no days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from meta_prefect.implementations.schedule.zones import instant_after_gap, wall_time

_DAYS_STAY_LOCAL = (3, 9)


def interval_times(
    interval: timedelta, anchor: datetime, zone: str, start: datetime, *, prefect_version: tuple[int, int]
) -> Iterator[datetime]:
    """The instants from ``start`` on, in order, without end.

    Hours and less are elapsed time, whole days local days. Before 3.9, Prefect estimates where to begin by elapsed time, so
    that days anchored in winter run an hour later in summer.

    Args:
        interval: The time between two runs.
        anchor: An instant on which a run falls.
        zone: The schedule's time zone.
        start: The first instant that counts.
        prefect_version: Major and minor version of the server.
    """
    days, rest = timedelta(days=interval.days), interval - timedelta(days=interval.days)
    origin = anchor.astimezone(UTC)
    local_days = bool(days) and not rest and zone != "UTC" and prefect_version >= _DAYS_STAY_LOCAL

    def advanced(moment: datetime) -> datetime:
        local = instant_after_gap(wall_time(moment, zone) + days, zone) if days else moment
        return local.astimezone(UTC) + rest

    if local_days and start >= origin:
        moment = origin
    else:
        # towards the anchor, as the server's int() does
        moment = origin + int((start - origin) / interval) * interval
        while moment > start and prefect_version >= _DAYS_STAY_LOCAL:
            moment -= interval
    while True:
        if moment >= start:
            yield moment
        moment = advanced(moment)
