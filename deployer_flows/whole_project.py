"""Deploying a project: read, plan, one run of each recipe that has something to write, report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import tenacity
from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from pydantic import Field

from meta_prefect.discovery.sharing import sharing_modules
from meta_prefect.errors import DeployFailed, ValidationFailed
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.document import document
from meta_prefect.plan.explain import headline, markdown, summary
from meta_prefect.project import Project, read_project
from meta_prefect.recipes import Recipe
from meta_prefect.recipes.drafting import Request
from meta_prefect.recipes.planning import ProjectPlan, plan_requests, read_requests
from meta_prefect.recipes.requests import Requested
from meta_prefect.recipes.selection import Selection, select_in
from meta_prefect.report import Outcome, Report, table_artifact, together
from meta_prefect.server import PrefectServer, connect, ui_url
from meta_prefect.settings import read_settings
from meta_prefect.steps.locking import turn
from meta_prefect.steps.progress import progress
from meta_prefect.steps.retrying import RETRY_DELAYS_SECONDS, may_go_away
from meta_prefect.steps.source import new_context

LARGEST_PARAMETERS: Final = 400_000
"""Bytes of JSON that a recipe's run gets at most; Prefect refuses parameters above 524,288."""


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.get_parameters()
    folder = Path(parameters.get("path") or ".").resolve().name
    verb = "plan" if parameters.get("dry_run") else "deploy"
    return f"{verb} {folder} to {parameters.get('environment') or read_settings().env}"


@flow(name="deploy-project", flow_run_name=_run_name)
async def deploy_project(
    path: Annotated[str, Field(title="Project", description="The project's folder, or a file in it.")] = ".",
    environment: Annotated[
        str | None,
        Field(title="Environment", description="Left empty: META_PREFECT__ENV, else dev."),
    ] = None,
    names: Annotated[
        list[str],
        Field(title="Flows or deployments", description="Only these: `flow` or `flow/deployment`; left empty, all."),
    ] = [],  # noqa: B006 - Prefect reads the default into the form, and nothing changes it
    select: Annotated[
        list[str], Field(title="Patterns", description="Only what matches one of these: `etl-*`, `*/nightly-*`.")
    ] = [],  # noqa: B006
    dry_run: Annotated[bool, Field(title="Dry run", description="Plan, and write nothing.")] = False,
    keep_going: Annotated[
        bool, Field(title="Keep going", description="Deploy what is sound even where something else is not.")
    ] = False,
    only_changed: Annotated[
        bool,
        Field(
            title="Only changed", description="Leave alone what differs in nothing but a version that counts deploys."
        ),
    ] = False,
    adopt: Annotated[
        bool, Field(title="Adopt", description="Take over deployments of the same name that nobody manages.")
    ] = False,
) -> Report:
    """Deploy a project: every deployment that its `meta_prefect.yaml` asks for.

    Nothing is written before everything has been checked. What is on the server as wanted already is not touched. Two deploys
    of one project to one environment take turns.

    Raises:
        ValidationFailed: Something is wrong with the project; nothing was written.
        DeployFailed: Some deployments could not be written; it carries the report.
    """
    with sharing_modules():
        project, context, selection, requested = await read(
            Path(path), environment, names, select, counts=not only_changed, adopt=adopt
        )
        async with connect(LocalHost(start_worker=context.start_worker)) as server:
            taking_turns = turn(server, project.name, context.environment, waiting=progress().step)
            async with nullcontext() if dry_run else taking_turns:
                plan = await make_plan(requested, context, selection, server)
                if plan.errors and not keep_going:
                    raise ValidationFailed(plan.errors)
                reports = [] if dry_run else [await _run(*group, plan, context) for group in plan.by_recipe()]
                report = _whole(plan, reports, context, dry_run=dry_run)
                await _show(report, project, server)
    if report.failed:
        names_of_failed = ", ".join(outcome.deployment for outcome in report.failed)
        raise DeployFailed(f"{len(report.failed)} deployments failed: {names_of_failed}", report=report)
    return report


