"""Comparing what is wanted with what there is."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.components import Component, ComponentKey
from meta_prefect.interfaces.records import Record
from meta_prefect.plan.changes import Change, Plan
from meta_prefect.plan.diff import diff_component, diff_deployment
from meta_prefect.plan.records import LiveDeployment
from meta_prefect.plan.resolving import Draft, shared_components
from meta_prefect.server import PrefectServer, Reader
from meta_prefect.steps.retrying import RETRY_DELAYS_SECONDS, may_go_away


# The classes below are no dataclasses on purpose: Prefect searches those, member by member, for futures when they are a task's
# parameter.


class PlannedComponent:
    """A component with what there is of it and what is to happen."""

    def __init__(self, component: Component, live: Record | None, change: Change) -> None:
        self.component = component
        self.live = live
        self.change = change

    def __str__(self) -> str:
        return str(self.component)


class PlannedDeployment:
    """A deployment with what there is of it and what is to happen."""

    def __init__(self, draft: Draft, live: LiveDeployment | None, change: Change) -> None:
        self.draft = draft
        self.live = live
        self.change = change

    def __str__(self) -> str:
        return self.draft.deployment.full_name


class DraftBatch:
    """Drafts as one parameter of a task."""

    def __init__(self, items: Sequence[Draft]) -> None:
        self.items = tuple(items)


class PlannedBatch:
    """What a deploy will do, with all that is needed to do it.

    Args:
        components: In the order in which they are written.
        deployments: In the order in which they were asked for.
    """

    def __init__(self, components: Sequence[PlannedComponent], deployments: Sequence[PlannedDeployment]) -> None:
        self.components = tuple(components)
        self.deployments = tuple(deployments)

    @property
    def plan(self) -> Plan:
        """The plan alone, as a value."""
        return Plan(
            tuple(planned.change for planned in self.components),
            tuple(planned.change for planned in self.deployments),
        )


async def compare(drafts: Sequence[Draft], server: Reader) -> PlannedBatch:
    """Read what there is, in batches, and compare. What cannot be planned becomes its draft's error; reads only."""
    sound = [draft for draft in drafts if draft.error is None]
    components, broken = await _compare_components(sound, server)
    sound = [draft for draft in sound if draft.error is None]
    names = [(draft.deployment.flow.name, draft.deployment.name) for draft in sound]
    live = await server.read_deployments(names)
    deployments: list[PlannedDeployment] = []
    for draft in sound:
        unusable = next((broken[component.key] for component in draft.components if component.key in broken), None)
        if unusable is not None:
            draft.error = unusable
            continue
        try:
            before = live.get(draft.deployment.full_name)
            deployments.append(PlannedDeployment(draft, before, diff_deployment(draft.deployment, before)))
        except ConfigurationError as error:
            draft.error = error
    return PlannedBatch(components, deployments)


async def _compare_components(
    drafts: Sequence[Draft], server: Reader
) -> tuple[list[PlannedComponent], dict[ComponentKey, ConfigurationError]]:
    planned: list[PlannedComponent] = []
    broken: dict[ComponentKey, ConfigurationError] = {}
    for component in shared_components(drafts):
        live = await component.read(server)
        try:
            planned.append(PlannedComponent(component, live, diff_component(component, live)))
        except ConfigurationError as error:
            broken[component.key] = error
    return planned, broken


@task(
    name="compare with the server",
    task_run_name="compare with the server",
    cache_policy=NO_CACHE,
    retries=len(RETRY_DELAYS_SECONDS),
    retry_delay_seconds=RETRY_DELAYS_SECONDS,
    retry_condition_fn=may_go_away,
)
async def compare_observed(drafts: DraftBatch, server: PrefectServer) -> PlannedBatch:
    """Read what there is and compare, as a task."""
    batch = await compare(drafts.items, server)
    logger = get_run_logger()
    for change in batch.plan.writes:
        logger.info("%s: %s", type(change).__name__.lower(), change.subject)
    return batch
