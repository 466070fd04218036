"""The lines of an rrule as Prefect's server interprets them, and the wall-clock times they yield.

Prefect passes the text to dateutil, counts from 2020-01-01 if there is no DTSTART, and treats every time as local time in the
schedule's zone. ``parse_recurrence`` rejects what it would interpret differently from what the writer means.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import cache, cached_property
from itertools import takewhile

from dateutil.rrule import rrule, rrulestr

DEFAULT_ANCHOR = datetime(2020, 1, 1)  # noqa: DTZ001 - Prefect's own, in the schedule's zone
"""The start Prefect assumes if there is no DTSTART line."""

_MINUTES_A_DAY = 1440
_LAST_SAFE_DAY = 28
_MAX_CANDIDATES = 300_000
_FEW_RUNS = 30  # per day


def stamp(moment: datetime) -> str:
    """Format a wall-clock time as in iCalendar: ``20261225T090000``."""
    return moment.strftime("%Y%m%dT%H%M%S")


def stamped(text: str) -> datetime:
    """Parse ``20261225T090000``, or ``20261225`` as its midnight, into a wall-clock time."""
    return datetime.strptime(text, "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d")  # noqa: DTZ007


@dataclass(frozen=True)
class Rule:
    """One RRULE or EXRULE.

    Attributes:
        parts: Its parts in uppercase, for example ``{"FREQ": "DAILY", "BYHOUR": "9"}``.
    """

    parts: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def text(self) -> str:
        """The rule in iCalendar syntax, without ``RRULE:``."""
        return ";".join(f"{name}={value}" for name, value in self.parts.items())

    @property
    def frequency(self) -> str:
        """YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY or MINUTELY."""
        return self.parts["FREQ"]

    @property
    def interval(self) -> int:
        """Its INTERVAL: 2 means every other year, month, and so on."""
        return int(self.parts.get("INTERVAL", "1"))

    def numbers(self, part: str) -> tuple[int, ...]:
        """Return the numbers of a BY list; empty if the rule has none."""
        return tuple(int(number) for number in self.parts[part].split(",")) if part in self.parts else ()

    @property
    def months(self) -> int:
        """The period of its pattern in months; 0 if months do not matter."""
        return {"YEARLY": 12, "MONTHLY": 1}.get(self.frequency, 0) * self.interval

    @property
    def days(self) -> int:
        """The period of its pattern in days; 1 if months decide."""
        match self.frequency:
            case "WEEKLY":
                return 7 * self.interval
            case "DAILY":
                return self.interval
            case "HOURLY":
                return math.lcm(self.interval, 24) // 24
            case "MINUTELY":
                return math.lcm(self.interval, _MINUTES_A_DAY) // _MINUTES_A_DAY
            case _:
                return 1

    @cached_property
    def runs_per_day(self) -> float:
        """An upper bound on its runs per day, averaged over a week."""
        hours, minutes = len(self.numbers("BYHOUR")), len(self.numbers("BYMINUTE"))
        match self.frequency:
            case "MINUTELY":
                daily = _MINUTES_A_DAY / self.interval * (hours or 24) / 24 * (minutes or 60) / 60
            case "HOURLY":
                daily = 24 / self.interval * (hours or 24) / 24 * (minutes or 1)
            case _:
                daily = (hours or 1) * (minutes or 1) / self.days
        return daily * min(1, self._share_of_days)

    @property
    def _share_of_days(self) -> float:
        """The fraction of days on which it may fire; 1 if hard to tell."""
        if "BYDAY" in self.parts:
            return len(self.parts["BYDAY"].split(",")) / 7
        if "BYMONTHDAY" in self.parts:
            return len(self.numbers("BYMONTHDAY")) / _LAST_SAFE_DAY
        plain = self.months and not self.parts.keys() & {"BYYEARDAY", "BYWEEKNO", "BYEASTER"}
        return 1 / _LAST_SAFE_DAY if plain else 1

    def anchored(self, anchor: datetime, before: datetime) -> datetime:
        """Return the latest moment from which the rule yields the same times after ``before`` as from its anchor."""
        if "COUNT" in self.parts or anchor >= before:
            return anchor
        if not self.months:
            # one whole period earlier: BYSETPOS counts within the week, and the first week may be cut short
            steps = (before - anchor) // timedelta(days=self.days) - 1
            return anchor + timedelta(days=self.days * max(0, steps))
        if anchor.day > _LAST_SAFE_DAY:
            return anchor
        distance = (before.year - anchor.year) * 12 + before.month - anchor.month
        return _add_months(anchor, self.months * max(0, distance // self.months - 1))

    def between(self, anchor: datetime, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the wall-clock times from ``start`` to ``end``, both included, in order.

        Args:
            anchor: The DTSTART from which the rule counts.
            start: The first time to include.
            end: The last time to include.

        Raises:
            ValueError: dateutil rejects the rule as contradictory.
        """
        if end < anchor:
            return
        found = _rule_from(self.text, self.anchored(anchor, start))
        for moment in takewhile(lambda moment: moment <= end, found):
            if moment >= start:
                yield moment

    @property
    def without_end(self) -> Rule:
        """The same rule without COUNT and UNTIL."""
        return Rule({name: value for name, value in self.parts.items() if name not in {"COUNT", "UNTIL"}})


@cache
def ever_fires(rule: Rule, anchor: datetime) -> bool:
    """Return whether a rule ever fires. Checked first, because walking one that never does takes seconds."""
    # The calendar repeats every 400 years. Starting far ahead keeps dateutil's limit (the year 9999) near.
    years = (9990 - anchor.year) // 400 * 400 if rule.months <= 12 * 50 else 0
    try:
        ahead = anchor.replace(year=anchor.year + max(0, years))
        return next(iter(_rule_from(rule.without_end.text, ahead)), None) is not None
    except (ValueError, OverflowError):
        return False