@task(name="read project", task_run_name="read project", cache_policy=NO_CACHE)
async def read(
    path: Path,
    environment: str | None,
    names: Sequence[str],
    select: Sequence[str],
    *,
    counts: bool,
    adopt: bool,
) -> tuple[Project, DeployContext, Selection, Requested]:
    """Read the project file, find its flows and recipes, check every entry."""
    progress().step("read project")
    project = read_project(path, required=False)
    selection = select_in(project, path, names, select)
    context = new_context(project.root, project.name, environment=environment, next_versions=counts, adopt=adopt)
    requested = read_requests(project, context, selection, environment_asked=environment is not None)
    get_run_logger().info(
        "Project %s: %d deployments asked for in %s", project.name, len(requested.requests), context.environment
    )
    return project, context, selection, requested


@task(
    name="plan",
    task_run_name="plan",
    cache_policy=NO_CACHE,
    retries=len(RETRY_DELAYS_SECONDS),
    retry_delay_seconds=RETRY_DELAYS_SECONDS,
    retry_condition_fn=may_go_away,
)
async def make_plan(
    requested: Requested, context: DeployContext, selection: Selection, server: PrefectServer
) -> ProjectPlan:
    """Resolve everything in memory, compare it with the server, leave the plan as an artifact."""
    progress().step("plan")
    plan = await plan_requests(requested, context, selection, server.host, server)
    logger = get_run_logger()
    for error in plan.errors:
        logger.error("%s", error)
    for change in plan.batch.plan:
        logger.info("%s", headline(change))
    title = f"Plan for {context.project} in {context.environment}"
    await server.create_artifact(
        {
            "type": "markdown",
            "key": artifact_key(f"plan-{context.project}-{context.environment}"),
            "description": summary(plan.batch.plan),
            "data": markdown(plan.batch.plan, title),
        }
    )
    return plan


async def _run(recipe: Recipe, requests: Sequence[Request], plan: ProjectPlan, context: DeployContext) -> Report:
    """Run a recipe over all of its deployments that change; a failure is in its report."""
    reports: list[Report] = []
    for batch in _batches([request.as_entry() for request in requests]):
        named = recipe.with_options(flow_run_name=f"{recipe.recipe_name} to {context.environment}: {len(batch)}")
        pinned = context.model_copy(update={"versions": plan.versions})
        try:
            reports.append(await _started(named, batch, pinned))
        except DeployFailed as failure:
            if not isinstance(failure.report, Report):
                raise
            reports.append(failure.report)
    return together(context.environment, reports)


async def _started(recipe: Recipe, entries: list[dict[str, Any]], context: DeployContext) -> Report:
    """Start the recipe's run, again where the server cannot be reached just then: Prefect itself would not."""
    async for attempt in tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(httpx.ConnectError),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=5),
        stop=tenacity.stop_after_delay(60),
        reraise=True,
    ):
        with attempt:
            return await recipe(deployments=entries, context=context)
    raise AssertionError("unreachable: tenacity either returns or raises")  # pragma: no cover


def _batches(entries: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Split entries so that each part fits into the parameters of a run."""
    batch: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        # A planned version goes along with each entry.
        cost = len(json.dumps(entry)) + 200
        if batch and size + cost > LARGEST_PARAMETERS:
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += cost
    if batch:
        yield batch


def _whole(plan: ProjectPlan, reports: Sequence[Report], context: DeployContext, *, dry_run: bool) -> Report:
    """One outcome for each deployment in the order of the project: what happened, else what was planned."""
    joined = together(context.environment, reports, dry_run=dry_run)
    happened: dict[str, Outcome] = {outcome.deployment: outcome for outcome in joined.outcomes}
    outcomes = [happened.get(planned.deployment, planned) for planned in plan.outcomes()]
    run_id = flow_run.get_id()
    return joined.model_copy(
        update={
            "outcomes": (*outcomes, *plan.refused()),
            "remarks": tuple(dict.fromkeys((*plan.remarks, *joined.remarks))),
            "run_url": ui_url("flow-run", run_id) if run_id else None,
            "plan": document(plan.batch.plan),
        }
    )


async def _show(report: Report, project: Project, server: PrefectServer) -> None:
    logger = get_run_logger()
    for remark in report.remarks:
        logger.warning("%s", remark)
    for outcome in report.failed:
        logger.error("%s failed: %s", outcome.deployment, outcome.detail)
    logger.info("%s in %s", report.count(), report.environment)
    description = f"Project {project.name} in {report.environment}: {report.count()}."
    await server.create_artifact(table_artifact(report, f"report-{project.name}-{report.environment}", description))
