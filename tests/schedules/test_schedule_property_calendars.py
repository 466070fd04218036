"""Whatever kind of calendar names the days off, the runs are the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, note, seed
from hypothesis import strategies as st
from schedule_oracle import DAY, PlainDays, evaluated, expected_runs
from stored import stored_for
from test_schedule_property import EXAMPLES, ON_HOLIDAY, PROPERTY, SEED, ZONES

from meta_prefect.errors import ScheduleError
from meta_prefect.schedules import Calendar, PartDay

pytestmark = pytest.mark.timeout(400 + 3 * EXAMPLES)  # a failure is first made smaller, for five minutes at most

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
FIRST, LAST = date(2026, 10, 1), date(2028, 2, 28)
SCHEDULES: tuple[tuple[dict[str, str], str], ...] = (
    ({"rrule": "FREQ=WEEKLY;BYDAY=TH;BYHOUR=9"}, "FREQ=WEEKLY;BYDAY=TH;BYHOUR=9"),
    ({"rrule": "FREQ=DAILY;BYHOUR=0"}, "FREQ=DAILY;BYHOUR=0"),
    (
        {"rrule": "FREQ=MONTHLY;BYMONTHDAY=1,15,-1;BYHOUR=17;BYMINUTE=30"},
        "FREQ=MONTHLY;BYMONTHDAY=1,15,-1;BYHOUR=17;BYMINUTE=30",
    ),
    ({"rrule": "FREQ=HOURLY;INTERVAL=6"}, "FREQ=HOURLY;INTERVAL=6"),
    ({"cron": "0 9 * * 4"}, "FREQ=WEEKLY;BYDAY=TH;BYHOUR=9"),
    ({"cron": "30 6,18 * * 1-5"}, "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=6,18;BYMINUTE=30"),
    ({"cron": "0 12 1 * *"}, "FREQ=MONTHLY;BYMONTHDAY=1;BYHOUR=12"),
)
"""What a user writes, and the rule that means it."""
Days = frozenset[date]
Early = Mapping[date, time]
NONE: Early = {}


class Dates(Calendar):
    """A calendar of the user's own, as its author may have written it.

    Args:
        days: Its days.
        early: Further days, and from when on they are off.
        moments: Whether it gives datetimes.
    """

    def __init__(self, days: Days, early: Early, *, moments: bool) -> None:
        def written(day: date) -> date:
            return datetime.combine(day, time(13)) if moments else day

        self._days = {written(day): "closed" for day in days}
        self._early = {written(day): PartDay(closes, "closes early") for day, closes in early.items()}

    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:  # noqa: ARG002
        """Every day, whatever is asked for."""
        return self._days

    def part_days(self, years: Iterable[int]) -> Mapping[date, PartDay]:  # noqa: ARG002
        """Every one of these."""
        return self._early


def as_ics(days: Days, folder: Path, file: str = "off.ics") -> str:
    """The days as an .ics file: a row of days is one event, a single one is an added, moved or plain occurrence."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"]
    for number, row in enumerate(_rows(sorted(days))):
        begin, end = (f"{day:%Y%m%d}" for day in (row[0], row[-1] + DAY))
        lines += ["BEGIN:VEVENT", f"UID:{number}", f"SUMMARY:off {number}"]
        if len(row) > 1:
            lines += [f"DTSTART;VALUE=DATE:{begin}", f"DTEND;VALUE=DATE:{end}"]
        elif number % 2:
            # a series whose other occurrence is excepted
            lines += [f"DTSTART;VALUE=DATE:{begin}", "RRULE:FREQ=DAILY;COUNT=2", f"EXDATE;VALUE=DATE:{end}"]
        else:
            long_ago = "20200101"
            lines += [f"DTSTART;VALUE=DATE:{long_ago}", f"RDATE;VALUE=DATE:{begin}"]
        lines.append("END:VEVENT")
    lines += ["BEGIN:VEVENT", "UID:off", "SUMMARY:called off", "STATUS:CANCELLED", "DTSTART;VALUE=DATE:20261203"]
    lines += ["DTEND;VALUE=DATE:20261224", "END:VEVENT", "END:VCALENDAR", ""]
    (folder / file).write_text("\r\n".join(lines))
    return file


def _rows(days: Sequence[date]) -> list[list[date]]:
    rows: list[list[date]] = []
    for day in days:
        if rows and day - rows[-1][-1] == DAY:
            rows[-1].append(day)
        else:
            rows.append([day])
    return rows