def _rule_from(text: str, anchor: datetime) -> rrule:
    made = rrulestr(text, dtstart=anchor)
    if not isinstance(made, rrule):
        raise TypeError(f"{text!r} is several rules")
    return made


@dataclass(frozen=True)
class Recurrence:
    """A complete rrule text, parsed.

    Attributes:
        text: The original lines.
        dtstart: The wall-clock time of its DTSTART line.
        rules: Its RRULEs.
        exrules: Its EXRULEs.
        rdates: Additional single times.
        exdates: Excluded single times.
    """

    text: str
    dtstart: datetime | None = None
    rules: tuple[Rule, ...] = ()
    exrules: tuple[Rule, ...] = ()
    rdates: frozenset[datetime] = field(default=frozenset())
    exdates: frozenset[datetime] = field(default=frozenset())

    @property
    def anchor(self) -> datetime:
        """The wall-clock time it counts from."""
        return self.dtstart or DEFAULT_ANCHOR

    @property
    def runs_per_day(self) -> float:
        """An upper bound on its runs per day, before exclusions."""
        return sum(rule.runs_per_day for rule in self.rules)

    def between(self, start: datetime, end: datetime) -> list[datetime]:
        """Return the wall-clock times from ``start`` to ``end``, both included, in order and without duplicates."""
        named = {moment for rule in self.rules for moment in rule.between(self.anchor, start, end)}
        named |= {moment for moment in self.rdates if start <= moment <= end}
        for rule in self.exrules:
            if named:
                named.difference_update(rule.between(self.anchor, min(named), max(named)))
        return sorted(named - self.exdates)

    def excludes(self, moment: datetime) -> bool:
        """Return whether an EXDATE or EXRULE excludes this time."""
        excluded = (rule.between(self.anchor, moment, moment) for rule in self.exrules)
        return moment in self.exdates or any(moment in found for found in excluded)

    def on_days(self, days: set[date]) -> list[datetime]:
        """Return the wall-clock times on certain days, in order."""
        if days and self._is_cheap_to_walk:
            every = self.between(datetime.combine(min(days), time.min), datetime.combine(max(days), time.max))
            return [moment for moment in every if moment.date() in days]
        found: list[datetime] = []
        for first, last in _spans(days):
            found += self.between(datetime.combine(first, time.min), datetime.combine(last, time.max))
        return found

    @property
    def _is_cheap_to_walk(self) -> bool:
        """Whether one walk over the whole range is cheaper than one per day, since a COUNT starts at DTSTART each time."""
        rules = (*self.rules, *self.exrules)
        return any("COUNT" in rule.parts for rule in rules) or sum(rule.runs_per_day for rule in rules) < _FEW_RUNS

    @property
    def _end(self) -> datetime:
        """A time after which it certainly never fires again."""
        ends = [stamped(rule.parts["UNTIL"]) if "UNTIL" in rule.parts else datetime.max for rule in self.rules]  # noqa: DTZ901
        return max([*ends, *self.rdates])

    def is_fully_excluded(self, now: datetime) -> bool:
        """Return whether everything the endless rules yield is excluded, so that a search would never end."""
        endless = tuple(rule for rule in self.rules if not {"COUNT", "UNTIL"} & rule.parts.keys())
        if not endless or not self.exrules:
            return False
        return not replace(self, rules=endless, rdates=frozenset()).following(now, 1)

    def following(self, start: datetime, count: int, *, until: datetime | None = None) -> list[datetime]:
        """Return at most ``count`` wall-clock times from ``start`` on.

        The search widens step by step and stops after 60 years or a few hundred thousand candidates: a rule without a match
        by then never runs, or overloads the server that searches it. With ``until``, the search stops there.
        """
        found: list[datetime] = []
        begin, days, spent = start, max(1, min(40, int(300 / max(self.runs_per_day, 1)))), 0.0
        latest = until or min(start + timedelta(days=60 * 365), self._end)
        while len(found) < count and begin <= latest and (until is not None or spent < _MAX_CANDIDATES):
            end = min(begin + timedelta(days=days), latest)
            found += self.between(begin, end)
            spent += days * max(self.runs_per_day, 0.001)
            begin, days = end + timedelta(microseconds=1), days * 3
        return found[:count]


def advanced_anchor(recurrence: Recurrence, latest: date) -> datetime:
    """Return the last midnight on or before a day from which all rules yield the same times as from 2020."""
    rules = (*recurrence.rules, *recurrence.exrules)
    days = math.lcm(*(rule.days for rule in rules))
    months = math.lcm(*(rule.months for rule in rules if rule.months)) if any(rule.months for rule in rules) else 0
    goal = datetime.combine(latest, time.min)
    if not months:
        return DEFAULT_ANCHOR + (goal - DEFAULT_ANCHOR) // timedelta(days=days) * timedelta(days=days)
    steps = ((goal.year - DEFAULT_ANCHOR.year) * 12 + goal.month - DEFAULT_ANCHOR.month) // months
    candidates = (_add_months(DEFAULT_ANCHOR, months * step) for step in range(steps, -1, -1))
    return next(moment for moment in candidates if (moment - DEFAULT_ANCHOR).days % days == 0)


def _add_months(moment: datetime, months: int) -> datetime:
    years, month = divmod(moment.month - 1 + months, 12)
    return moment.replace(year=moment.year + years, month=month + 1)


def _spans(days: set[date]) -> Iterator[tuple[date, date]]:
    """Yield runs of consecutive days as (first, last)."""
    first = last = None
    for day in sorted(days):
        if first is not None and last is not None and (day - last).days > 1:
            yield first, last
            first = None
        first = first or day
        last = day
    if first is not None and last is not None:
        yield first, last
