"""Whether an answer counts as an approval."""

from __future__ import annotations

from meta_prefect.plan.saved_plan import SavedPlan, fingerprint
from meta_prefect.project import ApprovalModel

KEY_PREFIX = "approval-"
"""What the keys begin with under which Prefect keeps the questions of a run."""


def question_key(plan: SavedPlan, attempt: int) -> str:
    """Under which key the question about a plan is asked: a run that starts over finds the answer to this very plan."""
    about = [plan.deploy_id, plan.now.isoformat(), {name: one.model_dump() for name, one in plan.states.items()}]
    return f"{KEY_PREFIX}{fingerprint(about)}-{attempt}"


def why_not_by(name: str, started_by: str, rule: ApprovalModel) -> str | None:
    """Why somebody may not approve; None where he may.

    Args:
        name: The name that he gives.
        started_by: Who started the deploy, such as ``ada@host`` or ``ada (user)``.
        rule: Who approves, where that is said.
    """
    if not rule.by:
        return None
    starter = started_by.partition(" (")[0]
    if name.strip().casefold() in (started_by.casefold(), starter.casefold(), starter.partition("@")[0].casefold()):
        return f"{name} has started this deploy; {' or '.join(rule.by)} approves it"
    return None
