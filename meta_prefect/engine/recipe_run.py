"""The run of one recipe: build, compare, ensure, apply, report."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from meta_prefect.engine.apply import (
    AfterStep,
    act_after_deployment,
    acting_builders,
    apply_deployment,
    ensure_component,
    wait_for_component,
)
from meta_prefect.engine.compare import (
    PlannedBatch,
    PlannedComponent,
    PlannedDeployment,
    compare_observed,
    compare_with_plan,
)
from meta_prefect.engine.context import new_context
from meta_prefect.engine.drafts import DeploymentRequest, draft
from meta_prefect.engine.holds import end_holds
from meta_prefect.engine.leaving import find_leaving, remove_leaving
from meta_prefect.engine.observed import name_run
from meta_prefect.engine.policies import PoliciesInForce, policies_in_force
from meta_prefect.engine.progress import progress
from meta_prefect.engine.report_artifact import show_report
from meta_prefect.engine.resolve import Draft, build_observed, needed_by
from meta_prefect.engine.smoke import prove
from meta_prefect.engine.source import given_policies, given_source
from meta_prefect.engine.write_limit import AHEAD, WriteLimit, each
from meta_prefect.errors import ConfigurationError, DeployFailed, MetaPrefectError, MovedError, ValidationFailed
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.interfaces.components import ComponentKey
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.markdown import code
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.changes import Change, Create, Held, Unchanged, Update
from meta_prefect.plan.deployment_record import desired_record
from meta_prefect.plan.ledger import LedgerEntry, PageHead, deleted, entry_of
from meta_prefect.plan.outcomes import Action, counted, done_action
from meta_prefect.plan.remarks import remarks_of, was_shown_before
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.project import part_around, read_project
from meta_prefect.recipes.recipe import Recipe
from meta_prefect.report import Outcome, Report
from meta_prefect.report.events import announce_report
from meta_prefect.server import PrefectServer, connect, ui_url
from meta_prefect.state.ledger import begin_page
from meta_prefect.texts import presentable


async def run_recipe(
    recipe: Recipe,
    entries: Sequence[Any],
    context: DeployContext | None,
    environment: str | None = None,
    part: PlannedBatch | None = None,
) -> Report:
    """Deploy a list of entries; the body of every recipe's flow.

    Args:
        recipe: The recipe.
        entries: Entries, each with ``flow`` and ``variables``; validated unless ``part`` is given.
        context: The deploy that this run is part of; None to create one for the current folder.
        environment: The environment, if there is no such deploy.
        part: What the deploy has planned for this run; None to plan the entries here.

    Raises:
        ValidationFailed: An entry is invalid; nothing was written.
        DeployFailed: Some deployments could not be written.
    """
    is_alone = context is None
    if context is None:
        context = await _own_context(environment, f"{len(entries)} by {recipe.recipe_name}")
    async with connect(LocalHost(start_worker=context.start_worker)) as server:
        if part is None:
            batch = await _planned(recipe, entries, context, server)
        else:
            batch = await compare_with_plan(whole(part), server)
        written = [one for one in batch.deployments if not one.has_moved]
        entries = [entry for planned in written for entry in _entries(planned)]
        page = await begin_page(PageHead.of(context, recipe.recipe_name), entries, server) if entries else None
        report = await _write(recipe, batch, server, context)
        if page is not None:
            await page.close(_written(batch, report), {one.deployment: one.id for one in report.outcomes if one.id})
        if is_alone:
            report = await remove_leaving(batch, report, server)
            report = await end_holds(batch, report, server)
        key = f"report-{context.project}-{report.environment}-{recipe.recipe_name}"
        description = f"Deployed by {code(recipe.recipe_name)}: {report.in_one_line}."
        by = None if page is None else page.by
        await show_report(report, key, description, context.project, context.commit, server, by=by)
        announce_report(report, context.project)
    if report.failed:
        raise DeployFailed(_failure_message(report), report=report)
    return report


async def _own_context(environment: str | None, description: str) -> DeployContext:
    """Create the context of a standalone run, for the project in the current folder, and name the run after it."""
    async with connect(LocalHost()) as server:
        await given_source(server)
        project = read_project(Path.cwd(), required=False)
        context = new_context(project.root, project.names, called=project.environments.called, environment=environment)
        if (described := project.environments.find(context.environment)) is not None:
            context = context.model_copy(update={"smoke": described.says.smoke})
        await name_run(context, "deploy", server, more=description)
    return context


async def _planned(
    recipe: Recipe, entries: Sequence[Any], context: DeployContext, server: PrefectServer
) -> PlannedBatch:
    """Plan entries that are not part of a planned deploy.

    Raises:
        ValidationFailed: An entry is invalid.
    """
    flows = ProjectFlows(Path(context.source), from_source=False)
    drafts: list[Draft] = []
    errors: list[ConfigurationError] = []
    for entry in entries:
        match draft(_request(recipe, entry, Path(context.source)), context, flows):
            case Draft() as begun:
                drafts.append(begun)
            case error:
                errors.append(error)
    if errors:
        raise ValidationFailed(errors)
    await build_observed(drafts, server.host)
    _refuse(drafts)
    policies = await _policies(flows, context, server)
    batch = (await compare_observed(whole(drafts), server, whole(policies))).without_unmanaged()
    _refuse(drafts)
    leaving = await find_leaving(batch, (), (context.names, context.environment), server, is_whole=False)
    return replace(batch, leaving=leaving)


async def _policies(flows: ProjectFlows, context: DeployContext, server: PrefectServer) -> PoliciesInForce:
    """Return the policies for a standalone run, the same as for a deploy of the project.

    Raises:
        ValidationFailed: A policy cannot be put into force.
    """
    project = read_project(Path(context.source), required=False)
    policies, errors = policies_in_force(project, flows, await given_policies(server), context.now)
    if errors:
        raise ValidationFailed(errors)
    return policies


def _request(recipe: Recipe, entry: Any, root: Path) -> DeploymentRequest:
    """Convert an entry to a request; a file belongs to the part of the project with the nearest project file."""
    file, colon, flow = entry.flow.rpartition(":")
    folder = part_around(root, file) if file.endswith(".py") else Path()
    entrypoint = f"{PurePath(file).relative_to(folder).as_posix()}{colon}{flow}" if folder.parts else entry.flow
    return DeploymentRequest(recipe, entrypoint, entry.variables, where=entry.flow, folder=folder)


def _refuse(drafts: Sequence[Draft]) -> None:
    if errors := [error for draft in drafts for error in draft.errors]:
        raise ValidationFailed(errors)


async def _write(recipe: Recipe, batch: PlannedBatch, server: PrefectServer, context: DeployContext) -> Report:
    """Write the differences: components first, then deployments, while workers start."""
    components = [planned for planned in batch.components if not isinstance(planned.change, Unchanged)]
    first = [planned for planned in components if not planned.wanted.after_deployments]
    last = [planned for planned in components if planned.wanted.after_deployments]
    deployments = [planned for planned in batch.deployments if not isinstance(planned.change, Unchanged)]
    progress().expect(len(components) + len(deployments))
    broken: dict[ComponentKey, Exception] = {}
    await _ensure(first, server, broken)
    ready = [planned for planned in first if planned.wanted.key not in broken]
    waiting = asyncio.gather(*(_noting_failure(wait_for_component(whole(one), server), one, broken) for one in ready))
    width = WriteLimit(lambda: server.overloads)
    # If a failure stops the rest, start nothing before its predecessors have finished.
    ahead = 0 if context.stop_at_failure else AHEAD
    try:
        failed: list[Outcome] = []

        async def write(planned: PlannedDeployment) -> Outcome:
            if context.stop_at_failure and failed:
                return _outcome(recipe, planned, "not written", detail="another deployment failed")
            outcome = await _apply(recipe, planned, server, width, broken)
            if not isinstance(planned.change, Unchanged):
                progress().wrote(str(planned), outcome.action)
            failed.extend([outcome] if outcome.action == "failed" else [])
            return outcome

        written = await each(batch.deployments, write, width, ahead=ahead)
        if any(one.smoke for one in batch.deployments):
            await waiting
            tried = list(zip(batch.deployments, written, strict=True))
            written = await prove(tried, context, server, partial(_why_it_cannot_run, broken=broken))
            left = needed_by(one.wanted for (one, _), now in zip(tried, written, strict=True) if not _is_back(one, now))
            last = [one for one in last if one.wanted.key in left]
        await _ensure(last, server, broken)
    finally:
        progress().step("wait until everything is ready")
        await waiting
    outcomes = [_blaming(outcome, planned, broken) for outcome, planned in zip(written, batch.deployments, strict=True)]
    return Report(
        environment=context.environment,
        outcomes=tuple(outcomes),
        components=tuple(_component_line(planned, broken) for planned in components),
        remarks=tuple(map(str, remarks_of(change for change in batch.plan if not was_shown_before(change)))),
    )


async def _ensure(
    components: Sequence[PlannedComponent], server: PrefectServer, broken: dict[ComponentKey, Exception]
) -> None:
    for planned in components:
        progress().step(f"ensure {planned}")
        await _noting_failure(ensure_component(whole(planned), server), planned, broken)
        progress().wrote(*_component_line(planned, broken))


async def _noting_failure(writing: Any, planned: PlannedComponent, broken: dict[ComponentKey, Exception]) -> None:
    try:
        await writing
    except Exception as error:  # noqa: BLE001 - a component is other people's code; its run holds the traceback
        broken[planned.wanted.key] = error


async def _apply(
    recipe: Recipe,
    planned: PlannedDeployment,
    server: PrefectServer,
    width: WriteLimit,
    broken: dict[ComponentKey, Exception],
) -> Outcome:
    """Write one deployment and call its builders' hooks; a failure affects only this one."""
    unusable = _broken_component(planned, broken)
    if unusable is not None:
        return _outcome(recipe, planned, "failed", detail=_told(unusable))
    deployment_id: str | None = None
    if isinstance(planned.change, Held):
        return _outcome(recipe, planned, "held", planned.live.id if planned.live else None, planned.change.reason)
    if isinstance(planned.change, Unchanged) and not planned.has_moved:
        assert planned.live is not None, "what is unchanged is there"  # noqa: S101 - for the type checker
        deployment_id = planned.live.id
        if not planned.unsettled:
            return _outcome(recipe, planned, "unchanged", deployment_id, planned.change.reason)
    try:
        async with width.turn() as turn:
            if deployment_id is None:
                first = planned.on_trial() if planned.smoke else planned
                deployment_id = await apply_deployment(whole(first), server, turn)
            for builder in acting_builders(planned):
                await turn.begin()
                await act_after_deployment(AfterStep(builder, planned.wanted, deployment_id))
    except Exception as error:  # noqa: BLE001 - reported with the deployment; the task's run holds the traceback
        failed = _outcome(recipe, planned, "failed", deployment_id, _told(error))
        untouched = isinstance(planned.change, Unchanged) or isinstance(error, MovedError)
        return failed.model_copy(update={"tried": not untouched})
    if isinstance(planned.change, Unchanged):
        return _outcome(
            recipe, planned, "unchanged", deployment_id, f"{planned.change.reason}; its builders have acted"
        )
    done = _outcome(recipe, planned, done_action(planned.change), deployment_id, _what_changed(planned.change))
    return done.model_copy(update={"tried": True})


