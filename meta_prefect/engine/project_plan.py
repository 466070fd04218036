"""Plans a whole project in memory: all recipes, all builders, one comparison with the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from socket import gethostname

from prefect.runtime import flow_run

from meta_prefect.engine.apply import acting_builders
from meta_prefect.engine.compare import (
    PlannedBatch,
    PlannedComponent,
    PlannedDeployment,
    compare,
)
from meta_prefect.engine.drafts import DeploymentRequest, draft
from meta_prefect.engine.environments import known_environments
from meta_prefect.engine.leaving import find_leaving
from meta_prefect.engine.plan_input import PlanInput
from meta_prefect.engine.referring import check_unreferred
from meta_prefect.engine.requests import nothing_to_deploy
from meta_prefect.engine.resolve import Draft, build, build_observed, needed_by
from meta_prefect.errors import ConfigurationError, TargetError
from meta_prefect.interfaces.api import Host
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.tags import DEPLOYERS
from meta_prefect.interfaces.times import length_in_words
from meta_prefect.plan.changes import Change, Delete, Held, Unchanged, Update, after_of
from meta_prefect.plan.code_moves import CodeMove, in_words, moves_of
from meta_prefect.plan.environments import check_environment
from meta_prefect.plan.holds import counting
from meta_prefect.plan.leaving import PlannedRemoval
from meta_prefect.plan.outcomes import planned_action
from meta_prefect.plan.prune import PlannedDeletion, check_deletions, orphans_of
from meta_prefect.plan.remarks import Remark, grouped, remarks_of, was_shown_before
from meta_prefect.plan.saved_plan import (
    PlannedState,
    SavedPlan,
    fingerprint_of_component,
    fingerprint_of_wanted,
    states_of,
)
from meta_prefect.recipes.recipe import Recipe
from meta_prefect.report import Outcome
from meta_prefect.report.plan_text import kept_versions
from meta_prefect.sealing import key_name
from meta_prefect.server import Reader, ui_url

PlannedRequest = tuple[DeploymentRequest, PlannedDeployment]
"""A request and its planned deployment."""


class Drafted:
    """Drafts of all deployments that may be selected, and errors for those that could not be started."""

    def __init__(self, inputs: PlanInput) -> None:
        requested = inputs.requested
        self.pairs: list[tuple[DeploymentRequest, Draft]] = []
        self.errors: list[ConfigurationError] = list(requested.errors)
        self.beside: list[ConfigurationError] = list(requested.beside)
        for request in requested.requests:
            inputs.flows.of(inputs.project.root / request.folder).read([request.flow])
        for request in requested.requests:
            match draft(request, inputs.context, inputs.flows):
                case Draft() as begun:
                    self.pairs.append((request, begun))
                case error:
                    (self.errors if inputs.selection.names_flow(request.flow_name) else self.beside).append(error)

    @property
    def drafts(self) -> list[Draft]:
        """Only the drafts."""
        return [one for _, one in self.pairs]


class Resolved:
    """The desired state of a project, after all builders have run.

    Args:
        inputs: The input of the plan.
        drafted: The drafts started for it.

    Attributes:
        inputs: As above.
        meant: The selected requests with their drafts; deployments' names are known only now.
        errors: Errors other than those of these drafts.
        wanted: A fingerprint of the desired state, except for counted versions.
    """

    def __init__(self, inputs: PlanInput, drafted: Drafted) -> None:
        selection, requested = inputs.selection, inputs.requested
        self.inputs: PlanInput = inputs
        self.meant: list[tuple[DeploymentRequest, Draft]] = [
            (request, one)
            for request, one in drafted.pairs
            if not (request.only_if_placed and one.deployment.work_pool_name is None)
            if (one.errors and selection.names_flow(one.deployment.flow.name))
            or selection.includes(one.deployment.flow.name, one.deployment.name)
        ]
        self.errors: list[ConfigurationError] = drafted.errors
        if not self.errors and not requested.is_empty:
            known = [(one.deployment.flow.name, one.deployment.name) for one in drafted.drafts if not one.errors]
            unmatched = selection.unmatched(requested.flows, known)
            # Errors in other flows may be the reason.
            self.errors = [*unmatched, *(drafted.beside if unmatched else ())]
        self.wanted: str = fingerprint_of_wanted(one.deployment for _, one in self.meant if not one.errors)

    def completes(self, unfinished: SavedPlan) -> bool:
        """Return whether this repeats the deploy that made an unfinished plan; if so, become part of that deploy."""
        if (unfinished.wanted, unfinished.asked) != (self.wanted, self.inputs.asked):
            return False
        self.inputs = self.inputs.completing(unfinished)
        for _, one in self.meant:
            one.deployment = one.deployment.model_copy(update={"context": self.inputs.context})
        return True


class ProjectPlan:
    """What a deploy of a project will do.

    Args:
        resolved: The desired state.
        batch: The planned changes of the valid drafts.
        errors: The errors of the others.
        notes: Further notes about the whole.
    """

    def __init__(
        self,
        resolved: Resolved,
        batch: PlannedBatch,
        errors: Sequence[ConfigurationError],
        notes: Sequence[str] = (),
    ) -> None:
        self._notes = tuple(notes)
        self._resolved = resolved
        self._inputs = resolved.inputs
        requests = {id(one): request for request, one in resolved.meant}
        self.requests: tuple[DeploymentRequest, ...] = tuple(
            requests[id(planned.wanted)] for planned in batch.deployments
        )
        self.batch = batch
        self.errors: tuple[ConfigurationError, ...] = tuple(errors)
        self.wanted: str = resolved.wanted

    def to_be_applied(self) -> ProjectPlan:
        """Return the plan as a deploy applies it: unmanaged deployments are errors unless it adopts them."""
        unmanaged = [one.wanted for one in self.batch.deployments if one.is_unmanaged]
        batch = self.batch.without_unmanaged()
        errors = [*self.errors, *(error for draft in unmanaged for error in draft.errors)]
        return ProjectPlan(self._resolved, batch, errors, self._notes) if unmanaged else self

    @property
    def context(self) -> DeployContext:
        """The context of the deploy."""
        return self._inputs.context

    @property
    def versions(self) -> dict[str, str]:
        """The versions fixed by this plan, by ``flow/deployment``."""
        return {
            change.subject.name: version
            for change in self.batch.plan.deployments
            if (version := planned_version(change)) is not None
        }

    @property
    def moves(self) -> tuple[CodeMove, ...]:
        """Deployments whose code moves to or from a local folder."""
        return moves_of(self.batch.plan)

    def states(self, sealed_with: str | None) -> dict[str, PlannedState]:
        """Return the planned state of each object, for comparison with a plan saved with this sealing key."""
        return states_of(self.batch.plan, sealed_with)

    def recorded(self, *, dry_run: bool) -> SavedPlan:
        """Return the plan to be saved."""
        context, run_id = self.context, flow_run.get_id()
        earlier = self._inputs.earlier
        return SavedPlan(
            project=context.project,
            environment=context.environment,
            deploy_id=context.deploy_id,
            run_id=str(run_id) if run_id else None,
            now=context.now,
            commit=context.commit,
            asked=self._inputs.asked,
            # Versions of what is already done are needed too, in case this is retried again.
            versions={**(earlier.versions if earlier is not None else {}), **self.versions},
            wanted=self.wanted,
            states=self.states(key_name()),
            components={str(one.change.subject): fingerprint_of_component(one.wanted) for one in self.batch.components},
            unsettled=tuple(str(one) for one in self.batch.deployments if self._has_to_act(one)),
            sealed_with=key_name(),
            approval=context.approval,
            stage="planned" if dry_run else "started" if self.has_work else "finished",
        )

    @property
    def has_work(self) -> bool:
        """Whether a deploy would do anything."""
        return bool(self.batch.plan.writes) or any(self._has_to_act(one) for one in self.batch.deployments)

    def _has_to_act(self, planned: PlannedDeployment) -> bool:
        """Return whether builders' hooks are to be called for a deployment, possibly left over from an earlier attempt."""
        if isinstance(planned.change, Held) or not acting_builders(planned):
            return False
        return planned.unsettled or not isinstance(planned.change, Unchanged)

    def part(self, deployments: Sequence[PlannedDeployment]) -> PlannedBatch:
        """Return the part of the plan for some deployments, with the components they need."""
        needed = needed_by(planned.wanted for planned in deployments)
        return PlannedBatch([one for one in self.batch.components if one.wanted.key in needed], deployments)

    def by_recipe(self) -> list[tuple[Recipe, list[PlannedRequest]]]:
        """Group the requests that lead to a write, with their plans, by recipe, in the project's order.

        An unchanged deployment is included if a component it needs must be written, such as a dead worker, or if its
        builders' hooks are still to be called.
        """
        needed = {planned.wanted.key for planned in self.batch.components if not isinstance(planned.change, Unchanged)}
        groups: dict[int, tuple[Recipe, list[PlannedRequest]]] = {}
        for request, planned in zip(self.requests, self.batch.deployments, strict=True):
            if isinstance(planned.change, Held):
                continue
            waits = not needed.isdisjoint(needed_by([planned.wanted]))
            if waits or self._has_to_act(planned) or not isinstance(planned.change, Unchanged):
                _, group = groups.setdefault(id(request.recipe.function), (request.recipe, []))
                group.append((request, planned))
        return list(groups.values())

    def outcomes(self, *, dry_run: bool) -> tuple[Outcome, ...]:
        """Return the planned outcome of each deployment; in a deploy, only of those without a recipe's run."""
        foreseen = (
            _foreseen(request, planned, dry_run=dry_run)
            for request, planned in zip(self.requests, self.batch.deployments, strict=True)
        )
        deleted = (_deletion(one) for one in self.batch.orphans if dry_run and isinstance(one.change, Delete))
        return (*foreseen, *deleted)

    def refused(self) -> tuple[Outcome, ...]:
        """Return the errors as outcomes, for a deploy that keeps going without the invalid deployments."""
        return tuple(
            Outcome(deployment=error.where or "project", recipe="", action="failed", detail=str(error))
            for error in self.errors
        )

    def remarks(self, *, dry_run: bool) -> tuple[str, ...]:
        """Return further remarks for the user; a deploy does not repeat those of unchanged deployments."""
        changes = [change for change in self.batch.plan if dry_run or not was_shown_before(change)]
        left = tuple(str(one) for one in self.batch.orphans if type(one.change) is Unchanged)
        orphans = [Remark("no longer in the project, and left alone without --prune", left)] if left else []
        awaited = self._awaited() if dry_run and self.has_work else ()
        first = map(Remark, (*awaited, *self._notes, *in_words(self.moves, gethostname())))
        versions = map(Remark, kept_versions(self.batch.plan))
        last = map(Remark, self.batch.remarks)
        skipped = self._inputs.requested.skipped
        return tuple(map(str, grouped((*first, *skipped, *versions, *remarks_of(changes), *orphans, *last))))

    def _awaited(self) -> Iterator[str]:
        """What a deploy of this plan waits for."""
        environment = self._inputs.project.environments.find(self.context.environment)
        if environment is not None and (rule := environment.says.approval) is not None:
            whose = f" by {' or '.join(rule.by)}" if rule.by else ""
            yield f"a deploy to {environment.name} waits for approval{whose}, {length_in_words(rule.within)} at most"


