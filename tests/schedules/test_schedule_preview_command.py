"""`meta-prefect schedule preview` shows what a schedule does, for people and for programs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meta_prefect.cli import main

AT = ("--at", "2026-11-24T12:00:00")
NINE = ("--rrule", "FREQ=DAILY;BYHOUR=9", "--timezone", "America/New_York", "--holidays", "US")
FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables:
            name: report
            schedules:
              - {cron: "0 9 * * 1-5", timezone: America/New_York}
              - {interval: every 6 hours, holidays: false, slug: often, active: true}
        - recipe: local_run_deployer
          variables: {name: by-hand}
"""
FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def report() -> None: ...
"""
Preview = Callable[..., tuple[int, str, str]]


@pytest.fixture
def preview(capsys: pytest.CaptureFixture[str]) -> Preview:
    """Run the command in this process: its exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["schedule", "preview", *arguments])
        code = ended.value.code
        assert isinstance(code, int)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_it_prints_runs_and_left_out_runs_in_both_times(
    run_cli: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Each line has the time in the schedule's zone and the local one; a holiday stands where its run would."""
    done = run_cli("schedule", "preview", *NINE, *AT, "-n", "3", env={"TZ": "Asia/Tokyo"})

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "times in America/New_York, and then in local time; holidays of US are left out until 2027-12-31",
        "stored as an rrule of 458 characters, of 6,500 that Prefect takes",
        "  Tue 2026-11-24 09:00 EST   Tue 23:00 JST",
        "  Wed 2026-11-25 09:00 EST   Wed 23:00 JST",
        "- Thu 2026-11-26 09:00 EST   Thu 23:00 JST   Thanksgiving Day",
        "  Fri 2026-11-27 09:00 EST   Fri 23:00 JST",
    ]


def test_a_moved_run_names_both_days(preview: Preview) -> None:
    """The line of the holiday says when it runs instead, and the line of that run where it comes from."""
    thursdays = ("--rrule", "FREQ=WEEKLY;BYDAY=TH;BYHOUR=9", "--holidays", "US", "--on-holiday", "next_business_day")
    _, printed, _ = preview(*thursdays, *AT, "-n", "1")

    assert "Thanksgiving Day: runs Fri 2026-11-27 09:00 UTC instead" in printed
    assert "Fri 2026-11-27 09:00 UTC" in printed.splitlines()[-1]
    assert "instead of Thu 2026-11-26 09:00 UTC" in printed.splitlines()[-1]


def test_moved_runs_are_told_as_they_come(preview: Preview) -> None:
    """Two holidays whose runs move to one moment stand on its line; a run that is there anyway is joined."""
    on_monday = ("--on-holiday", "next_business_day", "--at", "2026-12-24T12:00:00", "-n", "2")
    _, moved, _ = preview("--cron", "0 9 * * 4,5,6", "--holidays", "DE", *on_monday)
    _, joined, _ = preview("--cron", "0 9 * * *", "--holidays", "DE", *on_monday)

    assert moved.splitlines()[2:5] == [
        "- Fri 2026-12-25 09:00 UTC   Christmas Day: runs Mon 2026-12-28 09:00 UTC instead",
        "- Sat 2026-12-26 09:00 UTC   Second Day of Christmas: runs Mon 2026-12-28 09:00 UTC instead",
        "  Mon 2026-12-28 09:00 UTC   instead of Fri 2026-12-25 09:00 UTC and Sat 2026-12-26 09:00 UTC",
    ]
    assert "- Fri 2026-12-25 09:00 UTC   Christmas Day: joins the run of Mon 2026-12-28 09:00 UTC" in joined
    assert "instead of" not in joined


