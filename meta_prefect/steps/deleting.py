"""Deleting a deployment without losing anything of what still runs."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import anyio
from prefect import get_run_logger, task

from meta_prefect.errors import MovedError
from meta_prefect.interfaces.components.work_pool import is_ours
from meta_prefect.interfaces.records import Record
from meta_prefect.interfaces.tags import Names, owner, owner_tags
from meta_prefect.plan.deleting import automations_of, queue_of_its_own
from meta_prefect.plan.ledger import Recorded
from meta_prefect.plan.orphans import PlannedDeletion
from meta_prefect.plan.outcomes import counted, listed
from meta_prefect.plan.records import LiveDeployment
from meta_prefect.server import PrefectServer
from meta_prefect.steps.progress import progress
from meta_prefect.steps.retrying import PATIENTLY

PATIENCE_SECONDS: Final = 600
"""How long runs that are under way are waited for before a deployment is left to the next deploy, paused."""

_POLL_SECONDS: Final = 1
_UNDER_WAY: Final = ("PENDING", "RUNNING", "PAUSED", "CANCELLING")


@task(
    name="delete",
    task_run_name="delete {planned}",
    **PATIENTLY,
)
async def delete_orphan(
    planned: PlannedDeletion, last: Recorded | None, names: Names, server: PrefectServer, *, force: bool
) -> None:
    """Pause a deployment, cancel what is scheduled, let runs under way finish, then delete it with what only it used.

    Args:
        planned: The deployment.
        last: What the last deploy wrote of it, which tells whether its queue is its own.
        names: The names of the project that owns it.
        server: The Prefect API.
        force: Whether runs that are under way are left to themselves.

    Raises:
        MovedError: It has changed its owner, or runs are still under way after 10 minutes; it stays, paused.
    """
    progress().step(f"delete {planned}")
    logger = get_run_logger()
    name = planned.live.full_name
    live = (await server.read_deployments([(planned.live.flow_name, planned.live.name)])).get(name)
    if live is None:
        logger.info("%s is gone already", name)
        return
    if owner(live.record["tags"]) not in names:
        raise MovedError("it does not belong to this project any more", where=f"deployment {name}")
    if not live.record["paused"]:
        await server.update_deployment(live, {"paused": True})
    cancelled = await _cancel_scheduled_runs(live, server)
    if not force:
        await _wait_for_runs(live, server)
    gone = await delete_with_its_own(live, names, server)
    if (queue := queue_of_its_own(live, last)) is not None and await _delete_queue(live, queue, server):
        gone.append(f"work queue {queue}")
    logger.info("deleted %s: %d scheduled runs cancelled%s", name, cancelled, "".join(f", {one}" for one in gone))


async def delete_with_its_own(live: LiveDeployment, names: Names, server: PrefectServer) -> list[str]:
    """Delete a deployment with the automations of the project that watch only it; returns what else was deleted."""
    ours = {"automations": {"tags": {"any_": owner_tags(names)}}}
    found: list[Record] = [one async for one in server.pages("/automations/filter", ours)]
    automations = automations_of(live, found)
    for automation in automations:
        await server.delete(f"/automations/{automation['id']}")
    await server.delete(f"/automations/owned-by/prefect.deployment.{live.id}")
    await server.delete_deployment(live)
    return [f"automation {automation['name']!r}" for automation in automations]


async def _cancel_scheduled_runs(live: LiveDeployment, server: PrefectServer) -> int:
    cancelled = 0
    while found := await _runs(live, ("SCHEDULED",), server):
        for run in found:
            state = {"type": "CANCELLED", "name": "Cancelled", "message": "Its deployment is deleted."}
            await server.post(f"/flow_runs/{run['id']}/set_state", {"state": state, "force": True})
        cancelled += len(found)
    return cancelled


async def _wait_for_runs(live: LiveDeployment, server: PrefectServer) -> None:
    deadline = anyio.current_time() + PATIENCE_SECONDS
    told = False
    while under_way := await _runs(live, _UNDER_WAY, server):
        runs, names = counted(len(under_way), "run"), listed(run["name"] for run in under_way)
        if not told:
            told = True
            progress().wait(f"waiting for {runs} of {live.full_name} to finish")
            get_run_logger().info("waiting for %s of %s: %s", runs, live.full_name, names)
        if anyio.current_time() > deadline:
            raise MovedError(
                f"{runs} still under way ({names}); it is paused, and not deleted",
                where=f"deployment {live.full_name}",
                hint="Prune again once they have finished, or with --force.",
            )
        await anyio.sleep(_POLL_SECONDS)


async def _runs(live: LiveDeployment, types: tuple[str, ...], server: PrefectServer) -> list[Record]:
    condition: dict[str, Any] = {"deployment_id": {"any_": [live.id]}, "state": {"type": {"any_": list(types)}}}
    return await server.post("/flow_runs/filter", {"flow_runs": condition, "limit": 200})


async def _delete_queue(live: LiveDeployment, queue: str, server: PrefectServer) -> bool:
    """Delete a queue unless another deployment uses it, or its pool is somebody else's: then the queue may be, too."""
    pool: str = live.record["work_pool_name"]
    found: Record | None = await server.get(f"/work_pools/{quote(pool)}")
    if found is None or not is_ours(found):
        return False
    users = server.pages("/deployments/filter", {"deployments": {"work_queue_name": {"any_": [queue]}}})
    async for user in users:
        if user["work_pool_name"] == pool and user["id"] != live.id:
            return False
    await server.delete(f"/work_pools/{quote(pool)}/queues/{quote(queue)}")
    return True
