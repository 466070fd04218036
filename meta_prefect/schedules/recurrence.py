"""The lines of an rrule, taken apart as Prefect's server reads them, and the wall-clock times they name.

Prefect hands the text to dateutil, counts from 2020-01-01 where there is no DTSTART, and treats every digit as local time
of the schedule's zone. What it would read otherwise than the writer means is refused by ``parse_recurrence``.
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
"""What Prefect counts from where there is no DTSTART line."""

_MINUTES_A_DAY = 1440
_LAST_SAFE_DAY = 28
_MOST_CANDIDATES = 300_000
_FEW_RUNS = 30  # a day


def stamp(moment: datetime) -> str:
    """A wall-clock time in iCalendar's form: ``20261225T090000``."""
    return moment.strftime("%Y%m%dT%H%M%S")


def stamped(text: str) -> datetime:
    """The wall-clock time that ``20261225T090000`` or ``20261225`` (its midnight) names."""
    return datetime.strptime(text, "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d")  # noqa: DTZ007


@dataclass(frozen=True)
class Rule:
    """One RRULE or EXRULE.

    Attributes:
        parts: Its parts in capitals, for example ``{"FREQ": "DAILY", "BYHOUR": "9"}``.
    """

    parts: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def text(self) -> str:
        """The rule as iCalendar writes it, without ``RRULE:``."""
        return ";".join(f"{name}={value}" for name, value in self.parts.items())

    @property
    def frequency(self) -> str:
        """YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY or MINUTELY."""
        return self.parts["FREQ"]

    @property
    def interval(self) -> int:
        """Every how many years, months, … it applies."""
        return int(self.parts.get("INTERVAL", "1"))

    def numbers(self, part: str) -> tuple[int, ...]:
        """The numbers of a BY-list; empty where it has none."""
        return tuple(int(number) for number in self.parts[part].split(",")) if part in self.parts else ()

    @property
    def months(self) -> int:
        """After how many months its pattern is where it was; 0 where months do not matter."""
        return {"YEARLY": 12, "MONTHLY": 1}.get(self.frequency, 0) * self.interval

    @property
    def days(self) -> int:
        """After how many days its pattern is where it was; 1 where months decide."""
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
    def runs_a_day(self) -> float:
        """How many times a day it names, at most, on average over a week."""
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
        """On how many of all days it may fire; 1 where that is not easy to say."""
        if "BYDAY" in self.parts:
            return len(self.parts["BYDAY"].split(",")) / 7
        if "BYMONTHDAY" in self.parts:
            return len(self.numbers("BYMONTHDAY")) / _LAST_SAFE_DAY
        plain = self.months and not self.parts.keys() & {"BYYEARDAY", "BYWEEKNO", "BYEASTER"}
        return 1 / _LAST_SAFE_DAY if plain else 1

    def anchored(self, anchor: datetime, before: datetime) -> datetime:
        """The latest moment from which the rule names the same times after ``before`` as it does from its anchor."""
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
        """The wall-clock times from ``start`` to ``end``, both included, in order.

        Args:
            anchor: The DTSTART from which the rule counts.
            start: The first time that counts.
            end: The last.

        Raises:
            ValueError: dateutil finds that the rule contradicts itself.
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
def fires_at_all(rule: Rule, anchor: datetime) -> bool:
    """Whether a rule names any time. Asked first, because walking one that names none takes seconds."""
    # The calendar repeats every 400 years. Far ahead, dateutil's own end (the year 9999) is near.
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
    """Everything an rrule text says.

    Attributes:
        text: The lines as they were written.
        dtstart: The wall-clock time of its DTSTART line.
        rules: Its RRULEs.
        exrules: Its EXRULEs.
        rdates: Single further times.
        exdates: Single times that are left out.
    """

    text: str
    dtstart: datetime | None = None
    rules: tuple[Rule, ...] = ()
    exrules: tuple[Rule, ...] = ()
    rdates: frozenset[datetime] = field(default=frozenset())
    exdates: frozenset[datetime] = field(default=frozenset())

    @property
    def anchor(self) -> datetime:
        """The wall-clock time from which it counts."""
        return self.dtstart or DEFAULT_ANCHOR

    @property
    def runs_a_day(self) -> float:
        """How many times a day it names, at most, before anything is left out."""
        return sum(rule.runs_a_day for rule in self.rules)

    def between(self, start: datetime, end: datetime) -> list[datetime]:
        """The wall-clock times from ``start`` to ``end``, both included, in order and each once."""
        named = {moment for rule in self.rules for moment in rule.between(self.anchor, start, end)}
        named |= {moment for moment in self.rdates if start <= moment <= end}
        for rule in self.exrules:
            if named:
                named.difference_update(rule.between(self.anchor, min(named), max(named)))
        return sorted(named - self.exdates)

    def excludes(self, moment: datetime) -> bool:
        """Whether an EXDATE or EXRULE leaves this time out."""
        excluded = (rule.between(self.anchor, moment, moment) for rule in self.exrules)
        return moment in self.exdates or any(moment in found for found in excluded)

    def on_days(self, days: set[date]) -> list[datetime]:
        """The wall-clock times on certain days, in order."""
        if days and self._is_cheap_to_walk:
            every = self.between(datetime.combine(min(days), time.min), datetime.combine(max(days), time.max))
            return [moment for moment in every if moment.date() in days]
        found: list[datetime] = []
        for first, last in _spans(days):
            found += self.between(datetime.combine(first, time.min), datetime.combine(last, time.max))
        return found

    @property
    def _is_cheap_to_walk(self) -> bool:
        """Whether one walk over all days costs less than one walk for each day: what is counted starts at DTSTART each time."""
        rules = (*self.rules, *self.exrules)
        return any("COUNT" in rule.parts for rule in rules) or sum(rule.runs_a_day for rule in rules) < _FEW_RUNS

    @property
    def _end(self) -> datetime:
        """After when it certainly names no time any more."""
        ends = [stamped(rule.parts["UNTIL"]) if "UNTIL" in rule.parts else datetime.max for rule in self.rules]  # noqa: DTZ901
        return max([*ends, *self.rdates])

    def goes_on_in_vain(self, now: datetime) -> bool:
        """Whether all that the rules without an end name is excluded: a search for it never ends by itself."""
        endless = tuple(rule for rule in self.rules if not {"COUNT", "UNTIL"} & rule.parts.keys())
        if not endless or not self.exrules:
            return False
        return not replace(self, rules=endless, rdates=frozenset()).following(now, 1)

    def following(self, start: datetime, count: int, *, until: datetime | None = None) -> list[datetime]:
        """The next wall-clock times from ``start`` on, at most ``count``.

        The search widens step by step, and ends after 60 years or some hundred thousand candidates: what finds nothing
        there never runs, or not without hurting the server that searches. With an end, it goes as far as that.
        """
        found: list[datetime] = []
        begin, days, spent = start, max(1, min(40, int(300 / max(self.runs_a_day, 1)))), 0.0
        latest = until or min(start + timedelta(days=60 * 365), self._end)
        while len(found) < count and begin <= latest and (until is not None or spent < _MOST_CANDIDATES):
            end = min(begin + timedelta(days=days), latest)
            found += self.between(begin, end)
            spent += days * max(self.runs_a_day, 0.001)
            begin, days = end + timedelta(microseconds=1), days * 3
        return found[:count]


def advanced_anchor(recurrence: Recurrence, latest: date) -> datetime:
    """The last midnight up to a day from which all rules name the same times as they do from 2020."""
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
    """Runs of neighbouring days, as first and last."""
    first = last = None
    for day in sorted(days):
        if first is not None and last is not None and (day - last).days > 1:
            yield first, last
            first = None
        first = first or day
        last = day
    if first is not None and last is not None:
        yield first, last
