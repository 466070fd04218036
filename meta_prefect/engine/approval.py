"""Asks a person to approve a plan, with Prefect's pause and a form in its UI.

A run that was started by a deployment is suspended: no process waits, and Prefect restarts it once it is answered. Any other
run waits in its process, because nothing could restart it.
"""

from __future__ import annotations

import shlex
from itertools import count
from typing import Any, Final, Literal, cast

import anyio
from prefect import get_run_logger
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.runtime import flow_run
from pydantic import Field

from meta_prefect.engine.observed import deployment_id
from meta_prefect.engine.progress import progress
from meta_prefect.errors import NotApproved
from meta_prefect.interfaces.approval import Approval
from meta_prefect.interfaces.times import length_in_words
from meta_prefect.plan.approval import question_key, why_not_by
from meta_prefect.plan.saved_plan import SavedPlan
from meta_prefect.project import ApprovalModel, Environment
from meta_prefect.server import PrefectServer
from meta_prefect.state.ledger import who_runs

_POLL_SECONDS: Final = 2
_SLACK_SECONDS: Final = 600


async def ask(
    plan: SavedPlan, about: str, environment: Environment, rule: ApprovalModel, server: PrefectServer
) -> Approval:
    """Wait for a person's answer.

    Args:
        plan: The plan to approve.
        about: A description of it, in Markdown.
        environment: The environment being deployed to.
        rule: Who must answer, and how soon.
        server: The Prefect API.

    Raises:
        NotApproved: The plan was rejected, or nobody answered in time.
    """
    run_id = str(flow_run.get_id())
    started_by = await who_runs(run_id, server)
    for attempt in count(1):
        answer = await _answer(question_key(plan, attempt), about, environment.name, rule)
        said = f": {answer.comment}" if answer.comment else ""
        if answer.decision == "reject":
            raise NotApproved(
                f"rejected by {answer.by}{said}; nothing was written", where=f"deploy to {environment.name}"
            )
        if (why := why_not_by(answer.by, started_by, rule)) is None:
            get_run_logger().info("approved by %s%s", answer.by, said)
            return Approval(by=answer.by, at=server.now(), comment=answer.comment)
        get_run_logger().warning("asking again: %s", why)
        about = f"**Asked again**: {why}.\n\n{about}"
    raise AssertionError("unreachable: one is asked until there is an answer")  # pragma: no cover


async def _answer(key: str, about: str, environment: str, rule: ApprovalModel) -> Any:
    within = int(rule.within.total_seconds())
    form: Any = _form().with_initial_data(description=about)
    command = f"meta-prefect approve --env {shlex.quote(environment)} {flow_run.get_id()}"
    text = f"waiting {length_in_words(rule.within)} at most for approval: Resume in the UI, or `{command}`"
    progress().wait(text)
    get_run_logger().info("%s", text)
    if deployment_id() is not None:
        return await cast("Any", suspend_flow_run)(wait_for_input=form, timeout=within, key=key)
    with anyio.move_on_after(within):
        # Prefect's own timeout is later: it would replace our message in the run's state.
        later = within + _SLACK_SECONDS
        return await cast("Any", pause_flow_run)(
            wait_for_input=form, timeout=later, poll_interval=_POLL_SECONDS, key=key
        )
    raise NotApproved(
        f"nobody approved within {length_in_words(rule.within)}; nothing was written",
        where=f"deploy to {environment}",
        hint="Deploy again, or give more time with `approval: {within: …}`.",
    )


def _form() -> Any:
    """Create the form, only when needed, because its dependencies are slow to import."""
    from prefect.input import RunInput

    class Answer(RunInput):
        """The form: whether to apply the plan."""

        decision: Literal["approve", "reject"] = Field(title="Decision", description="Whether this plan is applied.")
        by: str = Field(
            title="Your name",
            min_length=1,
            max_length=300,
            description="Stands in the run, the ledger and the history.",
        )
        comment: str = Field(default="", title="Comment", max_length=2000)

    return Answer
