"""Recording plans on the server, and finding them again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from prefect.runtime import flow_run

from meta_prefect.errors import TargetError
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.markdown import code, escaped, link
from meta_prefect.interfaces.places import run_page
from meta_prefect.interfaces.records import Record
from meta_prefect.plan.recorded import ARTIFACT_TYPE, RecordedPlan, recorded_key, recorded_plan_of
from meta_prefect.server import PrefectServer

_NEWEST_FIRST: Final = "CREATED_DESC"


async def store_plan(plan: RecordedPlan, server: PrefectServer) -> str:
    """Record a plan; returns the id of its artifact."""
    return await server.create_artifact(
        {
            "type": ARTIFACT_TYPE,
            "key": plan.key,
            "description": _in_words(plan),
            "data": plan.model_dump(mode="json"),
        }
    )


def _in_words(plan: RecordedPlan) -> str:
    """What it is, for people: the data are for machines."""
    commit = f" at commit {code(short_commit(plan.commit))}" if plan.commit else ""
    where = f"{escaped(plan.project)} in {escaped(plan.environment)}"
    page = f" To read, there is the plan of {link('its run', run_page(plan.run_id))}." if plan.run_id else ""
    return f"Data of `meta-prefect deploy --plan`: fingerprints of the plan for {where}{commit}.{page}"


async def settle_plan(artifact_id: str, plan: RecordedPlan, left: Collection[str], server: PrefectServer) -> None:
    """Note what is left to do of a plan: the deployments that failed, if any."""
    unsettled = tuple(name for name in plan.unsettled if name in left)
    settled = plan.model_copy(update={"stage": "started" if left else "finished", "unsettled": unsettled})
    await server.patch(f"/artifacts/{artifact_id}", {"data": settled.model_dump(mode="json")})


async def read_plan(run_id: str, server: PrefectServer) -> RecordedPlan:
    """Find the plan that a run has made.

    Raises:
        TargetError: It has made none, or there is no such run.
    """
    try:
        asked = str(UUID(run_id.rstrip("/").rpartition("/")[2]))
    except ValueError:
        raise TargetError(
            f"{run_id!r} is no flow run's id", where="--plan", hint="`meta-prefect plan` prints the id to give."
        ) from None
    found = await _newest({"flow_run_id": {"any_": [asked]}}, server)
    if found is None:
        raise TargetError(
            f"the run {asked} has made no plan that is recorded on {server.url}",
            where="--plan",
            hint="`meta-prefect plan` prints the id to give.",
        )
    return found


async def plan_of_earlier_attempt(server: PrefectServer) -> RecordedPlan | None:
    """The plan of this very run, where it has been started before and is retried."""
    run_id = flow_run.get_id()
    if not run_id or int(flow_run.get_run_count() or 0) <= 1:
        return None
    return await _newest({"flow_run_id": {"any_": [str(run_id)]}}, server)


async def plan_of_run(run_id: str, server: PrefectServer) -> RecordedPlan | None:
    """The plan that a run has made last; None where it came not that far."""
    return await _newest({"flow_run_id": {"any_": [run_id]}}, server)


async def unfinished_plan(project: str, environment: str, server: PrefectServer) -> RecordedPlan | None:
    """The plan of the last deploy of a project to an environment, where something is left of it to do."""
    newest = await _newest({"key": {"any_": [recorded_key(project, environment)]}}, server, but_dry_runs=True)
    return newest if newest is not None and newest.stage == "started" else None


async def _newest(condition: Record, server: PrefectServer, *, but_dry_runs: bool = False) -> RecordedPlan | None:
    asked = {"artifacts": {"type": {"any_": [ARTIFACT_TYPE]}, **condition}}
    async for artifact in server.pages("/artifacts/filter", asked, _NEWEST_FIRST, size=5):
        plan = recorded_plan_of(artifact["data"])
        if plan is not None and not (but_dry_runs and plan.stage == "planned"):
            return plan
    return None
