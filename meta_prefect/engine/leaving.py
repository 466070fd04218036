"""Objects created by deploys that no deployment needs any more: finds them, and removes them with the deploy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from prefect import get_run_logger, task

from meta_prefect.engine.compare import PlannedBatch, PlannedDeployment
from meta_prefect.engine.observed import RETRY_TEMPORARY_ERRORS
from meta_prefect.engine.progress import progress
from meta_prefect.interfaces.api import read_all
from meta_prefect.interfaces.components import Component, ComponentKey, Owned, OwnedAutomation, Owner, WorkQueue
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.tags import Names
from meta_prefect.plan.changes import Delete, Held, after_of, before_of
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.leaving import PlannedRemoval, Users, leaving_of
from meta_prefect.plan.prune import PlannedDeletion
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.report import Report
from meta_prefect.server import PrefectServer, Reader
from meta_prefect.texts import presentable

_SETTLED = ("created", "updated", "unchanged", "deleted")
"""The outcomes of a deployment after which objects it no longer needs are removed."""


async def find_leaving(
    batch: PlannedBatch,
    orphans: Sequence[PlannedDeletion],
    project: tuple[Names, str],
    server: Reader,
    *,
    is_whole: bool,
) -> list[PlannedRemoval]:
    """Find objects that deploys created for a project's deployments and that nothing needs any more. Only reads.

    Args:
        batch: The planned changes to the deployments.
        orphans: Deployments that are no longer in the project, whether deleted or kept.
        project: The names of the project, and the environment.
        server: The server to read from.
        is_whole: Whether the batch covers the whole project.
    """
    if server.is_empty:
        return []
    names, environment = project
    live = [one.live or one.predecessor for one in batch.deployments]
    pools = {one.record["work_pool_name"] for one in (*live, *batch.owned) if one is not None}
    if not batch.deployments:
        # Everything is removed, including what a killed deploy created where no deployment refers to it.
        pools |= {one["name"] for one in await read_all(server, "/work_pools/filter", {})}
    owner = Owner(names, environment, tuple(sorted(filter(None, pools))))
    kinds = _kinds(one.wanted for one in batch.components)
    made = [one for found in await asyncio.gather(*(kind.owned(owner, server) for kind in kinds)) for one in found]
    claimed = {claim for one in batch.components for claim in one.wanted.claims(one.live)}
    wanted = {key for one in batch.deployments for key in _queue(one)}
    decided = _decided(batch.deployments) | _deleted(orphans)
    gone = await _gone(made, decided, server) if is_whole else set[str]()
    return leaving_of(made, claimed, wanted, Users(decided, gone, is_whole))


def _kinds(components: Iterable[Component]) -> list[type[Component]]:
    """Return the component classes that can find what they own: the built-in ones and those of the given components."""
    classes = (OwnedAutomation, WorkQueue, *(type(one) for one in components))
    return list(dict.fromkeys(next(one for one in kind.__mro__ if "owned" in vars(one)) for kind in classes))


def _queue(planned: PlannedDeployment) -> list[ComponentKey]:
    """Return the queue that a deployment will use, whoever chose it."""
    record = after_of(planned.change) or before_of(planned.change) or {}
    pool, queue = record.get("work_pool_name"), record.get("work_queue_name")
    return [(WorkQueue.kind, f"{pool}/{queue}")] if pool and queue else []


def _decided(deployments: Sequence[PlannedDeployment]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in deployments:
        if isinstance(one.change, Held):
            continue
        found[str(one)] = str(one)
        for live in filter(None, (one.live, one.predecessor)):
            found |= {live.id: str(one), live.full_name: str(one)}
    return found


def _deleted(orphans: Sequence[PlannedDeletion]) -> dict[str, str]:
    deleted = [one for one in orphans if isinstance(one.change, Delete)]
    return {user: str(one) for one in deleted for user in (str(one), one.live.id)}


async def _gone(made: Iterable[Owned], decided: Iterable[str], server: Reader) -> set[str]:
    named = {user for one in made for user in one.users if "/" in user} - set(decided)
    pairs = [(flow, name) for flow, _, name in (user.partition("/") for user in named)]
    return named - (await server.read_deployments(pairs)).keys() if pairs else set()


async def delete_with_its_own(live: LiveDeployment, context: DeployContext, server: PrefectServer) -> None:
    """Delete a deployment that should not have been created, with the automations created only for it."""
    users = frozenset([live.full_name]), frozenset([live.id])
    for one in await OwnedAutomation.owned(Owner(context.names, context.environment), server):
        if one.users in users:
            await OwnedAutomation.remove(one, server)
    await server.delete(f"/automations/owned-by/prefect.deployment.{live.id}")
    await server.delete_deployment(live)


@task(name="remove", task_run_name="remove {planned}", **RETRY_TEMPORARY_ERRORS)
async def remove(planned: PlannedRemoval, server: PrefectServer) -> bool:
    """Remove an object that no deployment needs; return False if it stays because something uses it by now."""
    progress().step(f"remove {planned}")
    removed = await planned.live.by.remove(planned.live, server)
    get_run_logger().info("%s %s", planned, "removed" if removed else "is in use again, and stays")
    return removed


async def remove_leaving(batch: PlannedBatch, report: Report, server: PrefectServer) -> Report:
    """Remove what is no longer needed, once the deployments it was for are deployed or deleted.

    Args:
        batch: What was planned.
        report: The outcomes so far.
        server: The Prefect API.
    """
    settled = {one.deployment for one in report.outcomes if one.action in _SETTLED}
    done: list[tuple[str, str]] = []
    progress().expect(len(batch.leaving))
    for one in batch.leaving:
        if waiting := sorted(one.awaits - settled):
            done.append((str(one), f"not removed, as {waiting[0]} was not deployed"))
            continue
        try:
            done.append((str(one), "removed" if await remove(whole(one), server) else "in use again, and left alone"))
        except Exception as error:  # noqa: BLE001 - the others are removed all the same; the task's run holds the traceback
            done.append((str(one), presentable(f"failed: {type(error).__name__}: {error}")))
        progress().wrote(*done[-1])
    return report.model_copy(update={"components": (*report.components, *done)})
