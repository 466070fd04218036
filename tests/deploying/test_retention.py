"""What is kept of old deploys in the database of the background server."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support import Api, wait_until

from meta_prefect.deploy import deploy
from meta_prefect.local.data import what_is_kept
from meta_prefect.local.retention import Retention
from meta_prefect.report import Report

PROJECT = """
project: UNIQUE
deployments:
  job:
    - {recipe: local_run_deployer, variables: {name: UNIQUE}}
"""
FLOW = """
from prefect import flow

@flow
def job() -> None: ...
"""


class Database:
    """A copy of a database.

    Args:
        original: The database of a server that runs.
        copy: Where the copy goes.
    """

    def __init__(self, original: Path, copy: Path) -> None:
        self.file = copy
        with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What a query finds: of each row the first column."""
        with closing(sqlite3.connect(self.file)) as connection:
            return [row[0] for row in connection.execute(query, values)]

    def left_by(self, run_id: str) -> dict[str, int]:
        """How much a run has left, by kind."""
        queries = {
            "run": "select count(*) from flow_run where id = ?",
            "states": "select count(*) from flow_run_state where flow_run_id = ?",
            "steps": "select count(*) from task_run where flow_run_id = ?",
            "logs": "select count(*) from log where flow_run_id = ?",
            "events": "select count(*) from event_resources where resource_id = 'prefect.flow-run.' || ?",
            "pages": "select count(*) from artifact where type = 'ledger' and flow_run_id = ?",
            "others": "select count(*) from artifact where type <> 'ledger' and flow_run_id = ?",
        }
        return {kind: self.rows(query, run_id)[0] for kind, query in queries.items()}

    def size(self) -> int:
        """How many bytes are in use."""
        return self.rows(
            "select (p.page_count - f.freelist_count) * 4096 from pragma_page_count p, pragma_freelist_count f"
        )[0]


@pytest.fixture
def deployed_twice(
    server: Api, project: Callable[..., Path], prefect_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Report], str, Database]:
    """Two deploys of one project with a run of a user's flow between them, and a copy of the database after that."""
    monkeypatch.setenv("META_PREFECT__START_WORKER", "false")
    root = project(**{"meta_prefect.yaml": PROJECT, "flow.py": FLOW})
    reports = [deploy([str(root)])]
    deployment = server.deployments_of("job")[0]
    own = server.post(f"/deployments/{deployment['id']}/create_flow_run", state={"type": "COMPLETED"})["id"]
    server.post("/logs/", {"name": "x", "level": 20, "message": "hello", "flow_run_id": own, "timestamp": own_time()})
    reports.append(deploy([str(root)]))

    def is_recorded() -> bool:
        runs = [str(report.run_id) for report in reports]
        asked = {"flow_runs": {"id": {"any_": runs}}}
        return len(server.post("/events/filter", filter=events_of(runs[-1]))["events"]) > 5 and bool(
            server.post("/logs/filter", **asked_logs(runs[-1])) and server.post("/flow_runs/filter", **asked)
        )

    wait_until(is_recorded, what="logs and events arrive")
    return reports, own, Database(prefect_home / "prefect.db", tmp_path / "copy.db")


def own_time() -> str:
    """A time, as the API takes it."""
    return "2026-01-01T00:00:00Z"


def asked_logs(run_id: str) -> dict[str, Any]:
    """The filter for the last line that a run logs."""
    return {"logs": {"flow_run_id": {"any_": [run_id]}, "text": {"query": "Finished in state"}}}


def events_of(run_id: str) -> dict[str, Any]:
    """The filter for what happened in a run."""
    return {"related": {"id": [f"prefect.flow-run.{run_id}"]}}


def test_of_old_deploys_the_ledger_stays(deployed_twice: tuple[list[Report], str, Database]) -> None:
    """Of an old deploy the page and the runs that it names are left; newer ones and runs of users lose nothing."""
    (old, new), own, database = deployed_twice
    recipe_runs = {
        run: database.rows(
            "select r.id from flow_run r join task_run t on t.id = r.parent_task_run_id where t.flow_run_id = ?", run
        )[0]
        for run in (old.run_id, new.run_id)
        if run
    }
    untouched = [str(new.run_id), recipe_runs[str(new.run_id)], own]
    before = {run: database.left_by(run) for run in untouched}
    others = database.rows("select count(*) from flow_run where parent_task_run_id is null and id = ?", own)
    size = database.size()
    keep = Retention(database.file, kept=1, at_least=timedelta(0), quiet=None, pause=0)

    assert keep.sweep() > 20
    assert {run: database.left_by(run) for run in untouched} == before
    assert before[own]["logs"] == 1
    assert others == [1]
    left = database.left_by(recipe_runs[str(old.run_id)])
    assert left == {"run": 1, "states": left["states"], "steps": 0, "logs": 0, "events": 0, "pages": 1, "others": 0}
    left = database.left_by(str(old.run_id))
    assert left == {"run": 1, "states": left["states"], "steps": 1, "logs": 0, "events": 0, "pages": 0, "others": 0}
    assert database.size() < size
    assert not database.rows("pragma foreign_key_check")
    assert not database.rows("select key from artifact_collection where latest_id not in (select id from artifact)")
    assert keep.sweep() == 0


SPARED: dict[str, dict[str, Any]] = {
    "there are few": {"kept": 100_000, "at_least": timedelta(0), "quiet": None},
    "they are of today": {"kept": 0, "quiet": None},
    "something happens": {"kept": 0, "at_least": timedelta(0), "quiet": timedelta(hours=1)},
}


def test_nothing_is_removed_too_early(deployed_twice: tuple[list[Report], str, Database]) -> None:
    """The last deploys stay, those of the last day stay however many there are, and nothing is removed while runs go on."""
    _, _, database = deployed_twice
    removed = {why: Retention(database.file, pause=0, **settings).sweep() for why, settings in SPARED.items()}
    assert removed == dict.fromkeys(SPARED, 0)


def test_what_is_kept_is_said(tmp_path: Path) -> None:
    """`server status` says how large the database is."""
    assert f"{tmp_path}/prefect.db, 0.0 MB" in what_is_kept(tmp_path)
    (tmp_path / "prefect.db").write_bytes(b"x" * 2_500_000)
    assert ", 2.5 MB; of deploys older than the last 100 only the ledger is kept" in what_is_kept(tmp_path)
