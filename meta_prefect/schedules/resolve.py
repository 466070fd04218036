"""Converts user-written schedules into what Prefect stores: exact to the day, within Prefect's 6500 characters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import cast

from meta_prefect.errors import ScheduleError, about
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.schedules.anchoring import (
    check_walk,
    earlier_starts,
    start_needed,
    start_of,
    walk_per_day,
)
from meta_prefect.schedules.calendars import Calendar, make_calendar
from meta_prefect.schedules.cron import cron_to_rrule, uneven_steps
from meta_prefect.schedules.days_off import FROZEN, LONGEST_BREAK, WEEKEND, DaysOff, LeftOut
from meta_prefect.schedules.exclusions import Frame, adding_lines, excluding_lines
from meta_prefect.schedules.in_words import in_words
from meta_prefect.schedules.intervals import check_interval, interval_to_rrule
from meta_prefect.schedules.reading import more_than_once_a_minute, parse_recurrence
from meta_prefect.schedules.recurrence import DEFAULT_ANCHOR, Recurrence, stamp
from meta_prefect.schedules.spec import HolidaysSpec, ScheduleSpec, read_spec
from meta_prefect.schedules.zones import checked_zone, wall_time

MAX_RRULE_LENGTH = 6500
"""Prefect rejects longer rrules; a DTSTART line that it adds counts too."""

_SHORTEST_HORIZON = timedelta(days=400)
_MAX_YEARS = 4  # within five years, a day of the year and its weekday identify a single day
_INJECTED = f"DTSTART:{stamp(DEFAULT_ANCHOR)}\n"
_SAMPLE = 300
_YEARS_TO_SEARCH = 8


@dataclass(frozen=True)
class Resolved:
    """A schedule ready to be stored, and how it was derived.

    Attributes:
        schedule: What is stored.
        zone: The user's time zone; the stored one is UTC if days are excluded from an interval shorter than a day.
        recurrence: The stored schedule as wall-clock times in the stored zone; None for an interval.
        days_off: The days it skips, or None.
        base: The recurrence without days off.
        until: The last day for which days off were computed.
    """

    schedule: Schedule
    zone: str
    recurrence: Recurrence | None
    days_off: DaysOff | None = None
    base: Recurrence | None = None
    until: date | None = None


Specs = ScheduleSpec | str | Mapping[str, object] | Sequence[ScheduleSpec | str | Mapping[str, object]] | None
"""One or more schedules as the user wrote them; None means none."""


def resolve(
    specs: Specs,
    *,
    default_calendar: HolidaysSpec | Calendar,
    now: datetime,
    default_active: bool | None = None,
    base_dir: Path | None = None,
    where: str | None = None,
) -> tuple[Resolved, ...]:
    """Convert user-written schedules into what Prefect stores.

    Args:
        specs: One schedule or several: specs, mappings of their fields, or short strings. None means none.
        default_calendar: The holidays for schedules that specify none; None or False for no calendar.
        now: The current time, with a UTC offset. Days off are computed from the start of this year to the end of the next,
            and for at least 400 days.
        default_active: Whether schedules that do not say are active; None leaves it to the operator.
        base_dir: The folder to which paths of .ics files are relative.
        where: File and key, for error messages.

    Returns:
        What is stored for each schedule, and how it was derived.

    Raises:
        ScheduleError: A schedule is invalid, never fires, would overload the server or cannot be stored exactly; or two have
            the same slug.
    """
    if specs is None:
        return ()
    several = specs if isinstance(specs, Sequence) and not isinstance(specs, str) else (specs,)
    read = tuple(read_spec(spec, where=where) for spec in cast("Sequence[object]", several))
    slugs = _slugs(read, where)
    _check_anchors(read, slugs, where)
    made: list[Resolved] = []
    for spec, slug in zip(read, slugs, strict=True):
        place = f"{where or 'schedule'} {slug!r}" if len(read) > 1 else where
        calendar_place = ("schedule", "holidays") if spec.holidays is not None else ("holidays",)
        with about("schedule", "timezone", value=spec.timezone):
            checked_zone(spec.timezone, where=place)
        with about(*calendar_place, value=default_calendar if spec.holidays is None else spec.holidays):
            calendar = calendar_of(spec, default_calendar, base_dir=base_dir, where=place)
        # An error that names no other field is about the times.
        with about("schedule", spec.kind, value=getattr(spec, spec.kind)):
            found = resolve_one(spec, calendar=calendar, now=now, where=place)
        active = spec.active if spec.active is not None else default_active
        given = spec.slug is not None
        named = {"slug": slug, "slug_is_given": given, "in_words": None if given else in_words(found)}
        made.append(replace(found, schedule=found.schedule.model_copy(update={**named, "active": active})))
    _check_different([found.schedule for found in made], where)
    return tuple(made)


def _check_anchors(specs: Sequence[ScheduleSpec], slugs: Sequence[str], where: str | None) -> None:
    """Report all anchors without a UTC offset together, if there are several."""
    found = {
        slug: spec.anchor_date.isoformat()
        for spec, slug in zip(specs, slugs, strict=True)
        if spec.anchor_date is not None and spec.anchor_date.utcoffset() is None
    }
    if len(found) > 1:
        named = ", ".join(f"{anchor} of {slug!r}" for slug, anchor in found.items())
        raise ScheduleError(
            f"the anchors {named} have no UTC offset; Prefect takes them as UTC, whatever the timezone",
            where=where,
            hint=f"To keep that meaning, write {' and '.join(f'{anchor}+00:00' for anchor in dict.fromkeys(found.values()))}.",
        )


def _check_different(schedules: Sequence[Schedule], where: str | None) -> None:
    """Reject duplicate schedules: each of their runs would start twice."""
    for one, other in combinations(schedules, 2):
        names = one.model_dump(include={"slug", "slug_is_given", "in_words"})
        if one == other.model_copy(update=names):
            raise ScheduleError(
                f"the schedules {one.slug!r} and {other.slug!r} are the same, so that each run would start twice",
                where=where,
                hint="Remove one of them, or give them different parameters.",
            )


def calendar_of(
    spec: ScheduleSpec, default: HolidaysSpec | Calendar, *, base_dir: Path | None = None, where: str | None = None
) -> Calendar | None:
    """Build the calendar of one schedule, its own or the default one, in its time zone.

    Raises:
        ScheduleError: The time zone or something in the calendar is unknown.
    """
    zone = checked_zone(spec.timezone, where=where)
    return make_calendar(default if spec.holidays is None else spec.holidays, zone=zone, base_dir=base_dir, where=where)


def resolve_one(spec: ScheduleSpec, *, calendar: Calendar | None, now: datetime, where: str | None = None) -> Resolved:
    """Resolve one schedule with its calendar.

    Raises:
        ScheduleError: See ``resolve``.
    """
    if now.utcoffset() is None:
        raise ValueError(f"now needs a UTC offset, got {now.isoformat()}")
    with about("schedule", "timezone", value=spec.timezone):
        zone = checked_zone(spec.timezone, where=where)
    plain = Schedule(
        slug=spec.slug or spec.kind,
        rrule=spec.rrule and spec.rrule.strip(),
        cron=spec.cron and spec.cron.strip(),
        interval=spec.interval,
        anchor_date=spec.anchor_date,
        timezone=zone,
        day_or=spec.day_or,
        active=spec.active,
        parameters=spec.parameters,
    )
    if calendar is None and spec.on_holiday != "skip":
        hint = "Write for example holidays: US, or leave on_holiday out."
        in_vain = "runs never" if spec.on_holiday == "only" else "moves nothing"
        error = ScheduleError(f"on_holiday: {spec.on_holiday} without holidays {in_vain}", where=where, hint=hint)
        raise error.is_about("schedule", "on_holiday", value=spec.on_holiday)
    days_off = None
    if calendar or spec.freeze or spec.on_weekend or spec.business_day:
        days_off = DaysOff(zone, calendar, spec.freeze, spec.on_holiday, spec.on_weekend, spec.business_day)
    try:
        return _resolved(spec, plain, days_off, now, where)
    except ScheduleError as error:
        if error.allowance is None or error.allowance not in spec.allow:
            raise
        if days_off is None:
            # Prefect accepts it, so it is stored as is; its times are unknown to us.
            return Resolved(plain, zone, None)
        message = f"{error.message}: days can be left out only of times that are known"
        raise ScheduleError(message, where=where, hint="Write `holidays: false`, and no freeze.") from None


def _resolved(
    spec: ScheduleSpec, plain: Schedule, days_off: DaysOff | None, now: datetime, where: str | None
) -> Resolved:
    zone = plain.timezone
    today = wall_time(now, zone).date()
    if spec.interval is not None:
        check_interval(spec.interval, spec.anchor_date, where=where)
    if spec.interval is not None and days_off is None:
        return Resolved(plain, zone, None)
    base, stored_zone, start_at = _as_recurrence(spec, zone, today, where)
    if spec.interval is None:
        check_walk(base, today, where=where)
    _check_runs(base, wall_time(now, stored_zone), where)
    if days_off is None:
        start = start_needed(base, today, alone=True)
        stored = _stored(plain, plain.rrule, base, start, today, start_at) if plain.rrule else plain
        stored = stored.model_copy(update={"note": _note(spec, None, None)})
        if plain.rrule and _room(stored.rrule or "") < 0:
            raise _too_long(stored.rrule or "", where)
        return Resolved(stored, zone, base, base=base)
    found = _without_days_off(plain, base, stored_zone, days_off, today, start_at, where)
    note = _note(spec, days_off, found.until)
    return replace(found, schedule=found.schedule.model_copy(update={"note": note}))


def _as_recurrence(
    spec: ScheduleSpec, zone: str, today: date, where: str | None
) -> tuple[Recurrence, str, Callable[[date], datetime]]:
    """Return the schedule as rrule lines, the time zone of their times, and a function giving our DTSTART for a day."""
    if spec.interval is not None:
        rule = interval_to_rrule(spec.interval, spec.anchor_date, zone, today=today, where=where)
        # runs of the last days of the old year may move into the new one
        since = rule.start_before(date(today.year, 1, 1) - LONGEST_BREAK)
        found = parse_recurrence(f"DTSTART:{stamp(since)}\n{rule.text}", where=where)
        return replace(found, text=rule.text), rule.zone, rule.start_at
    if spec.rrule is not None:
        found = parse_recurrence(spec.rrule, where=where)
    else:
        cron = cast("str", spec.cron)
        text = cron_to_rrule(cron, day_or=spec.day_or, where=where)
        try:
            found = parse_recurrence(text, where=where)
        except ScheduleError as error:
            error.message = f"cron {cron!r}: {error.message}"
            raise
    return found, zone, lambda day: start_of(found, day)


@lru_cache(maxsize=256)
def _ahead(base: Recurrence, now: datetime) -> tuple[datetime, ...]:
    """Return the next runs. Cached: many deployments share a rule, and each is resolved several times."""
    return tuple(base.following(now, _SAMPLE))


def _check_runs(base: Recurrence, now: datetime, where: str | None) -> None:
    try:
        ahead = _ahead(base, now)
    except (ValueError, IndexError, OverflowError) as error:
        raise ScheduleError(f"{base.text!r} cannot be evaluated: {error}", where=where) from None
    if not ahead:
        counted = any("COUNT" in rule.parts for rule in base.rules) and base.dtstart is None
        hint = (
            "COUNT counts from DTSTART, and without one from 2020-01-01; write a DTSTART line."
            if counted
            else "Check UNTIL, COUNT, DTSTART and what is excluded."
        )
        raise ScheduleError(f"{base.text!r} never fires after {now:%Y-%m-%d %H:%M}", where=where, hint=hint).allowed_as(
            "no_runs"
        )
    if base.is_fully_excluded(now):
        raise ScheduleError(
            f"of {base.text!r}, what has no end is left out again by its EXRULE: the server would look for its next run until "
            "the year 9999",
            where=where,
            hint="Remove that RRULE, or change the EXRULE.",
        ).allowed_as("slow")
    if minute := more_than_once_a_minute(ahead):
        hint = "One run a minute is the most; give the rules the same second, or different minutes."
        raise ScheduleError(
            f"{base.text!r} fires more than once at {minute:%Y-%m-%d %H:%M}", where=where, hint=hint
        ).allowed_as("under_a_minute")


def _stored(
    plain: Schedule,
    text: str,
    base: Recurrence,
    start: datetime | None,
    today: date,
    start_at: Callable[[date], datetime],
) -> Schedule:
    """Build the schedule with these lines. If we chose its start, a recent earlier start is kept when it is as good."""
    if start is None:
        return plain.model_copy(update={"rrule": text})
    # our rules omit the hour and minute of the start
    earlier = (one for one in earlier_starts(walk_per_day(base), start, today, start_at) if one.time() == start.time())
    alike = tuple(f"DTSTART:{stamp(one)}\n{text}" for one in earlier)
    return plain.model_copy(update={"rrule": f"DTSTART:{stamp(start)}\n{text}", "alike": alike})


def _without_days_off(
    plain: Schedule,
    base: Recurrence,
    stored_zone: str,
    days_off: DaysOff,
    today: date,
    start_at: Callable[[date], datetime],
    where: str | None,
) -> Resolved:
    for first, last in _windows(today, days_off):
        chosen = days_off.on_chosen_days(base, stored_zone, first, last) if days_off.selects_days else None
        left_out, kept = days_off.leave_out(base, stored_zone, first, last) if chosen is None else ([], chosen)
        if not any(first <= wall.date() <= last for wall in kept):
            _check_some_remain(base, stored_zone, days_off, first, last, where)
        added = days_off.moved_into(base, stored_zone, first, last)
        changed = bool(left_out or added or days_off.selects_days)
        start = start_at(today) if plain.interval else start_needed(base, today, alone=not changed)
        # matches before our start are past; including them keeps the lines unchanged when the start moves on
        frame = Frame(start or base.anchor, datetime.min if start else base.anchor, first)  # noqa: DTZ901 - wall-clock time
        text = _assemble(base, left_out, kept, added, frame) if chosen is None else _listed(base, chosen, frame)
        if text is not None:
            update = {"timezone": stored_zone, "cron": None, "interval": None, "anchor_date": None, "day_or": True}
            stored = _stored(plain.model_copy(update=update), text, base, start, today, start_at)
            recurrence = parse_recurrence(stored.rrule or "", where=where)
            return Resolved(stored, days_off.zone, recurrence, days_off, base, last)
    if plain.interval is None:
        raise _too_long(base.text, where)
    # an interval that drifts has other times on each day off; one that does not needs only a few rules
    others = "skip in place of a business day" if days_off.moves else "fewer holidays"
    raise _too_long(base.text, where, hint=f"Choose an interval that divides an hour or a day, or {others}.")


def _assemble(
    base: Recurrence,
    left_out: Sequence[LeftOut],
    kept: Sequence[datetime],
    added: Collection[datetime],
    frame: Frame,
) -> str | None:
    """Return the simplest lines that fit, before our DTSTART is added; None if none do."""
    excluded = {run.wall for run in left_out}
    for adding in adding_lines(added, frame):
        for excluding in excluding_lines(excluded, {*kept, *added}, frame):
            text = "\n".join([base.text, *adding, *excluding])
            if _room(text) >= 0:
                return text
    return None


def _listed(base: Recurrence, chosen: Collection[datetime], frame: Frame) -> str | None:
    """Return the simplest lines that fit and yield exactly the selected times; None if none do."""
    begin = [f"DTSTART:{stamp(base.dtstart)}"] if base.dtstart else []
    texts = ("\n".join([*begin, *lines]) for lines in adding_lines(chosen, frame))
    return next((text for text in texts if _room(text) >= 0), None)


def _room(text: str) -> int:
    """Return how many characters remain besides the DTSTART line that we or Prefect add."""
    return MAX_RRULE_LENGTH - len(text) - (0 if "DTSTART" in text.upper() else len(_INJECTED))


def _too_long(text: str, where: str | None, *, hint: str = "Write it as several schedules.") -> ScheduleError:
    message = f"the rrule {text[:60]!r}… does not fit into Prefect's {MAX_RRULE_LENGTH} characters"
    return ScheduleError(message, where=where, hint=hint)


def _windows(today: date, days_off: DaysOff) -> list[tuple[date, date]]:
    """Return the ranges of days to compute, from the desired to the minimum one. Whole months keep the text stable."""
    last = date(today.year + 1, 12, 31)
    if last - today < _SHORTEST_HORIZON:
        last = date(today.year + 2, 3, 1) - timedelta(days=1)
    furthest = date(today.year + _MAX_YEARS, 12, 31)
    wanted = max(
        [last, *(end for window in days_off.freeze for _, end in window.spans(today, furthest) if window.has_year)]
    )
    least = (today + _SHORTEST_HORIZON).replace(day=28) + timedelta(days=4)
    month_end = least.replace(day=1) - timedelta(days=1)
    this_month = today.replace(day=1)
    return [(today.replace(month=1, day=1), wanted), (this_month, wanted), (this_month, month_end)]


def _check_some_remain(
    base: Recurrence, stored_zone: str, days_off: DaysOff, first: date, last: date, where: str | None
) -> None:
    """Reject a schedule whose runs all fall on holidays for years: it would never run."""
    if days_off.selects_days:
        what = "business day" if days_off.business_days else "holiday"
        message = f"no run of {base.text!r} from {first} to {last} is on such a {what}"
        raise ScheduleError(message, where=where, hint="Let it run every day, at the times that are meant.")
    far = last.replace(year=last.year + _YEARS_TO_SEARCH, day=1)
    # a freeze in a given year does not recur
    for_ever = replace(days_off, freeze=[window for window in days_off.freeze if not window.has_year])
    left_out, _ = for_ever.leave_out(base, stored_zone, first, far)
    if not left_out or any(run.moved_to for run in left_out):
        return
    begin, end = datetime.combine(first, time.min), datetime.combine(far, time.max)
    if len(base.following(begin, len(left_out) + 1, until=end)) <= len(left_out):
        raise _never_runs(base, days_off, far, {run.reason for run in left_out}, where)


def _never_runs(
    base: Recurrence, days_off: DaysOff, until: date, reasons: set[str], where: str | None
) -> ScheduleError:
    """Build the error for a schedule whose runs all fall on days off, with a hint how to fix it."""
    kinds = {
        f"a holiday ({days_off.calendar.name if days_off.calendar else ''})": bool(reasons - {WEEKEND, FROZEN}),
        "a weekend": WEEKEND in reasons,
        "a frozen day": FROZEN in reasons,
    }
    on_holiday, on_weekend, is_frozen = kinds.values()
    keys = ["on_holiday"] * on_holiday + ["on_weekend"] * on_weekend
    if is_frozen or any(getattr(days_off, key) != "skip" for key in keys):
        hint = "Let it run on other days, or shorten the freeze."
    else:
        other = {"on_holiday": ", or holidays: false", "on_weekend": ", or leave it out"}
        alone = len(keys) == 1 and (on_weekend or days_off.on_weekend is None)
        hint = f"Set {' and '.join(keys)}: next_business_day{other[keys[0]] if alone else ''}."
    places = " or ".join(kind for kind, counts in kinds.items() if counts)
    return ScheduleError(f"every run of {base.text!r} until {until} falls on {places}", where=where, hint=hint)


def _note(spec: ScheduleSpec, days_off: DaysOff | None, last: date | None) -> str | None:
    """Return the plan's note about a schedule."""
    calendar = days_off.calendar if days_off else None
    notes = [_left_out(days_off, last) if days_off and last else "", calendar.remark if calendar else ""]
    notes += uneven_steps(spec.cron) if spec.cron else []
    if days_off and spec.interval is not None and spec.anchor_date is None:
        # Schedules are resolved before the server is read, so the live anchor is unknown here.
        notes.append("counts from a midnight, wherever a live interval counts from: `anchor_date` keeps that moment")
    return "; ".join(filter(None, notes)) or None


