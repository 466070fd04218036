"""Builders as tasks: one for each kind of builder, over the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from prefect import State, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

from meta_prefect.interfaces.api import Host
from meta_prefect.interfaces.tags import environment_tag, owner_tag
from meta_prefect.plan.outcomes import counted
from meta_prefect.plan.resolving import Draft, Step, duplicate_names, steps_of

Within = Callable[[], AbstractContextManager[None]]
"""Opens what a project's code needs around it while it is called: its own modules."""


@task(name="builder", task_run_name="{step}", cache_policy=NO_CACHE)
async def run_builder(step: Step, within: Within) -> State[None] | None:
    """Apply one kind of builder to every deployment of the batch that has it; failed where it raised for any of them."""
    with within():
        errors = step.run()
    logger = get_run_logger()
    for error in errors:
        logger.error("%s", error)
    logger.info("%s: %s", step.title, counted(len(step.members), "deployment"))
    if not errors:
        return None
    return Failed(message=f"it refused {len(errors)} of {counted(len(step.members), 'deployment')}: {errors[0]}")


async def build_observed(drafts: Sequence[Draft], host: Host, within: Within) -> None:
    """Run all builders of a batch, each kind as a task of its own."""
    for step in steps_of(drafts):
        # With its state, as what it raised belongs to its drafts, and the others go on.
        state: Any = run_builder(step, within, return_state=True)  # typed by Prefect as if it were no coroutine
        await state
    with within():
        _finish(drafts, host)


def build(drafts: Sequence[Draft], host: Host, within: Within) -> None:
    """Run all builders of a batch in memory."""
    with within():
        for step in steps_of(drafts):
            step.run()
        _finish(drafts, host)


def _finish(drafts: Sequence[Draft], host: Host) -> None:
    """Mark the deployments as ours, fill what was left open, and find names that are given twice."""
    for draft in drafts:
        draft.complete(host)
        if not draft.errors:
            deployment = draft.deployment
            marks = [owner_tag(deployment.context.project), environment_tag(deployment.environment)]
            deployment.tags = list(dict.fromkeys([*marks, *deployment.tags]))
    for draft, error in duplicate_names(drafts):
        draft.errors.append(error)
