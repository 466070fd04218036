"""``deploy-project``: reads and plans a project, runs each recipe that has something to write, prunes and reports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from socket import gethostname
from typing import Any, Final

import httpx
import tenacity
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from meta_prefect.engine.approval import ask
from meta_prefect.engine.cancelled import tidy_up_after_cancelling
from meta_prefect.engine.form import (
    Adopt,
    Bump,
    DryRun,
    EnvironmentName,
    Expires,
    Force,
    LocalCode,
    MaxDeletes,
    Names,
    NewEnvironment,
    OnError,
    OnErrorPolicy,
    OnlyChanged,
    Patterns,
    PlanRun,
    ProjectPath,
    Prune,
    Revision,
    Tags,
    Version,
)
from meta_prefect.engine.gates import check_gates, check_server
from meta_prefect.engine.holds import end_holds
from meta_prefect.engine.leaving import remove_leaving
from meta_prefect.engine.observed import (
    RETRY_TEMPORARY_ERRORS,
    ending_in_words,
    name_run,
    named_after_project,
    present_run,
)
from meta_prefect.engine.plan_input import PlanInput, read_expiry, read_plan_input
from meta_prefect.engine.progress import progress
from meta_prefect.engine.project_history import show_project_history
from meta_prefect.engine.project_plan import PlannedRequest, ProjectPlan, Resolved, plan_resolved, resolve_observed
from meta_prefect.engine.prune import prune_orphans
from meta_prefect.engine.report_artifact import show_report
from meta_prefect.engine.source import given_policies, project_folder
from meta_prefect.engine.undo import undo
from meta_prefect.errors import DeployFailed, MovedError, ValidationFailed, grouped_messages
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.markdown import escaped
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.tags import DEPLOYERS, deployers_of
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.changes import Unchanged, records_of
from meta_prefect.plan.code_moves import in_words, refused
from meta_prefect.plan.outcomes import counted
from meta_prefect.plan.saved_plan import DeployOptions, SavedPlan, check_still_holds
from meta_prefect.project import Enforcement, read_project
from meta_prefect.recipes import Recipe
from meta_prefect.recipes.deploy_flow import deploy_flow
from meta_prefect.report.plan_json import document
from meta_prefect.report.plan_text import markdown, sections
from meta_prefect.report.report import Outcome, Report, together
from meta_prefect.server import PrefectServer, connect
from meta_prefect.settings import read_settings
from meta_prefect.state.lock import turn
from meta_prefect.state.previews import keep_preview
from meta_prefect.state.saved_plans import plan_of_earlier_attempt, read_plan, settle_plan, store_plan, unfinished_plan
from meta_prefect.state.sealing_key import share_key

MAX_PARAMETERS_SIZE: Final = 400_000
"""Maximum size of a recipe run's parameters, in bytes of JSON; Prefect rejects more than 524,288."""

MAX_QUESTION_LENGTH: Final = 20_000
"""How many characters of a plan to show in the approval form; the complete plan is an artifact."""

_NAMED: Final = 2
"""How many of the selected names to show in the run's name; all are in its parameters."""

_LINES: Final = 100
"""How many lines of a plan to log as one record: Prefect Cloud counts records, and allows 25,000 characters in each."""

_MAX_NAMED_FAILURES: Final = 5
"""How many failures to name in the run's state; all are in its report."""