def test_a_long_freeze_is_told_in_three_lines(preview: Preview) -> None:
    """What is left out many times in a row for one reason is told by its first and last run, and how many lie between."""
    frozen = ("--freeze", "2026-12-20 to 2027-01-03", "--at", "2026-12-19T12:00:00", "-n", "1")
    _, printed, _ = preview("--cron", "0 9 * * *", *frozen)

    assert printed.splitlines()[2:] == [
        "- Sun 2026-12-20 09:00 UTC   freeze",
        "- … 13 more   freeze",
        "- Sun 2027-01-03 09:00 UTC   freeze",
        "  Mon 2027-01-04 09:00 UTC",
    ]


def test_a_schedule_that_ends_says_so(preview: Preview) -> None:
    """Three runs are counted, five are asked for: after the third it says that there is no further one."""
    counted = ("--rrule", r"DTSTART:20261201T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=3")
    _, printed, _ = preview(*counted, *AT, "-n", "5")
    _, enough, _ = preview(*counted, *AT, "-n", "3")

    assert printed.splitlines()[-2:] == ["  Mon 2026-12-21 09:00 UTC", "  no further run"]
    assert enough.splitlines()[-1] == "  Mon 2026-12-21 09:00 UTC"


def test_a_frequent_schedule_names_the_next_run_that_is_left_out(preview: Preview) -> None:
    """Where the runs shown reach no holiday, the next one is told all the same."""
    _, printed, _ = preview("--cron", "*/15 8-18 * * MON-FRI", "--holidays", "US", *AT, "-n", "2")

    assert printed.splitlines()[-1] == "next left out: Thu 2026-11-26 08:00 UTC, Thanksgiving Day"


def test_a_year_is_a_calendar_page(preview: Preview) -> None:
    """Each day is marked with a run or a holiday, the marks are explained and the holidays listed."""
    _, printed, _ = preview(*NINE, *AT, "--year", "2027")
    january = [line[:21] for line in printed.splitlines()[2:9]]

    assert january == [
        "       January       ",
        "Mo Tu We Th Fr Sa Su ",
        "             1- 2* 3*",
        " 4* 5* 6* 7* 8* 9*10*",
        "11*12*13*14*15*16*17*",
        "18-19*20*21*22*23*24*",
        "25*26*27*28*29*30*31*",
    ]
    assert "2027: 350 runs on 350 days (*)" in printed
    assert "- 15 days left out:" in printed
    assert "    Thu 2027-11-25 Thanksgiving Day" in printed


def test_a_crowded_year_is_not_cut_short(preview: Preview) -> None:
    """A run every fifteen minutes is on every day of the page."""
    _, printed, said = preview("--cron", "*/15 * * * *", *AT, "--year", "2027")

    assert "2027: 35,040 runs on 365 days (*)" in printed
    assert said == ""


def test_json_holds_what_is_stored_and_what_it_does(preview: Preview) -> None:
    """Programs get the stored form, the runs with their offsets, and the runs left out with their reasons."""
    _, printed, _ = preview(*NINE, *AT, "-n", "3", "--output", "json")
    ((found),) = json.loads(printed)

    assert found["stored"]["rrule"].startswith("FREQ=DAILY;BYHOUR=9\nEXDATE:20260101T090000,")
    assert [run["at"] for run in found["fires"]] == [f"2026-11-{day}T09:00:00-05:00" for day in (24, 25, 27)]
    assert [(run["at"][:10], run["reason"]) for run in found["skipped"]] == [("2026-11-26", "Thanksgiving Day")]
    assert (found["until"], found["deployment"]) == ("2027-12-31", None)


