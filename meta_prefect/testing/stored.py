"""Simulates how Prefect's server returns a deployment after it was written, including every normalization it applies."""

from __future__ import annotations

from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from meta_prefect.interfaces.deployment import Deployment, VersionRule
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.deployment_record import desired_record

__all__ = ["STORED_AT", "answer_for", "stored_answer", "stored_schedule"]

STORED_AT: Final = "2026-11-20T12:34:56Z"
"""The time at which everything was stored, from which an interval without an anchor counts."""


def answer_for(deployment: Deployment) -> Record:
    """Return the item of ``/deployments/filter`` for a deployment written to an empty server; an incremented version is 1."""
    record = desired_record(deployment)
    if isinstance(deployment.version, VersionRule):
        record["version"] = "1"
    return stored_answer(record, deployment.flow.name, deployment.name)


def stored_answer(record: Record, flow: str, name: str, **changes: Any) -> Record:
    """Return the item of ``/deployments/filter`` for a record that was written.

    Args:
        record: The record.
        flow: The flow's name.
        name: The deployment's name.
        changes: Fields of the response that deviate from the simulation.
    """
    limit, collision = record.get("concurrency_limit"), record.get("collision_strategy")
    fields: Record = {
        key: value for key, value in record.items() if key not in ("concurrency_limit", "collision_strategy")
    }
    flow_id = str(uuid5(NAMESPACE_URL, flow))
    return {
        **fields,
        "id": str(uuid5(NAMESPACE_URL, f"{flow}/{name}")),
        "name": name,
        "flow_id": flow_id,
        "labels": {"prefect.flow.id": flow_id},
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


def stored_schedule(rule: Record) -> Record:
    """Return a schedule's rule as the server stores it."""
    rule = dict(rule)
    if "rrule" in rule and "DTSTART" not in rule["rrule"]:
        rule["rrule"] = f"DTSTART:20200101T000000\n{rule['rrule']}"
    if "interval" in rule:
        rule["anchor_date"] = rule.get("anchor_date", STORED_AT).replace("+00:00", "Z")
    return rule


def _schedule(slug: str, schedule: Record) -> Record:
    rule = {key: value for key, value in schedule.items() if key not in ("active", "parameters")}
    return {
        "id": f"id of {slug}",
        "slug": slug,
        "active": schedule.get("active", True),
        "parameters": schedule["parameters"],
        "schedule": stored_schedule(rule),
    }
