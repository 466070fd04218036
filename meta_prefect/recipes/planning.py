"""Planning a whole project in memory: every recipe, every builder, one comparison with the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from socket import gethostname

from prefect.runtime import flow_run

from meta_prefect.discovery.sharing import modules_of
from meta_prefect.errors import ConfigurationError, TargetError
from meta_prefect.interfaces.api import Host
from meta_prefect.interfaces.context import DeployContext, PlannedState
from meta_prefect.interfaces.tags import DEPLOYERS
from meta_prefect.plan.changes import Change, Delete, Held, Unchanged, Update
from meta_prefect.plan.code_moves import CodeMove, in_words, moves_of
from meta_prefect.plan.environments import check_environment
from meta_prefect.plan.explain import kept_versions
from meta_prefect.plan.holds import counting
from meta_prefect.plan.orphans import PlannedDeletion, check_deletions, orphans_of
from meta_prefect.plan.outcomes import planned_action
from meta_prefect.plan.recorded import RecordedPlan, fingerprint_of_wanted, state_of, states_of
from meta_prefect.plan.remarks import Remark, grouped, is_standing, remarks_of
from meta_prefect.plan.resolving import Draft
from meta_prefect.recipes.drafting import Request, draft
from meta_prefect.recipes.knowing import flows_of
from meta_prefect.recipes.order import Order
from meta_prefect.recipes.recipe import Recipe
from meta_prefect.recipes.requests import nothing_to_deploy
from meta_prefect.report import Outcome
from meta_prefect.server import Reader, ui_url
from meta_prefect.steps.building import build
from meta_prefect.steps.environments import known_environments
from meta_prefect.steps.planning import PlannedBatch, PlannedComponent, PlannedDeployment, compare
from meta_prefect.steps.writing import acting_builders


class ProjectPlan:
    """What a deploy of a project will do.

    Args:
        order: What was planned.
        requests: The sound requests, one for each of the batch's deployments.
        batch: What is to happen to each.
        errors: What is wrong with the others.
        notes: What else to know of the whole.
    """

    def __init__(
        self,
        order: Order,
        requests: Sequence[Request],
        batch: PlannedBatch,
        errors: Sequence[ConfigurationError],
        notes: Sequence[str] = (),
    ) -> None:
        self._notes = tuple(notes)
        self._order = order
        self.requests = tuple(requests)
        self.batch = batch
        self.errors = tuple(errors)
        self.wanted = fingerprint_of_wanted(planned.draft.deployment for planned in batch.deployments)

    @property
    def context(self) -> DeployContext:
        """The deploy."""
        return self._order.context

    @property
    def versions(self) -> dict[str, str]:
        """The versions that this plan fixed, by ``flow/deployment``."""
        return {
            change.subject.name: version
            for change in self.batch.plan.deployments
            if (version := planned_version(change)) is not None
        }

    @property
    def moves(self) -> tuple[CodeMove, ...]:
        """The deployments whose code moves to or from a folder."""
        return moves_of(self.batch.plan)

    @property
    def states(self) -> dict[str, PlannedState]:
        """What it saw of each object and makes of it."""
        return states_of(self.batch.plan)

    def recorded(self, *, dry_run: bool) -> RecordedPlan:
        """The plan as it is recorded."""
        context, run_id = self.context, flow_run.get_id()
        earlier = self._order.earlier
        return RecordedPlan(
            project=context.project,
            environment=context.environment,
            deploy_id=context.deploy_id,
            run_id=str(run_id) if run_id else None,
            now=context.now,
            commit=context.commit,
            asked=self._order.asked,
            # Of what is done already the version is needed as well, should this be retried once more.
            versions={**(earlier.versions if earlier is not None else {}), **self.versions},
            wanted=self.wanted,
            states=self.states,
            unsettled=tuple(str(one) for one in self.batch.deployments if self._has_to_act(one)),
            stage="planned" if dry_run else "started" if self._has_work else "finished",
        )

    @property
    def _has_work(self) -> bool:
        return bool(self.batch.plan.writes) or any(self._has_to_act(one) for one in self.batch.deployments)

    def _has_to_act(self, planned: PlannedDeployment) -> bool:
        """Whether builders have something to do once a deployment is written, or still have since an earlier attempt."""
        if isinstance(planned.change, Held) or not acting_builders(planned):
            return False
        return not isinstance(planned.change, Unchanged) or str(planned) in self.context.unsettled

    def completes(self, unfinished: RecordedPlan) -> bool:
        """Whether this is the deploy over again that made a plan and did not finish it."""
        return unfinished.wanted == self.wanted and unfinished.asked == self._order.asked

    def pinned(self, requests: Sequence[Request], context: DeployContext) -> DeployContext:
        """The context of a recipe's run for some requests: with what this plan fixed and saw of their deployments."""
        meant = {id(request) for request in requests}
        pairs = zip(self.requests, self.batch.deployments, strict=True)
        changes = [planned.change for request, planned in pairs if id(request) in meant]
        versions = {**context.versions, **self.versions}
        names = [change.subject.name for change in changes]
        return context.model_copy(
            update={
                "versions": {name: versions[name] for name in names if name in versions},
                "planned": {change.subject.name: state_of(change) for change in changes},
                "unsettled": tuple(name for name in names if name in context.unsettled),
            }
        )

    def by_recipe(self) -> list[tuple[Recipe, list[Request]]]:
        """The requests that lead to a write, by recipe in the order of the project.

        An unchanged deployment goes along where something that it needs is to be written, such as a worker that died, or
        where its builders still have to act.
        """
        needed = {
            planned.component.key for planned in self.batch.components if not isinstance(planned.change, Unchanged)
        }
        groups: dict[int, tuple[Recipe, list[Request]]] = {}
        for request, planned in zip(self.requests, self.batch.deployments, strict=True):
            if isinstance(planned.change, Held):
                continue
            waits = any(component.key in needed for component in planned.draft.components)
            if waits or self._has_to_act(planned) or not isinstance(planned.change, Unchanged):
                _, group = groups.setdefault(id(request.recipe.function), (request.recipe, []))
                group.append(request)
        return list(groups.values())

    def outcomes(self, *, dry_run: bool) -> tuple[Outcome, ...]:
        """What would happen to each deployment; in a deploy, what happens to those that no recipe's run is started for."""
        foreseen = (
            _foreseen(request, planned, dry_run=dry_run)
            for request, planned in zip(self.requests, self.batch.deployments, strict=True)
        )
        deleted = (_deletion(one) for one in self.batch.orphans if dry_run and isinstance(one.change, Delete))
        return (*foreseen, *deleted)

    def refused(self) -> tuple[Outcome, ...]:
        """What is wrong, as the outcomes of a deploy that keeps going without it."""
        return tuple(
            Outcome(deployment=error.where or "project", recipe="", action="failed", detail=str(error))
            for error in self.errors
        )

    def remarks(self, *, dry_run: bool) -> tuple[str, ...]:
        """What else whoever deploys should know; a deploy does not repeat what deployments that stay as they are have said."""
        told = [change for change in self.batch.plan if dry_run or not is_standing(change)]
        left = tuple(str(one) for one in self.batch.orphans if type(one.change) is Unchanged)
        orphans = [Remark("no longer in the project, and left alone without --prune", left)] if left else []
        first = map(Remark, (*self._notes, *in_words(self.moves, gethostname())))
        versions = map(Remark, kept_versions(self.batch.plan))
        last = map(Remark, self.batch.remarks)
        skipped = self._order.requested.skipped
        return tuple(map(str, grouped((*first, *skipped, *versions, *remarks_of(told), *orphans, *last))))


