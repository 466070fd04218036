"""Computes the instants at which Prefect's server runs an interval schedule without days off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from meta_prefect.schedules.zones import instant_after_gap, wall_time

_DAYS_STAY_LOCAL = (3, 9)


def interval_times(
    interval: timedelta, anchor: datetime, zone: str, start: datetime, *, prefect_version: tuple[int, int]
) -> Iterator[datetime]:
    """Yield the instants from ``start`` on, in order, endlessly.

    Intervals of hours and less are elapsed time; whole days are local days. Before 3.9, Prefect estimates the starting point
    by elapsed time, so days anchored in winter run an hour later in summer.


    Args:
        interval: The time between two runs.
        anchor: An instant on which a run falls.
        zone: The schedule's time zone.
        start: The first instant to return.
        prefect_version: Major and minor version of the server.
    """
    days, rest = timedelta(days=interval.days), interval - timedelta(days=interval.days)
    origin = anchor.astimezone(UTC)
    stays_local = prefect_version >= _DAYS_STAY_LOCAL

    def stepped(moment: datetime, days: timedelta, rest: timedelta) -> datetime:
        local = instant_after_gap(wall_time(moment, zone) + days, zone) if days else moment
        return local.astimezone(UTC) + rest

    def jumped(steps: int) -> datetime:
        mixed = bool(days) and bool(rest)
        return origin + steps * interval if mixed or not stays_local else stepped(origin, steps * days, steps * rest)

    # towards the anchor, like the server's int(); later days are stepped one by one, because each may shift the next
    one_by_one = stays_local and bool(days) and not rest and start >= origin
    steps = 0 if one_by_one else int((start - origin) / interval)
    moment = jumped(steps)
    while stays_local and moment > start and not one_by_one:
        steps -= 1
        moment = jumped(steps)
    before_anchor = stays_local and bool(days) and not rest and start < origin
    while True:
        if moment >= start:
            yield moment
        steps += 1
        moment = jumped(steps) if before_anchor and steps <= 0 else stepped(moment, days, rest)
