"""Whatever kind of calendar names the days off, the runs are the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, note, seed
from hypothesis import strategies as st
from schedule_oracle import DAY, PlainDays, evaluated, expected_runs
from stored import stored_for
from test_schedule_property import ON_HOLIDAY, PROPERTY, SEED, ZONES

from meta_prefect.schedules import Calendar

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
FIRST, LAST = date(2026, 10, 1), date(2028, 2, 28)
RULES = (
    "FREQ=WEEKLY;BYDAY=TH;BYHOUR=9",
    "FREQ=DAILY;BYHOUR=0",
    "FREQ=MONTHLY;BYMONTHDAY=1,15,-1;BYHOUR=17;BYMINUTE=30",
    "FREQ=HOURLY;INTERVAL=6",
)
Days = frozenset[date]


class Dates(Calendar):
    """A calendar of the user's own, as its author may have written it.

    Args:
        days: Its days.
        moments: Whether it gives datetimes.
    """

    def __init__(self, days: Days, *, moments: bool) -> None:
        self._days = {datetime.combine(day, time(13)) if moments else day: "closed" for day in days}

    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:  # noqa: ARG002
        """Every day, whatever is asked for."""
        return self._days


def as_ics(days: Days, folder: Path) -> str:
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
    (folder / "off.ics").write_text("\r\n".join(lines))
    return "off.ics"


def _rows(days: Sequence[date]) -> list[list[date]]:
    rows: list[list[date]] = []
    for day in days:
        if rows and day - rows[-1][-1] == DAY:
            rows[-1].append(day)
        else:
            rows.append([day])
    return rows


KINDS = ("listed", "ics", "python", "python-moments", "joined", "excepted", "ics-excepted")


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
        case "python" | "python-moments":
            return Dates(days, moments=kind.endswith("moments"))
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


@seed(SEED)
@PROPERTY
@given(
    days=some_days(),
    kind=st.sampled_from(KINDS),
    rule=st.sampled_from(RULES),
    zone=st.sampled_from(ZONES),
    on_holiday=st.sampled_from(ON_HOLIDAY),
)
def test_every_kind_of_calendar_leaves_out_and_moves_the_same_runs(
    days: Days, kind: str, rule: str, zone: str, on_holiday: str
) -> None:
    """A list, a file, a class, several joined and some excepted: what Prefect evaluates equals the plain expansion."""
    note(f"seed {SEED}")
    with tempfile.TemporaryDirectory() as folder:
        calendar = written_as(kind, days, Path(folder))
        in_code = isinstance(calendar, Calendar)
        wanted = {"rrule": rule, "timezone": zone, "on_holiday": on_holiday} | (
            {} if in_code else {"holidays": calendar}
        )
        (stored,) = stored_for(wanted, default_calendar=calendar if in_code else None, now=NOW, base_dir=Path(folder))

    assert stored.rrule is not None
    end = datetime(2027, 12, 30, tzinfo=UTC)
    expected = expected_runs(rule, zone, PlainDays(days), NOW, end, on_holiday=on_holiday)
    assert evaluated(stored.rrule, zone, NOW, end) == expected