def _written(batch: PlannedBatch, report: Report) -> list[str]:
    """Return the deployments that are on the server as planned since this run, even if something failed afterwards.

    This includes the removal of replaced deployments.
    """
    pairs = zip(batch.deployments, report.outcomes, strict=True)
    written = [planned for planned, outcome in pairs if outcome.id and not isinstance(planned.change, Unchanged)]
    old = [planned.predecessor.full_name for planned in written if planned.predecessor is not None]
    return [*map(str, written), *old]


def _why_it_cannot_run(planned: PlannedDeployment, broken: dict[ComponentKey, Exception]) -> str | None:
    unusable = _broken_component(planned, broken)
    return None if unusable is None else f"its smoke run cannot start: {_told(unusable)}"


def _is_back(planned: PlannedDeployment, outcome: Outcome) -> bool:
    """Return whether it failed its smoke run and was restored."""
    return planned.smoke is not None and outcome.action == "failed"


def _broken_component(planned: PlannedDeployment, broken: dict[ComponentKey, Exception]) -> Exception | None:
    return next((broken[one.key] for one in planned.wanted.components if one.key in broken), None)


def _blaming(outcome: Outcome, planned: PlannedDeployment, broken: dict[ComponentKey, Exception]) -> Outcome:
    """Note that a deployment was written but cannot run, if its worker did not start."""
    unusable = _broken_component(planned, broken)
    if unusable is None or outcome.action == "failed":
        return outcome
    return outcome.model_copy(update={"action": "failed", "detail": f"{outcome.action}, but {_told(unusable)}"})


