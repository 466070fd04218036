"""Rules for who may approve a plan."""

from __future__ import annotations

from meta_prefect.plan.saved_plan import SavedPlan, fingerprint
from meta_prefect.project import ApprovalModel

KEY_PREFIX = "approval-"
"""Prefix of the keys under which Prefect stores a run's questions."""


def question_key(plan: SavedPlan, attempt: int) -> str:
    """Return the key of the question about a plan, under which a restarted run finds the answer to that plan."""
    about = [plan.deploy_id, plan.now.isoformat(), {name: one.model_dump() for name, one in plan.states.items()}]
    return f"{KEY_PREFIX}{fingerprint(about)}-{attempt}"


def why_not_by(name: str, started_by: str, rule: ApprovalModel) -> str | None:
    """Return why a person may not approve; None if they may.

    Args:
        name: The name they give.
        started_by: Who started the deploy, such as ``ada@host`` or ``ada (user)``.
        rule: The rule about who may approve.
    """
    if not rule.by:
        return None
    starter = started_by.partition(" (")[0]
    if name.strip().casefold() in (started_by.casefold(), starter.casefold(), starter.partition("@")[0].casefold()):
        return f"{name} has started this deploy; {' or '.join(rule.by)} approves it"
    return None
