"""Encodes excluded and added wall-clock times within the length that Prefect allows.

An EXDATE lists single times; a rule covers many: ``EXRULE:FREQ=YEARLY;BYDAY=MO;BYYEARDAY=18,46;BYHOUR=9,10;UNTIL=…`` means
"at 9 and 10 on the 18th and 46th day of the year if that is a Monday". The weekday stands in for the year: within five years,
the n-th day of the year never falls on the same weekday twice. Earlier years are past, and UNTIL cuts off later ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from meta_prefect.schedules.recurrence import stamp

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_ALL_HOURS = frozenset(range(24))
_ALL_MINUTES = frozenset(range(60))
_MANY_HOURS = 12
_MANY_MINUTES = 12


@dataclass(frozen=True)
class Frame:
    """The range of times in which rules are considered.

    Attributes:
        anchor: The DTSTART of the schedule.
        reach: Times before it are listed one by one, because no rule reaches them.
        since: The first day that matters: matches in earlier years are past.
    """

    anchor: datetime
    reach: datetime
    since: date


@dataclass(frozen=True)
class _Times:
    """All times of a day that combine any of these hours with any of these minutes and seconds."""

    hours: frozenset[int]
    minutes: frozenset[int]
    seconds: frozenset[int]


@dataclass
class _Hours:
    """Days on which whole hours can be excluded; only the blocked hours contain runs to keep."""

    days: set[date]
    whole: set[int]
    blocked: set[int]


def _share(groups: list[_Hours], new: _Hours) -> None:
    """Group days whose hours are compatible; with an interval, each day keeps different hours."""
    for one in groups:
        if not (one.whole | new.whole) & (one.blocked | new.blocked):
            one.days |= new.days
            one.whole |= new.whole
            one.blocked |= new.blocked
            return
    groups.append(new)


def listed(name: str, moments: Iterable[datetime]) -> str:
    """Format the moments as one EXDATE or RDATE line."""
    return f"{name}:{','.join(stamp(moment) for moment in sorted(moments))}"


def excluding_lines(excluded: Collection[datetime], kept: Collection[datetime], frame: Frame) -> list[list[str]]:
    """Return the ways to exclude certain times, simplest first.

    Args:
        excluded: The times to exclude.
        kept: The times to keep, at least those on the days of ``excluded``.
        frame: The range of times to consider.

    Returns:
        The lines of each way.
    """
    if not excluded:
        return [[]]
    early, late = _around(excluded, frame.reach)
    taken = _by_day(kept)
    groups: dict[_Times, set[date]] = defaultdict(set)
    widest = _widened(_span(moment.time() for moment in late))
    shared: list[_Hours] = []
    for day, times in sorted(_by_day(late).items()):
        blocked = {moment.hour for moment in taken.get(day, ())}
        # where nothing is kept, a rule may exclude more than needed: few broad rules instead of many exact ones
        if whole := {moment.hour for moment in times} - blocked:
            _share(shared, _Hours({day}, whole, blocked))
        for exact in _exact(moment for moment in times if moment.hour in blocked):
            groups[exact].add(day)
    for one in shared:
        groups[_Times(widest.hours - one.blocked, widest.minutes, widest.seconds)] |= one.days
    before = [listed("EXDATE", early)] if early else []
    return [[listed("EXDATE", excluded)], [*before, *_rules("EXRULE", groups, frame)]]


def adding_lines(added: Collection[datetime], frame: Frame) -> list[list[str]]:
    """Return the ways to add certain times, simplest first; for ``frame`` see ``excluding_lines``."""
    if not added:
        return [[]]
    early, late = _around(added, frame.reach)
    groups: dict[_Times, set[date]] = defaultdict(set)
    for day, times in _by_day(late).items():
        for exact in _exact(times):
            groups[exact].add(day)
    before = [listed("RDATE", early)] if early else []
    return [[listed("RDATE", added)], [*before, *_rules("RRULE", groups, frame)]]


def _around(moments: Iterable[datetime], reach: datetime) -> tuple[set[datetime], set[datetime]]:
    """Split the moments into those before a time and the rest."""
    every = set(moments)
    early = {moment for moment in every if moment < reach}
    return early, every - early


def _by_day(moments: Iterable[datetime]) -> dict[date, set[time]]:
    found: dict[date, set[time]] = defaultdict(set)
    for moment in moments:
        found[moment.date()].add(moment.time())
    return found


def _span(times: Iterable[time]) -> _Times:
    every = tuple(times)
    return _Times(
        frozenset(moment.hour for moment in every),
        frozenset(moment.minute for moment in every),
        frozenset(moment.second for moment in every),
    )


def _widened(times: _Times) -> _Times:
    """Widen to all hours or minutes if most of them are listed anyway: that makes a shorter line."""
    if len(times.hours) <= _MANY_HOURS or len(times.minutes) <= _MANY_MINUTES:
        return times
    return _Times(_ALL_HOURS, _ALL_MINUTES, times.seconds)


def _exact(times: Iterable[time]) -> list[_Times]:
    """Return combinations that cover exactly these times, grouping hours with the same minutes and seconds."""
    by_hour: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for moment in times:
        by_hour[moment.hour].add((moment.minute, moment.second))
    hours: dict[tuple[int, frozenset[int]], set[int]] = defaultdict(set)
    for hour, rest in by_hour.items():
        for second in {second for _, second in rest}:
            hours[second, frozenset(minute for minute, other in rest if other == second)].add(hour)
    return [_Times(frozenset(group), minutes, frozenset({second})) for (second, minutes), group in hours.items()]


def _rules(name: str, groups: Mapping[_Times, set[date]], frame: Frame) -> list[str]:
    if not groups:
        return []
    until = max(day for days in groups.values() for day in days)
    # from the first day that matters, not the first one covered: a pair must be correct in between too
    first = min(frame.since, *(day for days in groups.values() for day in days))
    lines: list[str] = []
    for times, days in groups.items():
        frequency, lists = _pattern(times, frame.anchor)
        for weekdays, numbers in _by_weekdays(days, first, until):
            labels = ",".join(_WEEKDAYS[weekday] for weekday in sorted(weekdays))
            joined = ",".join(str(number) for number in sorted(numbers))
            parts = [f"FREQ={frequency}", f"UNTIL={until:%Y%m%d}T235959", f"BYDAY={labels}", f"BYYEARDAY={joined}"]
            lines.append(f"{name}:{';'.join([*parts, *lists])}")
    return lines


def _by_weekdays(days: set[date], first: date, until: date) -> list[tuple[set[int], set[int]]]:
    """Return few pairs of weekdays and year days that match exactly these days between ``first`` and ``until``."""
    pairs: list[tuple[set[int], set[int]]] = []
    for weekday in range(7):
        numbers = {day.timetuple().tm_yday for day in days if day.weekday() == weekday}
        if not numbers:
            continue
        for index, (others, known) in enumerate(pairs):
            joined = (others | {weekday}, known | numbers)
            if _named(*joined, first, until) <= days:
                pairs[index] = joined
                break
        else:
            pairs.append(({weekday}, numbers))
    return pairs


def _named(weekdays: set[int], numbers: set[int], first: date, until: date) -> set[date]:
    """Return the days that such a pair matches."""
    found = (date(year, 1, 1) + timedelta(days=n - 1) for year in range(first.year, until.year + 1) for n in numbers)
    return {day for day in found if day.weekday() in weekdays and day <= until}


def _pattern(times: _Times, anchor: datetime) -> tuple[str, list[str]]:
    """Return the shortest frequency and BY lists for these times, omitting what equals the anchor's own values."""
    if times.minutes == _ALL_MINUTES and times.hours == _ALL_HOURS:
        # with a BYHOUR, dateutil would step through each minute of every day
        frequency, implied = "MINUTELY", (_ALL_HOURS, _ALL_MINUTES)
    elif times.hours == _ALL_HOURS:
        frequency, implied = "HOURLY", (_ALL_HOURS, frozenset({anchor.minute}))
    else:
        frequency, implied = "YEARLY", (frozenset({anchor.hour}), frozenset({anchor.minute}))
    wanted = zip(
        ("BYHOUR", "BYMINUTE", "BYSECOND"),
        (times.hours, times.minutes, times.seconds),
        (*implied, frozenset({anchor.second})),
        strict=True,
    )
    return frequency, [
        f"{part}={','.join(str(number) for number in sorted(given))}"
        for part, given, default in wanted
        if given != default
    ]
