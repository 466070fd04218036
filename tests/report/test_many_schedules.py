"""Plans of many schedules: each in words and on one line, never as a wall of dates."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from meta_prefect.cli.console import folded
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record
from meta_prefect.plan.changes import Change, Create, Plan, Subject, Update
from meta_prefect.report.plan_json import change_document, document
from meta_prefect.report.plan_text import field_lines, lines

DATES = "\nEXDATE:20261225T{hour:02}0000,20270101T{hour:02}0000"
WORKER = Update(Subject("worker", "p@host"), (FieldChange("status", "offline", "online"),), {}, {})


def rule(hour: int, days: str = "MO,TU,WE,TH,FR") -> str:
    return f"FREQ=DAILY;BYDAY={days};BYHOUR={hour};BYMINUTE=0{DATES.format(hour=hour)}"


def slug(hour: int) -> str:
    return f"weekdays-{hour:02}00-europe-berlin-without-holidays-of-de"


def text(name: str, hour: int) -> str:
    return f"{name}.\n\nSchedule: weekdays {hour:02}:00 Europe/Berlin without holidays of DE"


def moved(name: str, before: int, after: int) -> Update:
    """A deployment whose schedule, named by what it says, is at another hour."""
    fields = (
        FieldChange(f"schedules.{slug(after)}.slug", slug(before), slug(after)),
        FieldChange("description", text(name, before), text(name, after)),
        FieldChange(f"schedules.{slug(after)}.rrule", rule(before), rule(after)),
    )
    return Update(Subject("deployment", name), fields, {"schedules": {}}, {"schedules": {}})


def new(name: str, hour: int) -> Create:
    fields = (
        FieldChange("entrypoint", ABSENT, f"flows.py:{name[0]}"),
        FieldChange("description", ABSENT, text(name, hour)),
        FieldChange(f"schedules.{slug(hour)}.rrule", ABSENT, rule(hour)),
    )
    return Create(Subject("deployment", name), fields, {})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            [moved(f"{letter}/x", hour, hour + 12) for hour, letter in enumerate("abcd", 8)],
            [
                "~ 4 deployments",
                "    description: says the new schedule too",
                "~ schedule of 4 deployments: weekdays … without 2 dates",
                "    08:00 → 20:00 for a/x",
                "    09:00 → 21:00 for b/x",
                "    10:00 → 22:00 for c/x",
                "    11:00 → 23:00 for d/x",
            ],
            id="each at another hour",
        ),
        pytest.param(
            [moved("a/x", 3, 5)],
            [
                "~ deployment a/x",
                "    description: says the new schedule too",
                "    schedule: weekdays 03:00 without 2 dates → weekdays 05:00 without 2 dates",
            ],
            id="one of them",
        ),
        pytest.param(
            [new(f"{letter}/x", hour) for hour, letter in enumerate("abcd", 8)],
            [
                "+ entrypoint, description, schedule of 4 deployments",
                *(
                    f'    {letter}/x: "flows.py:{letter}", "{letter}/x." and the schedule, '
                    f"weekdays {hour:02}:00 without 2 dates"
                    for hour, letter in enumerate("abcd", 8)
                ),
            ],
            id="new ones",
        ),
        pytest.param([WORKER], ["+ worker p@host: starts with the deploy"], id="a worker that does not run yet"),
    ],
)
def test_a_plan_of_schedules(changes: Sequence[Change], expected: list[str]) -> None:
    """One line for each deployment; what all of them say stands above."""
    assert list(lines(document(Plan(deployments=tuple(changes))))) == expected


A, B = {"timezone": "UTC", "rrule": rule(9)}, {"timezone": "UTC", "cron": "0 9 * * *"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            {"schedules.daily.rrule": (rule(9), rule(9, "SA,SU")), "schedules.daily.slug": ("early", "daily")},
            [
                "schedule: weekdays 09:00 without 2 dates → weekends 09:00 without 2 dates",
                'schedule.slug: "early" → "daily"',
            ],
            id="a slug that somebody chose is said",
        ),
        pytest.param(
            {"schedules.a.cron": ("0 9 * * *", "0 10 * * *"), "schedules.b.x.parameters.day": (1, 2)},
            ['schedule a.cron: "0 9 * * *" → "0 10 * * *"', "schedule b.x.parameters.day: 1 → 2"],
            id="of several schedules each is named",
        ),
        pytest.param(
            {"schedules.a": (A, ABSENT), "schedules.b": (ABSENT, B)},
            [
                "schedule a: weekdays 09:00 without 2 dates (UTC) → (none)",
                'schedule b: (none) → {"timezone": "UTC", "cron": "0 9 * * *"}',
            ],
            id="one goes, one comes",
        ),
        pytest.param(
            {"schedules.a.rrule": (rule(9), rule(9).replace("20270101", "20270106"))},
            [
                "schedule: weekdays 09:00 without 2 dates until 2027-01-01 → weekdays 09:00 without 2 dates until 2027-01-06"
            ],
            id="other dates",
        ),
        pytest.param(
            {"schedules.a.rrule": (rule(9), rule(9).replace("20261225", "20261224"))},
            ['schedule.rrule: "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0'],
            id="dates that no words tell apart",
        ),
        pytest.param(
            {"schedules.a.rrule": ("FREQ=YEARLY;BYMONTH=1", "FREQ=YEARLY;BYMONTH=2")},
            ["schedule: FREQ=YEARLY;BYMONTH=1 → FREQ=YEARLY;BYMONTH=2"],
            id="no words for it",
        ),
        pytest.param(
            {"schedules.a.rrule": (rule(9), rule(8)), "description": (text("Old", 9), text("New", 8))},
            ["schedule: ", 'description: "Old.'],
            id="a description that differs in more",
        ),
    ],
)
def test_fields_of_schedules(fields: dict[str, tuple[object, object]], expected: list[str]) -> None:
    """What somebody chose is named; what only follows from the rule is not said twice."""
    no_schedules: Record = {"schedules": {}}
    changes = tuple(FieldChange(path, *values) for path, values in fields.items())
    told = field_lines(change_document(Update(Subject("deployment", "a/x"), changes, no_schedules, no_schedules)))
    for line, beginning in zip(map(str, told), expected, strict=True):
        assert line.startswith(beginning), line


def test_lines_are_folded_between_words() -> None:
    """On a terminal a long line goes on below, indented; what is to be typed stays in one piece."""
    assert folded("    short", 20) == ["    short"]
    assert folded("    a, bb, ccc, dddd, eeeee", 20) == ["    a, bb, ccc,", "        dddd, eeeee"]
    assert folded("run `prefect worker start -p x` now", 20) == ["run", "    `prefect worker start -p x`", "    now"]
    assert folded("x" * 100, None) == ["x" * 100]
