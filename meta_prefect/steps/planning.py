"""Comparing what is wanted with what there is."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from meta_prefect.errors import BuilderError, ConfigurationError, MetaPrefectError
from meta_prefect.interfaces.components import Component, WorkerPool
from meta_prefect.interfaces.records import Record
from meta_prefect.plan.changes import Change, Plan
from meta_prefect.plan.checking import check_job_variables
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

    def __init__(
        self, draft: Draft, live: LiveDeployment | None, change: Change, predecessor: LiveDeployment | None = None
    ) -> None:
        self.draft = draft
        self.live = live
        self.change = change
        self.predecessor = predecessor

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
    components = await _compare_components(_sound(drafts), server)
    await _check_job_variables(_sound(drafts), components, server)
    sound = _sound(drafts)
    live = await server.read_deployments([pair for draft in sound for pair in _names(draft)])
    deployments: list[PlannedDeployment] = []
    for draft in sound:
        try:
            before = live.get(draft.deployment.full_name)
            old = live.get(draft.deployment.renamed_from or "") if before is None else None
            deployments.append(
                PlannedDeployment(draft, before, diff_deployment(draft.deployment, before, old), predecessor=old)
            )
        except ConfigurationError as error:
            draft.refuse(error)
    return PlannedBatch(components, deployments)


def _names(draft: Draft) -> list[tuple[str, str]]:
    """The flow and deployment names under which a deployment, or the one whose place it takes, is found."""
    names = [(draft.deployment.flow.name, draft.deployment.name)]
    if draft.deployment.renamed_from is not None:
        flow, _, name = draft.deployment.renamed_from.partition("/")
        names.append((flow, name))
    return names


def _sound(drafts: Sequence[Draft]) -> list[Draft]:
    return [draft for draft in drafts if not draft.errors]


async def _compare_components(drafts: Sequence[Draft], server: Reader) -> list[PlannedComponent]:
    planned: list[PlannedComponent] = []
    for component in shared_components(drafts):
        try:
            planned.append(await _compare_component(component, server))
        except ConfigurationError as error:
            for draft in drafts:
                if component.key in {needed.key for needed in draft.components}:
                    draft.errors.append(error)
    return planned


async def _compare_component(component: Component, server: Reader) -> PlannedComponent:
    try:
        live = None if server.is_empty else await component.read(server)
        return PlannedComponent(component, live, diff_component(component, live))
    except MetaPrefectError:
        raise
    except Exception as error:  # a component may be other people's code: what it raises is reported as its own
        raise BuilderError(f"{type(error).__name__}: {error}", where=str(component)) from error


async def _check_job_variables(drafts: Sequence[Draft], components: Sequence[PlannedComponent], server: Reader) -> None:
    """Check each deployment's job variables against its pool's template as it will be."""
    templates: dict[str, Record] = {}
    for planned in components:
        if isinstance(planned.component, WorkerPool):
            templates[planned.component.name] = await planned.component.template_to_be(server, planned.live)
    for draft in drafts:
        name = draft.deployment.work_pool_name or ""
        if name not in templates:
            if server.is_empty:
                continue
            pool = await WorkerPool(name=name).read(server)
            if pool is None:
                draft.refuse(
                    ConfigurationError(
                        f"there is no work pool {name!r}, and no builder brings one",
                        where=f"{draft.where}: {draft.deployment.full_name}",
                        hint="Create it, or let a builder require `WorkerPool(name=…, type=…)`.",
                    )
                )
                continue
            templates[name] = pool["base_job_template"]
        for error in check_job_variables(draft.deployment, templates[name]):
            draft.refuse(error)


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