def test_clock_changes_are_told(preview: Preview) -> None:
    """What the clocks do to a run is a note."""
    _, _, said = preview("--rrule", "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "--timezone", "Europe/Berlin", *AT)

    assert "note: 2027-03-28: the clocks in Europe/Berlin skip 02:00 to 03:00; the run at 02:30 starts at 01:30" in said


@pytest.mark.parametrize(("env", "state"), [("dev", "inactive in dev: it creates no runs"), ("prod", "active")])
def test_the_schedules_of_a_project_are_those_that_a_deploy_stores(
    preview: Preview, project: Callable[..., Path], unique: str, env: str, state: str
) -> None:
    """Each schedule of each deployment is shown, with the recipe's holidays and whether it is active in the environment."""
    root = project(**{"meta_prefect.yaml": FILE, "report.py": FLOW})
    code, printed, said = preview(str(root), "--env", env, *AT, "-n", "3")
    first, second = printed.split("\n\n")

    assert code == 0
    assert f"{unique}/report-{env}, schedule 'cron' ({state})" in first
    assert "- Thu 2026-11-26 09:00 EST" in first
    assert f"{unique}/report-{env}, schedule 'often' (active)" in second
    assert "the interval has no anchor: it counts from the moment of the deploy" in said
    assert f"{unique}/by-hand-{env} has no schedule" in said


CALENDAR = """
    from datetime import date

    from meta_prefect.implementations.schedule import Calendar

    class Closed(Calendar):
        def holidays(self, years):
            return {date(2026, 11, 25): "Stocktaking"}
"""


def test_a_calendar_of_the_project_counts(preview: Preview, project: Callable[..., Path], unique: str) -> None:
    """A class in the project's own module is imported from the project, wherever the command is given."""
    with_class = FILE.replace("{cron:", f'{{holidays: {{python: "days_{unique}:Closed"}}, cron:')
    root = project(**{"meta_prefect.yaml": with_class, "report.py": FLOW, f"days_{unique}.py": CALENDAR})
    code, printed, _ = preview(str(root), *AT, "-n", "2")

    assert code == 0
    assert "- Wed 2026-11-25 09:00 EST" in printed
    assert "Stocktaking" in printed


def test_one_deployment_may_be_named(preview: Preview, project: Callable[..., Path], unique: str) -> None:
    """A name selects a deployment, and a wrong one is told the nearest."""
    root = str(project(**{"meta_prefect.yaml": FILE, "report.py": FLOW}))
    _, printed, _ = preview(root, f"{unique}/report-dev", "--output", "json", *AT)
    found: list[dict[str, Any]] = json.loads(printed)
    code, _, said = preview(root, f"{unique}/report")

    assert {one["deployment"] for one in found} == {f"{unique}/report-dev"}
    assert [one["schedule"] for one in found] == ["cron", "often"]
    assert (code, f"Did you mean '{unique}/report-dev'?" in said) == (1, True)


def test_a_wrong_schedule_of_a_project_is_found_through_its_entry(
    preview: Preview, project: Callable[..., Path], unique: str
) -> None:
    """The error says in which entry of the file, and which of its schedules, something is wrong."""
    root = project(**{"meta_prefect.yaml": FILE.replace("every 6 hours", "every 20 seconds"), "report.py": FLOW})
    code, printed, said = preview(str(root))

    assert (code, printed) == (1, "")
    place = f"meta_prefect.yaml:9:14: deployments.{unique}[0].variables.schedules[1].interval"
    assert f"{place}: schedule 'often': an interval of 20 s hurts" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cron", "61 * * * *"), "minute 61 is not within 0 to 59"),
        (("--cron", "@daily", "--holidays", "Frankreich"), "Did you mean 'France'?"),
        (("--cron", "@daily", "--rrule", "FREQ=DAILY"), "rrule and cron exclude each other"),
        (("--timezone", "US/Pacific"), "exactly one of rrule, cron and interval"),
        (("etl", "--cron", "@daily"), "etl and --cron exclude each other"),
        (("--cron", "@daily", "--year", "2025", *AT), "2025 is over"),
        (("--rrule", "FREQ=SECONDLY"), "hurts the Prefect server"),
    ],
)
def test_what_cannot_be_shown_is_an_error(preview: Preview, arguments: tuple[str, ...], said: str) -> None:
    """Whatever is wrong is told with the mend, and the exit code is 1."""
    code, printed, error = preview(*arguments)

    assert (code, printed) == (1, "")
    assert said in error