def planned_version(change: Change) -> str | None:
    """Return the version that a deployment will have; None if it is not written."""
    return (after_of(change) or {}).get("version")


def _foreseen(request: DeploymentRequest, planned: PlannedDeployment, *, dry_run: bool) -> Outcome:
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


async def plan_project(inputs: PlanInput, host: Host, server: Reader) -> ProjectPlan:
    """Resolve in memory, read the server in batches, and compare. Only reads.

    Args:
        inputs: The input of the plan.
        host: This host.
        server: The server to read from.
    """
    drafted = Drafted(inputs)
    build(drafted.drafts, host)
    return await plan_resolved(Resolved(inputs, drafted), server)


async def resolve_observed(inputs: PlanInput, host: Host) -> Resolved:
    """Resolve in memory, each kind of builder as a separate task."""
    drafted = Drafted(inputs)
    await build_observed(drafted.drafts, host)
    return Resolved(inputs, drafted)


async def plan_resolved(resolved: Resolved, server: Reader) -> ProjectPlan:
    """Read the server in batches and compare it with the desired state. Only reads.

    The flows of deployments to be written are imported; if one differs from its source, everything is resolved again.
    """
    inputs, requested = resolved.inputs, resolved.inputs.requested
    drafts = [one for _, one in resolved.meant]
    is_whole = inputs.is_whole and inputs.project.name_is_stable
    batch = await compare(
        drafts,
        server,
        (inputs.project.names, inputs.context.word_for(inputs.context.environment)) if is_whole else None,
        inputs.policies,
    )
    written = [one for one in batch.deployments if not isinstance(one.change, Unchanged | Held)]
    if not server.is_empty and not inputs.flows.confirm(one.wanted.deployment.flow for one in written):
        return await plan_project(inputs, server.host, server)
    errors = [*resolved.errors, *(error for one in drafts for error in one.errors)]
    notes: list[str] = []
    try:
        notes.extend(await _new_environment(inputs, batch, server))
        notes.extend(await _former_names(inputs, server))
    except TargetError as error:
        errors.append(error)
    needed = needed_by(planned.wanted for planned in batch.deployments)
    components: list[PlannedComponent] = [one for one in batch.components if one.wanted.key in needed]
    orphans: list[PlannedDeletion] = []
    if not errors and is_whole:
        orphans, excess = _orphans(inputs, batch)
        errors.extend(excess)
    elif inputs.asked.prune:
        errors.append(TargetError("nothing is pruned while anything is wrong with the project", where="prune"))
    project = (inputs.project.names, inputs.context.environment)
    needing = PlannedBatch(components, batch.deployments, owned=batch.owned)
    whole = is_whole and not errors
    leaving = await find_leaving(needing, orphans, project, server, is_whole=whole)
    errors.extend(await _referred_to(needing, orphans, leaving, server))
    if requested.is_empty and not inputs.asked.prune:
        errors.append(nothing_to_deploy(inputs.project, inputs.context.environment, [str(one) for one in orphans]))
    return ProjectPlan(
        resolved,
        PlannedBatch(components, batch.deployments, orphans, leaving, batch.owned, batch.holds, batch.unsound),
        errors,
        notes,
    )


