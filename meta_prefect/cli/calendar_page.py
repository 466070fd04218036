"""Renders a year of a schedule as a calendar that shows on which days it runs."""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from rich.table import Table
from rich.text import Text

from meta_prefect.schedules.preview import Preview

_MONTHS_A_ROW = 3
_STYLES = {"*": "bold green", "-": "red", "+": "bold yellow", " ": "dim"}


@dataclass(frozen=True, slots=True)
class Days:
    """What happens on each day of a year.

    Attributes:
        runs: The number of runs per day.
        left_out: The days with skipped runs, and the reasons.
        moved: The days to which runs of other days were moved.
    """

    runs: Counter[date]
    left_out: dict[date, str]
    moved: frozenset[date]

    def mark(self, day: date) -> str:
        """``*`` for runs, ``+`` if some were moved here, ``-`` for skipped runs, or blank."""
        if self.runs[day]:
            return "+" if day in self.moved else "*"
        return "-" if day in self.left_out else " "


def days_of(preview: Preview) -> Days:
    """Aggregate a preview by day."""
    left_out: dict[date, str] = {}
    for run in preview.skipped:
        left_out.setdefault(run.at.date(), run.reason)
    return Days(
        Counter(run.date() for run in preview.fires),
        left_out,
        frozenset(run.moved_to.date() for run in preview.skipped if run.moved_to is not None and not run.joins),
    )


def page(days: Days, year: int) -> Table:
    """Return the twelve months, three per row, with weeks starting on Monday."""
    grid = Table.grid(padding=(0, 3))
    months = [_month(days, year, month) for month in range(1, 13)]
    for first in range(0, len(months), _MONTHS_A_ROW):
        grid.add_row(*months[first : first + _MONTHS_A_ROW])
    return grid


def legend(days: Days, year: int) -> Iterator[str]:
    """Explain the marks, and list each day with skipped runs and the reason."""
    total, running = sum(days.runs.values()), sum(1 for count in days.runs.values() if count)
    yield f"{year}: {_counted(total, 'run')} on {_counted(running, 'day')} (*)"
    if days.moved:
        yield f"+ {_counted(len(days.moved), 'day')} to which runs move"
    gone = {day: reason for day, reason in days.left_out.items() if days.mark(day) == "-"}
    partly = {day: reason for day, reason in days.left_out.items() if day not in gone}
    if gone:
        yield f"- {_counted(len(gone), 'day')} left out:"
        yield from (f"    {day:%a %Y-%m-%d} {reason}" for day, reason in gone.items())
    if partly:
        yield f"{_counted(len(partly), 'day')} with some runs left out:"
        yield from (f"    {day:%a %Y-%m-%d} {reason}" for day, reason in partly.items())


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _month(days: Days, year: int, month: int) -> Text:
    text = Text(f"{calendar.month_name[month]:^21}\n", style="bold", no_wrap=True)
    text.append("Mo Tu We Th Fr Sa Su \n", style="dim not bold")
    for week in calendar.Calendar().monthdayscalendar(year, month):
        for number in week:
            mark = days.mark(date(year, month, number)) if number else " "
            text.append(f"{number or '':>2}{mark}", style=f"not bold {_STYLES[mark]}")
        text.append("\n")
    return text