@deploy_flow(
    name="deploy-project",
    flow_run_name=named_after_project("deploy", dry_verb="plan"),
    on_cancellation=[tidy_up_after_cancelling],
)
@ending_in_words
async def deploy_project(
    path: ProjectPath = ".",
    environment: EnvironmentName = None,
    revision: Revision = None,
    names: Names = [],  # noqa: B006 - Prefect reads the default into the form, and nothing changes it
    select: Patterns = [],  # noqa: B006
    tags: Tags = [],  # noqa: B006
    version: Version = None,
    dry_run: DryRun = False,
    on_error: OnError = "stop",
    only_changed: OnlyChanged = False,
    bump: Bump = False,
    adopt: Adopt = False,
    local_code: LocalCode = False,
    new_environment: NewEnvironment = False,
    expires: Expires = None,
    prune: Prune = False,
    max_deletes: MaxDeletes = None,
    force: Force = False,
    plan: PlanRun = None,
) -> Report:
    """Deploy a project: every deployment that its `meta_prefect.yaml` asks for.

    Nothing is written before everything has been checked. What is on the server as wanted already is not touched. Two deploys
    of one project to one environment take turns. A retry of this run carries on where it was, with the same versions.

    Raises:
        ValidationFailed: Something is wrong with the project; nothing was written.
        MovedError: The recorded plan does not hold any more; nothing was written.
        NotApproved: A person has rejected it, or nobody answered in time; nothing was written.
        DeployFailed: Some deployments could not be written; it carries the report.
    """
    asked = DeployOptions(
        names=tuple(names),
        select=tuple(select),
        tags=tuple(tags),
        version=version or None,
        only_changed=only_changed,
        bump=bump,
        adopt=adopt,
        local_code=local_code,
        new_environment=new_environment,
        expires=read_expiry(expires),
        prune=prune,
        max_deletes=max_deletes,
    )
    async with connect(LocalHost(start_worker=read_settings().start_worker)) as server:
        recorded = await read_plan(plan, server) if plan else None
        earlier = recorded or await plan_of_earlier_attempt(asked, server)
        # An empty form field is sent as an empty text.
        async with project_folder(path, revision or None, server, earlier) as folder:
            enforced = await given_policies(server)
            inputs = await read(folder, environment, asked, earlier, enforced)
            await name_run(inputs.context, "plan" if dry_run else "deploy", server, more=selected(inputs))

            async def again() -> PlanInput:
                return await read(folder, environment, asked, None, enforced)

            report = await deploy_as_approved(
                inputs, recorded, server, again, dry_run=dry_run, on_error=on_error, force=force
            )
    return succeeded(report)


async def deploy_as_approved(
    inputs: PlanInput,
    recorded: SavedPlan | None,
    server: PrefectServer,
    again: Callable[[], Awaitable[PlanInput]],
    *,
    dry_run: bool,
    on_error: OnErrorPolicy,
    force: bool = False,
) -> Report:
    """Deploy, or only plan; if approval is required, deploy exactly the approved plan or nothing.

    Args:
        inputs: What to deploy.
        recorded: The saved plan that must still be valid, if any.
        server: The Prefect API.
        again: Reads the project again, to plan and ask once more if the approved plan is no longer valid.
        dry_run: Whether to stop before the first write.
        on_error: What to do about errors.
        force: Whether to prune without waiting for active runs.
    """
    asked_for = recorded
    if not dry_run:
        inputs, recorded = await approved(inputs, recorded, server, on_error=on_error)
    while True:
        taking_turns = turn(server, inputs.project.name, inputs.context.environment, waiting=progress().wait)
        try:
            async with nullcontext() if dry_run else taking_turns:
                return await plan_and_apply(inputs, recorded, server, dry_run=dry_run, on_error=on_error, force=force)
        except MovedError as moved:
            if asked_for is not None or inputs.context.approval is None:
                raise
            get_run_logger().warning("what was approved does not hold any more, so it is asked again: %s", moved)
            inputs, recorded = await approved(await again(), None, server, on_error=on_error)


