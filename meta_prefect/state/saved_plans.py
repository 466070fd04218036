"""Saves plans on the server and finds them again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from typing import Final
from uuid import UUID

from prefect.context import FlowRunContext
from prefect.runtime import flow_run

from meta_prefect.errors import TargetError
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.markdown import code, escaped, link
from meta_prefect.interfaces.tags import Names
from meta_prefect.interfaces.ui_links import run_page
from meta_prefect.plan.provenance import Doubt
from meta_prefect.plan.saved_plan import ARTIFACT_TYPE, DeployOptions, SavedPlan, recorded_key
from meta_prefect.plan.soundness import sound_or_named
from meta_prefect.server import PrefectServer

_NEWEST_FIRST: Final = "CREATED_DESC"
_MAX_PLANS: Final = 10
"""How many of the most recent deploys are searched."""


async def store_plan(plan: SavedPlan, server: PrefectServer) -> str:
    """Save a plan and return the id of its artifact."""
    return await server.create_artifact(
        {
            "type": ARTIFACT_TYPE,
            "key": plan.key,
            "description": _in_words(plan),
            "data": plan.model_dump(mode="json"),
        }
    )


def _in_words(plan: SavedPlan) -> str:
    """Describe the plan for people; the data are for machines."""
    commit = f" at commit {code(short_commit(plan.commit))}" if plan.commit else ""
    where = f"{escaped(plan.project)} in {escaped(plan.environment)}"
    page = f" To read, there is the plan of {link('its run', run_page(plan.run_id))}." if plan.run_id else ""
    return f"Data of `meta-prefect deploy --plan`: fingerprints of the plan for {where}{commit}.{page}"


async def settle_plan(artifact_id: str, plan: SavedPlan, left: Collection[str], server: PrefectServer) -> None:
    """Record what is left to do of a plan: the deployments that failed, if any."""
    unsettled = tuple(name for name in plan.unsettled if name in left)
    settled = plan.model_copy(update={"stage": "started" if left else "finished", "unsettled": unsettled})
    await server.patch(f"/artifacts/{artifact_id}", {"data": settled.model_dump(mode="json")})


async def read_plan(run_id: str, server: PrefectServer) -> SavedPlan:
    """Return the plan made by a run.

    Raises:
        TargetError: The run made no valid plan, or does not exist.
    """
    hint = "`meta-prefect plan` prints the id to give."
    try:
        asked = str(UUID(run_id.rstrip("/").rpartition("/")[2]))
    except ValueError:
        raise TargetError(f"{run_id!r} is no flow run's id", where="--plan", hint=hint) from None
    doubts: list[Doubt] = []
    found = await _newest({"flow_run_id": {"any_": [asked]}}, server, doubts=doubts)
    if found is None and doubts:
        raise TargetError(f"the plan of the run {asked} does not count: {doubts[0]}", where="--plan", hint=hint)
    if found is None:
        raise TargetError(
            f"the run {asked} has made no plan that is recorded on {server.url}", where="--plan", hint=hint
        )
    return found


async def plan_of_earlier_attempt(asked: DeployOptions, server: PrefectServer) -> SavedPlan | None:
    """Return the plan of an earlier attempt of the current run, if it is a retry with the same options."""
    run_id = flow_run.get_id()
    if not run_id or not _has_begun_before():
        return None
    found = await plan_of_run(str(run_id), server)
    return found if found is not None and found.asked == asked else None


def _has_begun_before() -> bool:
    """Return whether this run was executed before: it is a retry, or resumes a suspension, which Prefect does not count."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    paused = run is not None and bool(run.empirical_policy.pause_keys)
    return paused or int(flow_run.get_run_count() or 0) > 1


async def plan_of_run(run_id: str, server: PrefectServer) -> SavedPlan | None:
    """Return the latest plan made by a run; None if the run did not get that far."""
    return await _newest({"flow_run_id": {"any_": [run_id]}}, server)


async def unfinished_plan(project: str, environment: str, server: PrefectServer) -> SavedPlan | None:
    """Return the plan of the last deploy of a project to an environment, if part of it is still to be done."""
    about = (project, environment)
    newest = await _newest({"key": {"any_": [recorded_key(project, environment)]}}, server, about=about)
    return newest if newest is not None and newest.stage == "started" else None


async def recorded_plans(names: Names, environment: str, server: PrefectServer) -> list[SavedPlan]:
    """Return the plans of the last deploys of a project to an environment, newest first."""
    keys = [recorded_key(name, environment) for name in names]
    found: list[SavedPlan] = []
    async for plan in _counting({"key": {"any_": keys}}, server, about=(names, environment)):
        found.append(plan)
        if len(found) == _MAX_PLANS:
            break
    return found


async def applied_components(
    names: Names, environment: str, wanted: Collection[str], server: PrefectServer
) -> dict[str, str]:
    """Find the components as last applied, from the newest plans that mention them.

    Args:
        names: The names of the project.
        environment: The environment.
        wanted: The components to find, as ``kind name``.
        server: The Prefect API.

    Returns:
        The fingerprint of each component found.
    """
    found: dict[str, str] = {}
    looked_at = 0
    keys = [recorded_key(name, environment) for name in names]
    async for plan in _counting({"key": {"any_": keys}}, server, about=(names, environment)):
        if plan.stage == "finished":
            found = {**{key: value for key, value in plan.components.items() if key in wanted}, **found}
        looked_at += 1
        if looked_at == _MAX_PLANS or found.keys() >= set(wanted):
            break
    return found


async def _newest(
    condition: Record,
    server: PrefectServer,
    *,
    about: tuple[str, str] | None = None,
    doubts: list[Doubt] | None = None,
) -> SavedPlan | None:
    """Return the newest valid plan; see :func:`_counting`."""
    of_project = ((about[0],), about[1]) if about else None
    return await anext(_counting(condition, server, about=of_project, doubts=doubts), None)


async def _counting(
    condition: Record,
    server: PrefectServer,
    *,
    about: tuple[Names, str] | None = None,
    doubts: list[Doubt] | None = None,
) -> AsyncGenerator[SavedPlan]:
    """Yield the valid plans, newest first.

    Args:
        condition: The artifact filter.
        server: The Prefect API.
        about: Only deploy plans of this project and environment, no dry runs.
        doubts: Collects why plans were skipped.
    """
    asked = {"artifacts": {"type": {"any_": [ARTIFACT_TYPE]}, **condition}}
    names = about[0] if about else None
    async for artifact in server.pages("/artifacts/filter", asked, _NEWEST_FIRST, size=5):
        plan = sound_or_named(SavedPlan, artifact, "recorded plan", server.unsound, names)
        if plan is None or (
            about is not None
            and (plan.stage == "planned" or plan.project not in about[0] or plan.environment != about[1])
        ):
            continue
        (doubt,) = await server.doubts_about([(plan.run_id, plan.deploy_id, artifact)])
        if doubt is None:
            yield plan
        elif doubts is not None:
            doubts.append(doubt)
