"""Chooses a recent DTSTART for frequent rules, to keep them cheap for the server.

Every time Prefect's server evaluates an rrule, it walks all occurrences from DTSTART (2020 if there is none) to now, at 15 to
40 µs each. So a frequent rule gets a DTSTART close to now that yields the same occurrences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta

from meta_prefect.errors import ScheduleError
from meta_prefect.schedules.recurrence import (
    DEFAULT_ANCHOR,
    Recurrence,
    Rule,
    advanced_anchor,
)

_CHEAP_WALK = 20_000  # occurrences; half a second for the server
_HARMFUL_WALK = 100_000  # occurrences; two to four seconds for the server, on every evaluation
_KEPT_WALK = 25_000  # occurrences; how far an already stored start may fall behind
_STEP_COST = 0.02  # cost of a minute that a MINUTELY rule skips, relative to one it fires in


def recent_start(runs_per_day: float, today: date) -> date:
    """Return the start date that keeps a walk cheap: as early as possible, because each change means a redeploy.

    Args:
        runs_per_day: How many times a day the rule fires.
        today: The current day.

    Returns:
        The start of this year, quarter, month or week.
    """
    for start, days in _starts(today):
        if runs_per_day * days <= _CHEAP_WALK:
            return start
    return today - timedelta(days=today.weekday())


def _starts(today: date) -> Iterator[tuple[date, int]]:
    yield date(today.year, 1, 1), 366
    yield date(today.year, (today.month - 1) // 3 * 3 + 1, 1), 92
    yield today.replace(day=1), 31


def walk_per_day(recurrence: Recurrence) -> float:
    """Return how many occurrences the server walks per day between DTSTART and now."""
    return sum(_walk(rule) for rule in (*recurrence.rules, *recurrence.exrules))


def _walk(rule: Rule) -> float:
    passed = 1440 / rule.interval * _STEP_COST if rule.frequency == "MINUTELY" else 0
    return rule.runs_per_day + passed


def start_of(recurrence: Recurrence, today: date) -> datetime:
    """Return the latest start that keeps a walk cheap and yields the same occurrences as a start in 2020."""
    return advanced_anchor(recurrence, recent_start(walk_per_day(recurrence), today))


def start_needed(recurrence: Recurrence, today: date, *, alone: bool) -> datetime | None:
    """Return the DTSTART a rule needs to be accepted by Prefect at any hour and evaluated in reasonable time.

    Args:
        recurrence: What the user wrote.
        today: The current day.
        alone: Whether the rule is stored without further lines. Prefect then picks a start for a MINUTELY rule itself.

    Returns:
        The wall-clock time, or None if the rule has its own DTSTART or is cheap from 2020.
    """
    if recurrence.dtstart is not None or not recurrence.rules:
        return None
    said = DEFAULT_ANCHOR if _contradicts_other_starts(recurrence) else None
    if _is_counted(recurrence):
        return said
    if (
        said is None
        and alone
        and len(recurrence.rules) == 1
        and recurrence.rules[0].frequency == "MINUTELY"
        and _is_plain(recurrence)
    ):
        return None
    walk = walk_per_day(recurrence)
    if walk * (date(today.year, 12, 31) - DEFAULT_ANCHOR.date()).days <= _CHEAP_WALK:
        return said
    start = start_of(recurrence, today)
    return said if start == DEFAULT_ANCHOR else start


def _contradicts_other_starts(recurrence: Recurrence) -> bool:
    """Return whether a rule never fires from another start, such as every 12 hours at 0 and 12, started at one o'clock.

    Prefect validates a rule without DTSTART as if it started now, and would reject such a rule at most hours.
    """
    steps = {"HOURLY": ("BYHOUR", 24), "MINUTELY": ("BYMINUTE", 60)}
    every = (*recurrence.rules, *recurrence.exrules)
    stepping = ((rule, *steps[rule.frequency]) for rule in every if rule.frequency in steps)
    return any(part in rule.parts and math.gcd(rule.interval, size) > 1 for rule, part, size in stepping)


def earlier_starts(
    walk: float, start: datetime, today: date, start_at: Callable[[date], datetime]
) -> Iterator[datetime]:
    """Yield the starts that earlier deploys gave a rule, latest first, as long as they are cheap enough to evaluate.

    Args:
        walk: How many occurrences the server walks per day between DTSTART and now.
        start: The start that the rule gets today.
        today: The current day.
        start_at: The start that the rule gets on a day.
    """
    while start > DEFAULT_ANCHOR:
        earlier = start_at(start.date() - timedelta(days=1))
        if earlier >= start or walk * (today - earlier.date()).days > _KEPT_WALK:
            return
        yield earlier
        start = earlier


def check_walk(recurrence: Recurrence, today: date, *, where: str | None) -> None:
    """Reject a rule that would keep the server busy for seconds on every evaluation.

    Raises:
        ScheduleError: Its DTSTART, or its COUNT from 2020, makes the server walk too many occurrences.
    """
    if recurrence.dtstart is None and not _is_counted(recurrence):
        return
    days = (today - recurrence.anchor.date()).days
    walked = sum(min(_walk(rule) * days, _count(rule)) for rule in (*recurrence.rules, *recurrence.exrules))
    if walked <= _HARMFUL_WALK:
        return
    start = f"DTSTART {recurrence.anchor:%Y-%m-%d}" if recurrence.dtstart else "no DTSTART (counted from 2020-01-01)"
    raise ScheduleError(
        f"{start} makes the Prefect server walk {walked:,.0f} times at every look; that blocks it for seconds",
        where=where,
        hint=f"Leave DTSTART out, or write DTSTART:{recent_start(walk_per_day(recurrence), today):%Y%m%d}T000000.",
    ).allowed_as("slow")


def _is_counted(recurrence: Recurrence) -> bool:
    return any("COUNT" in rule.parts for rule in (*recurrence.rules, *recurrence.exrules))


def _count(rule: Rule) -> float:
    return float(rule.parts.get("COUNT", "inf"))


def _is_plain(recurrence: Recurrence) -> bool:
    return not (recurrence.exrules or recurrence.rdates or recurrence.exdates)