async def approved(
    inputs: PlanInput, recorded: SavedPlan | None, server: PrefectServer, *, on_error: OnErrorPolicy
) -> tuple[PlanInput, SavedPlan | None]:
    """Have a person approve the plan if the environment requires it; no lock is held meanwhile.

    Args:
        inputs: What to deploy.
        recorded: The saved plan that must still be valid, if any.
        server: The Prefect API.
        on_error: What to do about errors.

    Returns:
        The same input; if it was approved, with the approved plan, which must then be valid.

    Raises:
        ValidationFailed: The project is invalid, or may not be deployed from here.
        NotApproved: The plan was rejected, or nobody answered in time.
    """
    project, earlier = inputs.project, inputs.earlier
    environment = project.environments.find(inputs.context.environment)
    rule = environment.says.approval if environment is not None else None
    if environment is None or rule is None or (earlier is not None and earlier.stage != "planned"):
        return inputs, recorded
    check_gates(project, environment.name)
    check_server(project, environment.name)
    about = "The plan is among the artifacts of this run."
    if earlier is None:
        planned = (await make_plan(inputs, server, completing=False)).to_be_applied()
        if planned.errors and on_error != "keep-going":
            raise ValidationFailed(planned.errors)
        if not planned.has_work:
            return inputs, recorded
        earlier = planned.recorded(dry_run=True)
        await store_plan(earlier, server)
        plan = document(planned.batch.plan)
        source, commit = inputs.context.promoted_from, inputs.context.commit
        what = f"Deploy {project.name}" if source is None else f"Promote {project.name} from {source}"
        first = () if commit is None else (f"commit {short_commit(commit)}",)
        about = markdown(plan, f"{what} to {environment.name}", first, longest=MAX_QUESTION_LENGTH)
    approval = await ask(earlier, about, environment, rule, server)
    answered = earlier.model_copy(update={"approval": approval})
    return inputs.following(answered), answered


def selected(inputs: PlanInput) -> str:
    """Describe the selection for the run's name, if it is only a part of the project: ``load-orders, report/* and 3 more``."""
    asked = (*inputs.asked.names, *inputs.asked.select)
    more = len(asked) - _NAMED
    return f"{', '.join(asked[:_NAMED])}{f' and {more} more' if more > 0 else ''}"


def succeeded(report: Report) -> Report:
    """Fail the run if a deployment failed.

    Raises:
        DeployFailed: Some deployments could not be written.
    """
    if report.failed:
        failures = "\n".join(
            f"  {outcome.deployment}: {outcome.detail}" for outcome in report.failed[:_MAX_NAMED_FAILURES]
        )
        more = (
            f"\n  and {len(report.failed) - _MAX_NAMED_FAILURES} more"
            if len(report.failed) > _MAX_NAMED_FAILURES
            else ""
        )
        raise DeployFailed(f"{counted(len(report.failed), 'deployment')} failed:\n{failures}{more}", report=report)
    return report


async def plan_and_apply(
    inputs: PlanInput,
    recorded: SavedPlan | None,
    server: PrefectServer,
    *,
    dry_run: bool,
    on_error: OnErrorPolicy,
    force: bool,
) -> Report:
    """Plan, and apply the plan unless this is a dry run.

    Args:
        inputs: What to deploy.
        recorded: The saved plan that must still be valid, if any.
        server: The Prefect API.
        dry_run: Whether to stop before the first write.
        on_error: What to do about errors.
        force: Whether to prune without waiting for active runs.

    Raises:
        ValidationFailed: The project is invalid; nothing was written.
        MovedError: The saved plan is no longer valid; nothing was written.
    """
    if not dry_run:
        check_gates(inputs.project, inputs.context.environment)
        check_server(inputs.project, inputs.context.environment)
    planned = await make_plan(inputs, server, completing=not dry_run and inputs.earlier is None)
    if not dry_run:
        planned = planned.to_be_applied()
    if planned.errors and on_error != "keep-going":
        raise ValidationFailed(planned.errors)
    if recorded is not None:
        check_still_holds(recorded, planned.states(recorded.sealed_with))
    if not dry_run:
        await check_code_stays(planned, inputs, server)
        if inputs.expires is not None:
            await keep_preview(inputs.project.name, inputs.context.environment, inputs.expires, server)
    note = planned.recorded(dry_run=dry_run)
    artifact_id = await store_plan(note, server)
    reports = [] if dry_run else await _run_recipes(planned, on_error)
    report = _whole(planned, reports, dry_run=dry_run)
    if not dry_run:
        report = await _completed(planned, report, server, on_error=on_error, force=force)
    if note.stage == "started":
        await settle_plan(artifact_id, note, [outcome.deployment for outcome in report.failed], server)
    await show_project_report(report, planned.context, server)
    if reports and inputs.project.environments:
        await show_project_history(inputs.project.names, server)
    return report