def planned_version(change: Change) -> str | None:
    """The version that a deployment will have; None where it is not to be written."""
    match change:
        case Unchanged():
            return None
        case _:
            return getattr(change, "after", {}).get("version")


def _foreseen(request: Request, planned: PlannedDeployment, *, dry_run: bool) -> Outcome:
    change = planned.change
    action = planned_action(change)
    live = planned.live
    return Outcome(
        deployment=str(planned),
        recipe=request.recipe.recipe_name,
        action=action if dry_run or isinstance(change, Unchanged) else "not written",
        version=planned_version(change) or (live.record["version"] if live else None),
        detail=change.reason
        if isinstance(change, Unchanged)
        else ", ".join(field.path for field in change.fields)
        if isinstance(change, Update)
        else "",
        id=live.id if live else None,
        url=ui_url("deployment", live.id) if live else None,
    )


def _deletion(planned: PlannedDeletion) -> Outcome:
    live = planned.live
    return Outcome(
        deployment=live.full_name,
        recipe="",
        action=planned_action(planned.change),
        version=live.record["version"],
        detail="no longer in the project",
        id=live.id,
        url=ui_url("deployment", live.id),
    )


async def plan_order(order: Order, host: Host, server: Reader) -> ProjectPlan:
    """Resolve everything in memory, read the server in batches, compare. Reads only.

    Args:
        order: What is to be planned.
        host: This host.
        server: What is read from.
    """
    context, selection, requested = order.context, order.selection, order.requested
    errors = list(requested.errors)
    beside = list(requested.beside)
    pairs: list[tuple[Request, Draft]] = []
    modules = modules_of(Path(context.source))
    flows = flows_of(modules)
    flows.recall(request.flow for request in requested.requests)
    for request in requested.requests:
        match draft(request, context, modules):
            case Draft() as begun:
                pairs.append((request, begun))
            case error:
                (errors if selection.names_flow(request.flow_name) else beside).append(error)
    flows.keep()
    build([begun for _, begun in pairs], host, modules.imported)
    known = [(begun.deployment.flow.name, begun.deployment.name) for _, begun in pairs if not begun.errors]
    pairs = [
        (request, begun)
        for request, begun in pairs
        if (begun.errors and selection.names_flow(begun.deployment.flow.name))
        or selection.includes(begun.deployment.flow.name, begun.deployment.name)
    ]
    if not errors and not requested.is_empty:
        unmatched = selection.unmatched(requested.flows, known)
        # What is wrong with other flows may be the reason.
        errors.extend((*unmatched, *(beside if unmatched else ())))
    is_whole = not selection and selection.file is None and order.project.name_is_stable
    owner = (order.project.names, context.environment) if is_whole else None
    batch = await compare([begun for _, begun in pairs], server, owner)
    errors.extend(error for _, begun in pairs for error in begun.errors)
    notes: list[str] = []
    try:
        notes.extend(await _new_environment(order, batch, server))
        notes.extend(await _former_names(order, server))
    except TargetError as error:
        errors.append(error)
    sound = {id(planned.draft) for planned in batch.deployments}
    needed = {component.key for planned in batch.deployments for component in planned.draft.components}
    components: list[PlannedComponent] = [one for one in batch.components if one.component.key in needed]
    orphans: list[PlannedDeletion] = []
    if not errors and is_whole:
        orphans, excess = _orphans(order, batch)
        errors.extend(excess)
    elif order.asked.prune:
        errors.append(TargetError("nothing is pruned while anything is wrong with the project", where="prune"))
    if requested.is_empty and not order.asked.prune:
        errors.append(nothing_to_deploy(order.project, context.environment, [str(one) for one in orphans]))
    return ProjectPlan(
        order,
        [request for request, begun in pairs if id(begun) in sound],
        PlannedBatch(components, batch.deployments, orphans, batch.owned, batch.holds, batch.unsound),
        errors,
        notes,
    )