@dataclass(frozen=True)
class Series:
    """An event of a calendar that recurs, with some occurrences called off and one moved.

    Attributes:
        start: Its first day.
        length: How many days it takes.
        rule: How it recurs.
        excepted: Which occurrences are excepted, counted from 0.
        cancelled: Which one is cancelled by an event of its own.
        moved: Which one is on another day, and by how many days.
    """

    start: date
    length: int
    rule: str
    excepted: frozenset[int]
    cancelled: int
    moved: tuple[int, int]

    @property
    def starts(self) -> list[date]:
        """Its occurrences by plain expansion, up to the last day that counts."""
        begin = datetime.combine(self.start, time())
        return [one.date() for one in rrulestr(self.rule, dtstart=begin).between(begin, _END, inc=True)]

    def from_its_first(self) -> Series:
        """It with a first day that follows its rule: what one that does not means is undefined (RFC 5545, 3.8.5.3)."""
        return replace(self, start=self.starts[0])

    @property
    def days(self) -> set[date]:
        """The days on which it lies."""
        away = {*self.excepted, self.cancelled}
        which, by = self.moved
        begins = {day for number, day in enumerate(self.starts) if number not in away and number != which}
        begins |= {self.starts[which] + by * DAY} if which < len(self.starts) and which not in away else set()
        return {day + more * DAY for day in begins for more in range(self.length)}

    def lines(self, uid: str) -> Iterator[str]:
        """It as events of an .ics file."""
        away = [day for number, day in enumerate(self.starts) if number in self.excepted]
        more = [f"RRULE:{self.rule}", *(f"EXDATE;VALUE=DATE:{day:%Y%m%d}" for day in away)]
        yield from self._event(uid, self.start, more)
        which, by = self.moved
        changed = [(self.cancelled, 0, ["STATUS:CANCELLED"]), (which, by, list[str]())]
        for number, days, extra in changed:
            if number < len(self.starts) and number not in self.excepted and (extra or number != self.cancelled):
                day = self.starts[number]
                yield from self._event(uid, day + days * DAY, [f"RECURRENCE-ID;VALUE=DATE:{day:%Y%m%d}", *extra])

    def _event(self, uid: str, day: date, more: Iterable[str]) -> Iterator[str]:
        yield from ("BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:series {uid}", f"DTSTART;VALUE=DATE:{day:%Y%m%d}")
        yield from (f"DTEND;VALUE=DATE:{day + self.length * DAY:%Y%m%d}", *more, "END:VEVENT")


_END = datetime.combine(LAST, time())
SERIES = st.builds(
    Series,
    st.integers(0, 700).map(lambda days: date(2025, 1, 1) + days * DAY),
    st.integers(1, 3),
    st.sampled_from(
        (
            "FREQ=YEARLY",
            "FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO",
            "FREQ=MONTHLY;INTERVAL=3",
            "FREQ=MONTHLY;BYDAY=2TU;COUNT=9",
            "FREQ=WEEKLY;INTERVAL=5",
            "FREQ=WEEKLY;BYDAY=WE,FR;UNTIL=20270630",
        )
    ),
    st.frozensets(st.integers(1, 12), max_size=3),
    st.integers(1, 12),
    st.tuples(st.integers(1, 12), st.integers(-2, 2)),
).map(Series.from_its_first)


def as_file(series: Sequence[Series], folder: Path) -> str:
    """Recurring events as an .ics file."""
    events = [line for number, one in enumerate(series) for line in one.lines(str(number))]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *events, "END:VCALENDAR", ""]
    (folder / "series.ics").write_text("\r\n".join(lines))
    return "series.ics"


KINDS = ("listed", "ics", "python", "python-moments", "joined", "excepted", "ics-excepted")


def written_with(early: Early, kind: str, days: Days, folder: Path) -> Any:
    """The same days off, of which some are off from a time on only, in one of the ways in which they can be written."""
    if kind.startswith("python"):
        return Dates(days, early, moments=kind.endswith("moments"))
    calendar = written_as(kind, days, folder)
    if not early:
        return calendar
    closing: list[Any] = []
    for closes in sorted(set(early.values())):
        those = frozenset(day for day, at in early.items() if at == closes)
        if "ics" in kind:
            listed: dict[str, Any] = {"ics": as_ics(those, folder, f"{closes:%H%M}.ics")}
        else:
            listed = {"extra_dates": sorted(those)}
        closing.append({**listed, "closes": f"{closes:%H:%M}"})
    return [*(calendar if isinstance(calendar, list) else [calendar]), *closing]