async def _completed(
    planned: ProjectPlan, report: Report, server: PrefectServer, *, on_error: OnErrorPolicy, force: bool
) -> Report:
    """Do what follows the writes: remove what is no longer needed, or restore everything."""
    if report.failed and on_error == "atomic":
        report = await undo(planned, report, server)
    else:
        report = await prune_orphans(planned, report, server, force=force)
        report = await remove_leaving(planned.batch, report, server)
    return await end_holds(planned.batch, report, server)


async def check_code_stays(planned: ProjectPlan, inputs: PlanInput, server: PrefectServer) -> None:
    """Prevent silently tying the code of a deployer's deployments to a single host.

    Raises:
        ValidationFailed: This deploy would do that.
    """
    error = None if inputs.asked.local_code else refused(planned.moves, gethostname())
    if error is not None and await server.read_owned(deployers_of(inputs.project.names), DEPLOYERS):
        raise ValidationFailed([error])


@task(name="read project", task_run_name="read project", cache_policy=NO_CACHE)
async def read(
    path: Path,
    environment: str | None,
    asked: DeployOptions,
    earlier: SavedPlan | None,
    enforced: Enforcement | None = None,
) -> PlanInput:
    """Read the project file, find its flows and recipes, check every entry.

    Args:
        path: The project's folder, or a file in it.
        environment: The requested environment.
        asked: The other options.
        earlier: The saved plan to apply or continue, whose options and fixed values apply.
        enforced: Policies enforced whatever the project says.
    """
    progress().step("read project")
    project = read_project(path, required=False)
    inputs = read_plan_input(project, path, environment, asked, earlier, enforced=enforced)
    logger = get_run_logger()
    logger.info(
        "Project %s: %s asked for in %s",
        inputs.project.name,
        counted(len(inputs.requested.requests), "deployment"),
        inputs.context.environment,
    )
    if earlier is not None:
        logger.info("with the plan that run %s made at %s", earlier.run_id, earlier.now.isoformat(" ", "seconds"))
    return inputs


async def make_plan(inputs: PlanInput, server: PrefectServer, *, completing: bool) -> ProjectPlan:
    """Resolve in memory, each kind of builder as a task, compare with the server, and publish the plan as an artifact.

    Args:
        inputs: What to plan.
        server: The Prefect API.
        completing: Whether to continue an earlier unfinished deploy if this repeats it.
    """
    progress().step("plan")
    resolved, unfinished = await asyncio.gather(
        resolve_observed(inputs, server.host), _unfinished(inputs, server, completing=completing)
    )
    if unfinished is not None and resolved.completes(unfinished):
        get_run_logger().info("completing the deploy of run %s, with its versions", unfinished.run_id)
    return await compare_resolved(resolved, server)


@task(
    name="plan",
    task_run_name="plan",
    **RETRY_TEMPORARY_ERRORS,
)
async def compare_resolved(resolved: Resolved, server: PrefectServer) -> ProjectPlan:
    """Compare the desired state with the server, and publish the plan as an artifact."""
    logger = get_run_logger()
    planned = await plan_resolved(resolved, server)
    await share_key((record for change in planned.batch.plan for record in records_of(change)), server)
    for text in grouped_messages(planned.errors):
        logger.error("%s", text)
    moves = tuple(in_words(planned.moves, gethostname()))
    for move in moves:
        logger.warning("%s", move)
    plan = document(planned.batch.plan)
    lines = [f"{section.mark} {section.title}" for section in sections(plan)]
    for start in range(0, len(lines), _LINES):
        # Many lines per record, because Prefect Cloud counts records.
        logger.info("%s", "\n".join(lines[start : start + _LINES]))
    project, environment = planned.context.project, planned.context.environment
    await server.create_artifact(
        {
            "type": "markdown",
            "key": artifact_key(f"plan-{project}-{environment}"),
            "description": plan.count(),
            "data": markdown(plan, f"Plan for {project} in {environment}", moves),
        }
    )
    return planned


