"""Writes what was planned."""

from __future__ import annotations

import asyncio
import inspect
from uuid import UUID

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from meta_prefect.engine.code_in_image import check_built
from meta_prefect.engine.compare import PlannedComponent, PlannedDeployment, reported_as
from meta_prefect.engine.observed import RETRY_TEMPORARY_ERRORS
from meta_prefect.engine.progress import progress
from meta_prefect.engine.resolve import Draft
from meta_prefect.engine.write_limit import WriteTurn
from meta_prefect.errors import BuilderError, MovedError, RefusedError
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.changes import Create, Delete, Unchanged, Update
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.diff import is_after
from meta_prefect.server import PrefectServer


@task(
    name="ensure",
    task_run_name="ensure {planned}",
    **RETRY_TEMPORARY_ERRORS,
)
async def ensure_component(planned: PlannedComponent, server: PrefectServer) -> None:
    """Create or change a component."""
    component, live = planned.wanted, planned.live
    with reported_as(component):
        await _ensure(component, live, server)
    get_run_logger().info("%s: %s", type(planned.change).__name__.lower(), component)


async def _ensure(component: Component, live: Record | None, server: PrefectServer) -> None:
    try:
        await component.write(server, live)
    except RefusedError:
        # Someone may have created it since we looked; then it only has to be in the desired state.
        now = await component.read(server) if live is None else None
        if now is None:
            raise
        if tuple(component.compare(now)):
            await component.write(server, now)


@task(name="wait until ready", task_run_name="wait for {planned}", cache_policy=NO_CACHE)
async def wait_for_component(planned: PlannedComponent, server: PrefectServer) -> None:
    """Wait until a component is operational; runs concurrently with writing deployments."""
    with reported_as(planned.wanted):
        await planned.wanted.wait_until_ready(server)
    get_run_logger().info("%s is ready", planned.wanted)


@task(
    name="apply",
    task_run_name="apply {planned}",
    **RETRY_TEMPORARY_ERRORS,
)
async def apply_deployment(planned: PlannedDeployment, server: PrefectServer, turn: WriteTurn) -> str:
    """Write one deployment when it is its turn; return its id.

    Args:
        planned: The deployment to write.
        server: The Prefect API.
        turn: Its turn, which lasts until builders have acted.

    Raises:
        MovedError: The live deployment has changed since it was planned.
        ConfigurationError: Its image, built by this deploy, does not contain its flow.
    """
    if planned.has_moved:
        raise MovedError(
            "has been changed on the server since this deploy was planned",
            where=str(planned.change.subject),
            hint="Nothing of it was written. Deploy again: the plan then starts from what is there now.",
        )
    await check_built(planned.wanted)
    await turn.begin()
    progress().step(f"apply {planned}")
    written = await _write(planned, server)
    if not acting_builders(planned):
        await turn.end()
    return written


async def _write(planned: PlannedDeployment, server: PrefectServer) -> str:
    deployment = planned.wanted.deployment
    logger = get_run_logger()
    live = await _live_on_retry(planned, server)
    if live is not None and live is not planned.live and is_after(planned.change, live):
        logger.info("%s is as planned already: an earlier attempt has written it", planned)
        return live.id
    match planned.change:
        case Create(after=record):
            written = await server.create_deployment(deployment.flow.name, deployment.name, record)
            logger.info("created %s, version %s", planned, record["version"])
        case Update(fields=fields, changed=changed, renamed=renamed):
            assert live is not None, "an update has something to update"  # noqa: S101 - for the type checker
            await server.update_deployment(live, changed, renamed)
            logger.info("updated %s: %s", planned, ", ".join(field.path for field in fields))
            written = live.id
        case Unchanged() | Delete():
            raise MovedError("is not to be written", where=str(planned.change.subject))
    if planned.predecessor is not None:
        await remove_predecessor(planned.predecessor, server)
    return written


async def remove_predecessor(old: LiveDeployment, server: PrefectServer) -> None:
    """Delete the deployment that another one replaces."""
    await server.delete_deployment(old)
    get_run_logger().info("deleted %s, whose place another one takes", old.full_name)


async def _live_on_retry(planned: PlannedDeployment, server: PrefectServer) -> LiveDeployment | None:
    """Return the live deployment, read again if an earlier attempt may have written all or part of it."""
    if int(task_run.get_run_count() or 0) <= 1:
        return planned.live
    return await server.read_deployment(str(planned)) or planned.live


class AfterStep:
    """A builder's hook to run after its deployment was written."""

    def __init__(self, builder: FlowBuilderInterface, draft: Draft, deployment_id: str) -> None:
        self.builder = builder
        self.deployment: Deployment = draft.deployment.model_copy(update={"id": UUID(deployment_id)})
        self._within = draft.within(builder)

    def act(self) -> object:
        """Call the hook."""
        with self._within():
            return self.builder.after_deployment(self.deployment.private_copy())

    def __str__(self) -> str:
        return f"{self.builder.title} after {self.deployment.full_name}"


@task(name="after deployment", task_run_name="{step}", cache_policy=NO_CACHE)
async def act_after_deployment(step: AfterStep) -> None:
    """Call a builder's hook after its deployment was written."""
    try:
        # In a thread, because third-party code may block, or must not be called inside an event loop.
        made = await asyncio.to_thread(step.act)
        if inspect.isawaitable(made):
            await made
    except Exception as error:
        raise BuilderError(
            f"after_deployment raised {type(error).__name__}: {error}",
            where=f"builder {type(step.builder).__name__} of {step.deployment.full_name}",
        ) from error


def acting_builders(planned: PlannedDeployment) -> list[FlowBuilderInterface]:
    """Return the builders that override the hook."""
    nothing = FlowBuilderInterface.after_deployment
    return [builder for builder in planned.wanted.builders if type(builder).after_deployment is not nothing]
