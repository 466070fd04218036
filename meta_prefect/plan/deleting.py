"""Which of the things around a deployment go with it."""

from __future__ import annotations

from collections.abc import Iterable

from meta_prefect.interfaces.records import Record
from meta_prefect.plan.ledger import Recorded
from meta_prefect.plan.records import LiveDeployment


def automations_of(live: LiveDeployment, automations: Iterable[Record]) -> list[Record]:
    """Those automations that watch the runs of one deployment and of no other."""
    names = {("flow", live.flow_name), ("deployment", live.name)}
    return [one for one in automations if _watched(one.get("trigger") or {}) == names]


def _watched(trigger: Record) -> set[tuple[str, str]]:
    related: Record | list[Record] = trigger.get("match_related") or []
    conditions = related if isinstance(related, list) else [related]
    return {
        (role, name)
        for one in conditions
        for role in _listed(one.get("prefect.resource.role"))
        for name in _listed(one.get("prefect.resource.name"))
    }


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def queue_of_its_own(live: LiveDeployment, last: Recorded | None) -> str | None:
    """The work queue that a recipe made for a deployment, as far as the ledger knows; None where it used another one."""
    queue: str | None = live.record["work_queue_name"]
    made_by_us = last is not None and "work_queue_name" in last.entry.ours
    return queue if made_by_us and queue not in (None, "default") else None