async def _unfinished(inputs: PlanInput, server: PrefectServer, *, completing: bool) -> SavedPlan | None:
    return await unfinished_plan(inputs.project.name, inputs.context.environment, server) if completing else None


async def _run_recipes(planned: ProjectPlan, on_error: OnErrorPolicy) -> list[Report]:
    """Run each recipe that has something to write; with ``--atomic``, none is started after a failure."""
    progress().plan([str(one) for one in planned.batch.deployments if not isinstance(one.change, Unchanged)])
    # What is fixed per deployment is in the plan, and may exceed the size limit of a parameter.
    shown = planned.context.model_copy(update={"versions": dict[str, str](), "unsettled": ()})
    context = shown.model_copy(update={"stop_at_failure": on_error == "atomic"})
    reports: list[Report] = []
    for recipe, items in planned.by_recipe():
        if not (context.stop_at_failure and any(report.failed for report in reports)):
            reports.append(await _run(recipe, items, planned, context))
    return reports


async def _run(recipe: Recipe, items: Sequence[PlannedRequest], planned: ProjectPlan, context: DeployContext) -> Report:
    """Run a recipe over all of its changed deployments; failures are in its report."""
    reports: list[Report] = []
    for batch in _batches(items):
        part = planned.part([one for _, one in batch])
        named = recipe.carrying_out(part, f"{recipe.recipe_name} to {context.environment}: {len(batch)}")
        try:
            reports.append(await _started(named, [request.as_entry() for request, _ in batch], context))
        except DeployFailed as failure:
            reports.append(failure.report)
    return together(context.environment, reports)


async def _started(recipe: Recipe, entries: list[dict[str, Any]], context: DeployContext) -> Report:
    """Start the recipe's run, retrying while the server is unreachable, which Prefect itself would not do."""
    async for attempt in tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(httpx.ConnectError),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=5),
        stop=tenacity.stop_after_delay(60),
        reraise=True,
    ):
        with attempt:
            # As a state: after a successful retry, Prefect would still raise the first attempt's exception.
            state: Any = await recipe(deployments=entries, context=context, return_state=True)
            return await state.aresult()
    raise AssertionError("unreachable: tenacity either returns or raises")  # pragma: no cover


def _batches(items: Sequence[PlannedRequest]) -> Iterator[list[PlannedRequest]]:
    """Split requests into batches that fit into a run's parameters."""
    batch: list[PlannedRequest] = []
    size = 0
    for item in items:
        cost = len(json.dumps(item[0].as_entry()))
        if batch and size + cost > MAX_PARAMETERS_SIZE:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += cost
    if batch:
        yield batch


def _whole(planned: ProjectPlan, reports: Sequence[Report], *, dry_run: bool) -> Report:
    """Combine reports into one outcome per deployment, in the project's order: what happened, else what was planned."""
    joined = together(planned.context.environment, reports, dry_run=dry_run)
    happened: dict[str, Outcome] = {outcome.deployment: outcome for outcome in joined.outcomes}
    foreseen = planned.outcomes(dry_run=dry_run)
    run_id, run_url = present_run()
    return joined.model_copy(
        update={
            "outcomes": (*(happened.get(one.deployment, one) for one in foreseen), *planned.refused()),
            "remarks": (*_approval(planned.context), *planned.remarks(dry_run=dry_run)),
            "run_id": run_id,
            "run_url": run_url,
            "plan": document(planned.batch.plan, run_id),
        }
    )


def _approval(context: DeployContext) -> list[str]:
    return [] if context.approval is None else [str(context.approval)]


async def show_project_report(report: Report, context: DeployContext, server: PrefectServer) -> None:
    """Store a project's report as an artifact of its run."""
    key = f"report-{context.project}-{report.environment}"
    description = f"Project {escaped(context.project)} in {escaped(report.environment)}: {report.count()}."
    await show_report(report, key, description, context.project, context.commit, server)
