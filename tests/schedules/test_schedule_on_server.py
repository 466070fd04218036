"""On a real server, the runs that its scheduler creates leave out exactly the day off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support import Api, wait_until

from meta_prefect.deploy import deploy

TOKYO = ZoneInfo("Asia/Tokyo")
DAY = timedelta(days=1)
FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def report(kind: str) -> None: ...
"""
FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables:
            name: report
            schedule:
              - {{{rrule}, {common}, parameters: {{kind: rrule}}, {off}}}
              - {{{cron}, {common}, parameters: {{kind: cron}}, {off}}}
              - {{{interval}, {common}, parameters: {{kind: interval}}, {off}}}
"""


def project_file(first: datetime, off: datetime) -> str:
    """A run every twelve hours from ``first`` on, in three forms, on all days but one."""
    hours = ",".join(str((first.hour + more) % 24) for more in (0, 12))
    return FILE.format(
        rrule=f'rrule: "FREQ=DAILY;BYHOUR={hours};BYMINUTE={first.minute}"',
        cron=f'cron: "{first.minute} {hours} * * *"',
        interval=f"interval: every 12 hours, anchor_date: '{first.isoformat()}'",
        common="timezone: Asia/Tokyo, active: true",
        off=f"holidays: {{extra_dates: {{{off:%Y-%m-%d}: Founding day}}}}",
    )


def scheduled(server: Api, deployment_id: str) -> dict[str, dict[datetime, str]]:
    """The runs that the scheduler has created, by schedule: when they start, and their ids."""
    found = server.post("/flow_runs/filter", deployments={"id": {"any_": [deployment_id]}}, limit=200)
    runs: dict[str, dict[datetime, str]] = {}
    for run in found:
        at = datetime.fromisoformat(run["expected_start_time"]).astimezone(UTC)
        runs.setdefault(run["parameters"]["kind"], {})[at] = run["id"]
    return runs


def every_twelve_hours(first: datetime, off: datetime) -> Iterator[datetime]:
    """What should run: plain steps, without those on the day off."""
    moment = first
    while True:
        if moment.astimezone(TOKYO).date() != off.date():
            yield moment.astimezone(UTC)
        moment += DAY / 2


def test_the_scheduler_leaves_out_the_day_off_and_nothing_else(
    server: Api, project: Callable[..., Path], unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rrule, cron and interval create the same runs around tomorrow's holiday; deploying again leaves those runs alone."""
    monkeypatch.setenv("META_PREFECT__START_WORKER", "false")
    first = (datetime.now(TOKYO) + timedelta(minutes=30)).replace(second=0, microsecond=0)
    off = first + DAY
    root = project(**{"meta_prefect.yaml": project_file(first, off), "report.py": FLOW})
    deploy([str(root)])
    live = server.deployment(f"{unique}/report-dev")

    def complete() -> dict[str, dict[datetime, str]] | None:
        runs = scheduled(server, live["id"])
        return runs if len(runs) == 3 and all(len(found) >= 3 for found in runs.values()) else None

    runs = wait_until(complete, what="the scheduler has created runs")
    for kind, found in runs.items():
        expected = every_twelve_hours(first, off)
        assert sorted(found) == [next(expected) for _ in found], kind
        assert max(found).astimezone(TOKYO).date() > off.date(), kind
    again = deploy([str(root)], only_changed=True)

    assert [outcome.action for outcome in again.outcomes] == ["unchanged"]
    assert scheduled(server, live["id"]) == runs
