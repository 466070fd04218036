"""What Prefect's server makes of a deployment that is written to it, rewritten in all the ways in which it rewrites."""

from __future__ import annotations

from typing import Any

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.changes import Create, Subject
from meta_prefect.plan.deployment_record import LiveDeployment, desired_record, live_deployment
from meta_prefect.plan.ledger import LedgerEntry, entry_of

STORED_AT = "2026-11-20T12:34:56Z"


def answer(record: Record, **changes: Any) -> Record:
    """The item of ``/deployments/filter`` for a record that was written.

    Args:
        record: The record.
        changes: Fields of the answer that differ from what the server would make of it.
    """
    limit, collision = record.get("concurrency_limit"), record.get("collision_strategy")
    fields: Record = {
        key: value for key, value in record.items() if key not in ("concurrency_limit", "collision_strategy")
    }
    return {
        **fields,
        "id": "1b0c1ab8",
        "name": "nightly-dev",
        "flow_id": "6437c45e",
        "labels": {"prefect.flow.id": "6437c45e"},
        "status": "NOT_READY",
        "description": record["description"] or "None",
        "tags": [*reversed(record["tags"]), ""],
        "paused": record.get("paused", False),
        "work_queue_name": record.get("work_queue_name", "default"),
        "global_concurrency_limit": {"limit": limit, "active": True} if limit else None,
        "concurrency_limit": None,
        "concurrency_options": {"collision_strategy": collision, "grace_period_seconds": 600} if collision else None,
        "schedules": [_schedule(slug, schedule) for slug, schedule in record.get("schedules", {}).items()],
        **changes,
    }


def _schedule(slug: str, schedule: Record) -> Record:
    rule = {key: value for key, value in schedule.items() if key not in ("active", "parameters")}
    if "rrule" in rule and "DTSTART" not in rule["rrule"]:
        rule["rrule"] = f"DTSTART:20200101T000000\n{rule['rrule']}"
    if "interval" in rule:
        rule["anchor_date"] = rule.get("anchor_date", STORED_AT).replace("+00:00", "Z")
    return {
        "id": f"id of {slug}",
        "slug": slug,
        "active": schedule.get("active", True),
        "parameters": schedule["parameters"],
        "schedule": rule,
    }


def stored(deployment: Deployment, **changes: Any) -> LiveDeployment:
    """The live deployment after a deployment was written to an empty server.

    Args:
        deployment: The deployment.
        changes: What is different on the server, in the words of its API.
    """
    record = desired_record(deployment)
    record.setdefault("version", "1")
    return live_deployment(answer(record, **changes), deployment.flow.name)


def stored_again(after: Record) -> LiveDeployment:
    """The live deployment after the record of a change was written."""
    return live_deployment(answer(after), "add")


def last_entry(deployment: Deployment) -> LedgerEntry:
    """What the ledger says once a deployment was created, under the id that its answer has."""
    wanted = desired_record(deployment)
    entry = entry_of(Create(Subject("deployment", deployment.full_name), (), wanted), wanted)
    assert entry is not None
    return entry.model_copy(update={"id": "1b0c1ab8"})