def _left_out(days_off: DaysOff, last: date) -> str:
    holidays = f"holidays of {days_off.calendar.name}" if days_off.calendar else ""
    frozen = "frozen days" if days_off.freeze else ""
    if days_off.selects_days:
        numbers = " and ".join(map(str, days_off.business_days))
        what = (
            f"on business day {numbers} of a month ({holidays or 'Monday to Friday'})" if numbers else f"on {holidays}"
        )
        return f"runs {what} only{f', {frozen} are left out,' if frozen else ''} until {last}"
    policies = {"weekends": days_off.on_weekend, holidays: days_off.on_holiday if holidays else None, frozen: "skip"}
    by_policy: dict[str, list[str]] = {}
    for what, policy in policies.items():
        if what and policy:
            by_policy.setdefault(policy, []).append(what)
    out = by_policy.pop("skip", [])
    said = [f"{' and '.join(moved)} are moved to the {policy.replace('_', ' ')}" for policy, moved in by_policy.items()]
    said += [f"{' and '.join(out)} are left out"] if out else []
    return f"{', '.join(said)}{',' if len(said) > 1 else ''} until {last}"


def _slugs(specs: Sequence[ScheduleSpec], where: str | None) -> list[str]:
    """Return a slug for each schedule: its own, or its kind, numbered if taken."""
    given = [spec.slug for spec in specs if spec.slug is not None]
    for slug in given:
        if given.count(slug) > 1:
            error = ScheduleError(f"two schedules have the slug {slug!r}", where=where, hint="Give each its own.")
            raise error.is_about("schedule", "slug", value=slug)
    taken = set(given)
    slugs: list[str] = []
    for spec in specs:
        slug = spec.slug or spec.kind
        number = 1
        while spec.slug is None and slug in taken:
            number += 1
            slug = f"{spec.kind}-{number}"
        taken.add(slug)
        slugs.append(slug)
    return slugs
