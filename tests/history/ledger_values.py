"""Pages of a ledger, and deployments that they tell of, for tests that care about one thing in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from values import a_deployment

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.changes import Create, Subject
from meta_prefect.plan.deployment_record import LiveDeployment, desired_record
from meta_prefect.plan.ledger import HistoryEntry, LedgerEntry, LedgerPage, StoredPage, entry_of, whole_record

NAME = "add/nightly-dev"


def a_record(**changes: Any) -> Record:
    """The whole record of ``add/nightly-dev``, as the server has it."""
    return {**whole_record(desired_record(a_deployment())), **changes}


def live(**changes: Any) -> LiveDeployment:
    """``add/nightly-dev`` on the server."""
    return LiveDeployment(id="d-1", flow_name="add", name="nightly-dev", record=a_record(**changes), schedule_ids={})


def created(**changes: Any) -> LedgerEntry:
    """The entry for that deployment, as a recipe with these settings created it."""
    wanted = desired_record(a_deployment(**changes))
    entry = entry_of(Create(Subject("deployment", NAME), (), wanted), wanted)
    assert entry is not None
    return entry


def a_page(*entries: LedgerEntry, **changes: Any) -> LedgerPage:
    """A page of the project ``shop`` in ``dev``."""
    fields: dict[str, Any] = {
        "project": "shop",
        "environment": "dev",
        "recipe": "local_run_deployer",
        "deploy_id": "d1",
        "run_id": "00000000-0000-0000-0000-000000000001",
        "commit": "abc",
        "at": datetime(2026, 11, 20, 12, tzinfo=UTC),
        "by": "ada@host",
        "entries": entries,
    }
    return LedgerPage(**{**fields, **changes})


def stored(*pages: LedgerPage) -> list[StoredPage]:
    """Pages as they are read from a server that confirms them."""
    return [StoredPage(f"a-{number}", page) for number, page in enumerate(pages)]


def written(version: str | None, action: Any = "updated", before: str | None = None, **after: Any) -> HistoryEntry:
    """One line of that deployment's history; what was there before has another version, if any."""
    record = None if action == "deleted" else a_record(version=version, **after)
    found = None if before is None else a_record(version=before)
    entry = LedgerEntry(
        deployment=NAME,
        action=action,
        version=version,
        before=found,
        after=record,
        ours=("description", "tags", "version"),
    )
    return HistoryEntry(a_page(entry), entry)