def written_as(kind: str, days: Days, folder: Path) -> Any:
    """The same days off, in one of the ways in which they can be written."""
    several = sorted(days)
    half = len(several) // 2
    others = frozenset({LAST - offset * DAY for offset in range(40)} - days)
    match kind:
        case "listed":
            return {"extra_dates": [day.isoformat() for day in several] or ["2020-01-01"]}
        case "ics":
            return as_ics(days, folder)
        case "joined":
            rest = {"extra_dates": [day.isoformat() for day in several[half:]] or ["2020-01-01"]}
            return [as_ics(frozenset(several[:half]), folder), rest]
        case "excepted":
            return {"extra_dates": [*several, *others], "excepted_dates": sorted(others)}
        case _:
            return {"ics": as_ics(days | others, folder), "excepted_dates": sorted(others)}


@st.composite
def some_days(draw: st.DrawFn) -> Days:
    """Single days off and rows of them."""
    offsets = draw(st.sets(st.integers(0, (LAST - FIRST).days), max_size=25))
    long_breaks = draw(st.sets(st.integers(0, (LAST - FIRST).days - 12), max_size=3))
    rows = {start + day for start in long_breaks for day in range(9)}
    return frozenset(FIRST + timedelta(days=offset) for offset in offsets | rows)


CLOSING = st.sampled_from((time(6), time(12), time(17, 30), time(18)))


@st.composite
def some_early_days(draw: st.DrawFn) -> Early:
    """Days that are off from a time on, often those that are whole days off as well, or weekends."""
    offsets = draw(st.sets(st.integers(0, (LAST - FIRST).days), max_size=12))
    long_breaks = draw(st.sets(st.integers(0, (LAST - FIRST).days - 5), max_size=2))
    days = offsets | {start + day for start in long_breaks for day in range(5)}
    return {FIRST + timedelta(days=offset): draw(CLOSING) for offset in sorted(days)}


SCHEDULED = st.sampled_from(SCHEDULES)
ON_WEEKEND = st.sampled_from((None, None, "next_business_day", "previous_business_day"))


def check(schedule: tuple[dict[str, str], str], days: PlainDays, calendar: Any, folder: str, **asked: Any) -> None:
    """What Prefect evaluates of what is stored equals the plain expansion, days off left out or moved."""
    written, rule = schedule
    in_code = isinstance(calendar, Calendar)
    wanted = {**written, **{key: value for key, value in asked.items() if value is not None}}
    if not in_code:
        wanted["holidays"] = calendar
    try:
        (stored,) = stored_for(wanted, default_calendar=calendar if in_code else None, now=NOW, base_dir=Path(folder))
    except ScheduleError as refused:
        # so many moves at so many times have no room in a rule
        assume("does not fit" in refused.message)
        return
    zone = asked["timezone"]
    policies = {key: asked[key] for key in ("on_holiday", "on_weekend")}
    end = datetime(2027, 12, 30, tzinfo=UTC)
    assert stored.rrule is not None
    assert evaluated(stored.rrule, zone, NOW, end) == expected_runs(rule, zone, days, NOW, end, **policies)


@seed(SEED)
@PROPERTY
@given(
    days=some_days(),
    early=st.just(NONE) | some_early_days(),
    kind=st.sampled_from(KINDS),
    schedule=SCHEDULED,
    zone=st.sampled_from(ZONES),
    on_holiday=st.sampled_from(ON_HOLIDAY),
    on_weekend=ON_WEEKEND,
)
def test_every_kind_of_calendar_leaves_out_and_moves_the_same_runs(
    days: Days,
    early: Early,
    kind: str,
    schedule: tuple[dict[str, str], str],
    zone: str,
    on_holiday: str,
    on_weekend: str | None,
) -> None:
    """A list, a file, a class, several joined, some excepted, some closing early: Prefect evaluates the plain expansion."""
    note(f"seed {SEED}")
    with tempfile.TemporaryDirectory() as folder:
        calendar = written_with(early, kind, days, Path(folder))
        off = PlainDays(days, early)
        check(schedule, off, calendar, folder, timezone=zone, on_holiday=on_holiday, on_weekend=on_weekend)


@seed(SEED)
@PROPERTY
@given(
    series=st.lists(SERIES, min_size=1, max_size=4),
    schedule=SCHEDULED,
    zone=st.sampled_from(ZONES),
    on_holiday=st.sampled_from(ON_HOLIDAY),
    on_weekend=ON_WEEKEND,
)
def test_a_file_of_recurring_events_has_the_days_of_their_plain_expansion(
    series: list[Series], schedule: tuple[dict[str, str], str], zone: str, on_holiday: str, on_weekend: str | None
) -> None:
    """Recurrences, exceptions, cancelled and moved occurrences of an .ics file count as dateutil expands them."""
    note(f"seed {SEED}")
    days = frozenset(day for one in series for day in one.days)
    with tempfile.TemporaryDirectory() as folder:
        calendar = as_file(series, Path(folder))
        check(schedule, PlainDays(days), calendar, folder, timezone=zone, on_holiday=on_holiday, on_weekend=on_weekend)