async def _referred_to(
    batch: PlannedBatch, orphans: Sequence[PlannedDeletion], leaving: Sequence[PlannedRemoval], server: Reader
) -> list[ConfigurationError]:
    """Return errors for references to deployments that are deleted or replaced."""
    going = [one.live for one in orphans if isinstance(one.change, Delete)]
    going += [one.predecessor for one in batch.deployments if one.predecessor and not isinstance(one.change, Held)]
    if not going:
        return []
    wanted = {target: str(one.wanted) for one in batch.components for target, _ in one.wanted.runs}
    written = {claim for one in batch.components for claim in one.wanted.claims(one.live)}
    return await check_unreferred(going, wanted, written | {one.live.id for one in leaving}, server)


async def _new_environment(inputs: PlanInput, batch: PlannedBatch, server: Reader) -> list[str]:
    """Note that the project is new in this environment, if it exists in others and its file does not describe the environment.

    Raises:
        TargetError: The name is likely a typo of another environment, and was not confirmed.
    """
    is_known = batch.owned or any(one.live or one.predecessor for one in batch.deployments)
    if is_known or not batch.deployments or inputs.asked.new_environment or inputs.is_expected:
        return []
    known = await known_environments(inputs.project.names, inputs.project.environments, server)
    if known:
        entries = [entry for part in inputs.project.parts for entry in part.entries]
        known |= {name for entry in entries for name in entry.environments or ()}
    error = check_environment(inputs.project.name, inputs.context.environment, known)
    return [] if error is None else [error]


async def _former_names(inputs: PlanInput, server: Reader) -> list[str]:
    """Note that former names are still in use: another project that uses one now would lose its deployments."""
    former = inputs.project.renamed_from
    if not former or server.is_empty or inputs.context.environment == DEPLOYERS:
        return []
    if await known_environments(former, inputs.project.environments, server):
        return []
    return [f"nothing is left of {' and '.join(map(repr, former))} on this server: `renamed_from` may be removed"]


def _orphans(inputs: PlanInput, batch: PlannedBatch) -> tuple[list[PlannedDeletion], list[ConfigurationError]]:
    """Find the deployments that are no longer in the project, and reject deleting too many at once."""
    replaced = [planned.predecessor.full_name for planned in batch.deployments if planned.predecessor is not None]
    wanted = [*map(str, batch.deployments), *replaced]
    holds = counting(batch.holds, inputs.context.now)
    orphans = orphans_of(batch.owned, wanted, prune=inputs.asked.prune, holds=holds)
    deletions = [one for one in orphans if isinstance(one.change, Delete)]
    excess = check_deletions(deletions, len(batch.owned), inputs.asked.max_deletes) if inputs.asked.prune else None
    return orphans, [] if excess is None else [excess]