def _outcome(
    recipe: Recipe, planned: PlannedDeployment, action: Action, deployment_id: str | None = None, detail: str = ""
) -> Outcome:
    return Outcome(
        deployment=str(planned),
        recipe=recipe.recipe_name,
        action=action,
        version=_version(planned.change),
        detail=detail,
        id=deployment_id,
        url=ui_url("deployment", deployment_id) if deployment_id else None,
        open_parameters=planned.wanted.deployment.open_parameters,
    )


def _version(change: Change) -> str | None:
    match change:
        case Create(after=record) | Update(after=record) | Unchanged(live=record):
            return record.get("version")
        case _:
            return None


def _what_changed(change: Change) -> str:
    match change:
        case Update(fields=fields):
            return ", ".join(field.path for field in fields)
        case _:
            return ""


def _component_line(planned: PlannedComponent, broken: dict[ComponentKey, Exception]) -> tuple[str, str]:
    if planned.wanted.key in broken:
        return (str(planned), f"failed: {_told(broken[planned.wanted.key]).removeprefix(f'{planned}: ')}")
    created, updated = planned.wanted.verbs
    return (str(planned), created if isinstance(planned.change, Create) else updated)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, MetaPrefectError) else presentable(f"{type(error).__name__}: {error}")


def _failure_message(report: Report) -> str:
    first = report.failed[0]
    names = ", ".join(outcome.deployment for outcome in report.failed)
    all_of_them = counted(len(report.outcomes), "deployment")
    return f"{len(report.failed)} of {all_of_them} failed: {names}. First: {first.detail}"


def _entries(planned: PlannedDeployment) -> list[LedgerEntry]:
    """Return the ledger entries of a deployment and of the one it replaces."""
    entry = entry_of(planned.change, desired_record(planned.wanted.deployment, planned.live or planned.predecessor))
    if entry is None:
        return []
    if planned.trial is not None and planned.original != entry.before:
        # A deployment on trial has never counted.
        created = {"action": "created"} if planned.original is None else {}
        entry = entry.model_copy(update={"before": planned.original, **created})
    old = planned.predecessor
    return [entry] if old is None else [entry, deleted(old.full_name, old.record)]