async def _new_environment(order: Order, batch: PlannedBatch, server: Reader) -> list[str]:
    """Say that the project has nothing in this environment yet, where it has something in others.

    Raises:
        TargetError: The environment is nearly the name of another one, and nobody has said that it is meant.
    """
    is_known = batch.owned or any(one.live or one.predecessor for one in batch.deployments)
    if is_known or not batch.deployments or order.asked.new_environment:
        return []
    known = await known_environments(order.project.names, server)
    if known:
        known |= {name for entry in order.project.entries for name in entry.environments or ()}
    told = check_environment(order.project.name, order.context.environment, known)
    return [] if told is None else [told]


async def _former_names(order: Order, server: Reader) -> list[str]:
    """Say that the project's former names have served: whoever uses one of them for something else would be robbed."""
    former = order.project.renamed_from
    if not former or server.is_empty or order.context.environment == DEPLOYERS:
        return []
    if await known_environments(former, server):
        return []
    return [f"nothing is left of {' and '.join(map(repr, former))} on this server: `renamed_from` may be removed"]


def _orphans(order: Order, batch: PlannedBatch) -> tuple[list[PlannedDeletion], list[ConfigurationError]]:
    """Find what is no longer in the project, and whether that is too much to be deleted at once."""
    replaced = [planned.predecessor.full_name for planned in batch.deployments if planned.predecessor is not None]
    wanted = [*map(str, batch.deployments), *replaced]
    holds = counting(batch.holds, order.context.now)
    orphans = orphans_of(batch.owned, wanted, prune=order.asked.prune, holds=holds)
    deletions = [one for one in orphans if isinstance(one.change, Delete)]
    excess = check_deletions(deletions, len(batch.owned), order.asked.max_deletes) if order.asked.prune else None
    return orphans, [] if excess is None else [excess]
