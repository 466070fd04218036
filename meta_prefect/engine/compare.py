"""Compares the desired state with the live state."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from prefect import get_run_logger, task

from meta_prefect.engine.code_in_image import look_into_images
from meta_prefect.engine.observed import RETRY_TEMPORARY_ERRORS
from meta_prefect.engine.policies import PoliciesInForce, PolicyCheck
from meta_prefect.engine.pools import fit_to_pools, refuse_needing
from meta_prefect.engine.referring import check_cycles, check_targets
from meta_prefect.engine.resolve import Draft, needed_by, shared_components
from meta_prefect.errors import BuilderError, ConfigurationError, MetaPrefectError
from meta_prefect.git import same_files
from meta_prefect.hidden_values import replaced_by_references
from meta_prefect.implementations.code.built_image import BuiltImage
from meta_prefect.interfaces.components import Component, WorkerPool
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.smoke import Smoke
from meta_prefect.interfaces.tags import Names
from meta_prefect.plan.changes import ALREADY, Change, Create, Held, Plan, Planned, Unchanged, Update, is_taken_over
from meta_prefect.plan.deployment_record import LiveDeployment, desired_record
from meta_prefect.plan.diff import diff_component, diff_deployment, is_after, is_before, needs_history
from meta_prefect.plan.holds import Holds, StoredHold, held, release_command
from meta_prefect.plan.leaving import PlannedRemoval
from meta_prefect.plan.ledger import HistoryEntry
from meta_prefect.plan.outcomes import count_planned
from meta_prefect.plan.ownership import refusal_of_unmanaged
from meta_prefect.plan.prune import PlannedDeletion
from meta_prefect.plan.references import missing_references, references_of
from meta_prefect.plan.smoke import Trial, as_settled, in_words, is_on_trial, on_trial, original_of, resumed, smoke_of
from meta_prefect.redaction import remember
from meta_prefect.server import PrefectServer, Reader
from meta_prefect.state.sealing_key import learn_key

Owner = tuple[Names, str]
"""A project's names, and an environment."""

PlannedComponent = Planned[Component, Record | None, Change]
"""A component with its live state and the planned change."""


@dataclass(eq=False)
class PlannedDeployment(Planned[Draft, LiveDeployment | None, Change]):
    """A deployment as built, with its live state and the planned change.

    Attributes:
        predecessor: The live deployment of another name that it replaces.
        unsettled: Whether an earlier attempt may have written it without calling its builders' hooks.
        has_moved: Whether someone has changed it since it was planned, so that it must not be written.
        trial: The trial between writing and activating it; None if there is none.
    """

    predecessor: LiveDeployment | None = None
    unsettled: bool = field(default=False, kw_only=True)
    has_moved: bool = field(default=False, kw_only=True)
    trial: Trial | None = field(default=None, kw_only=True)

    @property
    def smoke(self) -> Smoke | None:
        """The smoke run that must succeed before it is activated."""
        return self.trial.smoke if self.trial is not None else None

    @property
    def original(self) -> Record | None:
        """The state to restore if it cannot stay as written; None if it did not exist."""
        if self.trial is not None:
            return self.trial.original
        return self.live.record if self.live is not None else None

    def on_trial(self) -> PlannedDeployment:
        """Return it as first written, inactive; the deployment it replaces stays active meanwhile."""
        assert isinstance(self.change, Create | Update), "nothing else is tried"  # noqa: S101 - for the type checker
        return replace(self, change=on_trial(self.change), predecessor=None)

    def seen_again(self, live: Mapping[str, LiveDeployment]) -> PlannedDeployment:
        """Return it with the current live state, by name: already done, still to be written, or moved."""
        now, old = live.get(str(self)), self.predecessor and live.get(self.predecessor.full_name)
        if is_before(self.change, now, self.predecessor, old):
            return PlannedDeployment(self.wanted, now, self.change, old, unsettled=self.unsettled, trial=self.trial)
        if now is None or not is_after(self.change, now):
            return PlannedDeployment(self.wanted, now, self.change, self.predecessor, has_moved=True)
        # An earlier attempt wrote it; whether its builders' hooks were called is unknown.
        return PlannedDeployment(self.wanted, now, Unchanged(self.change.subject, ALREADY, now.record), unsettled=True)

    @property
    def is_unmanaged(self) -> bool:
        """Whether it exists, is not managed by anyone, and is not adopted by this deploy."""
        return is_taken_over(self.change) and not self.wanted.deployment.context.adopt


@dataclass(frozen=True, eq=False)
class PlannedBatch:
    """Everything a deploy will do, with the data needed to do it.

    Attributes:
        components: In the order in which they are written.
        deployments: In the order in which they were requested.
        orphans: Deployments that are no longer in the project.
        leaving: Other objects created by deploys that no deployment needs any more.
        owned: What the project has on the server, if that was read.
        holds: All holds, of any project.
        unsound: Invalid records that were found, and how to remove them.
    """

    components: Sequence[PlannedComponent]
    deployments: Sequence[PlannedDeployment]
    orphans: Sequence[PlannedDeletion] = ()
    leaving: Sequence[PlannedRemoval] = ()
    owned: Sequence[LiveDeployment] = ()
    holds: Holds = field(default_factory=dict[str, StoredHold])
    unsound: Sequence[str] = ()

    @property
    def plan(self) -> Plan:
        """The plan as a pure value."""
        return Plan(
            tuple(planned.change for planned in self.components),
            tuple(planned.change for planned in self.deployments),
            tuple(planned.change for planned in self.orphans),
            tuple(planned.change for planned in self.leaving),
        )

    def without_unmanaged(self) -> PlannedBatch:
        """Return it without unmanaged deployments, which only an adopting deploy writes; each becomes an error of its draft."""
        refused = [one for one in self.deployments if one.is_unmanaged]
        if not refused:
            return self
        for one in refused:
            takes_over = one.change.takes_over if isinstance(one.change, Update) else None
            one.wanted.refuse(refusal_of_unmanaged(str(one), takes_over or ""))
        left = [one for one in self.deployments if one not in refused]
        needed = needed_by(one.wanted for one in left)
        components = [one for one in self.components if one.wanted.key in needed]
        return replace(self, components=components, deployments=left)

    @property
    def ending(self) -> list[tuple[str, StoredHold]]:
        """The holds on its deployments that this deploy ignores, because it is explicit or they have expired."""
        return [
            (str(one), found)
            for one in self.deployments
            if not isinstance(one.change, Held) and (found := self.holds.get(str(one))) is not None
        ]

    @property
    def remarks(self) -> Iterator[str]:
        """Remarks about holds and invalid records."""
        held = [change.subject.name for change in self.plan if isinstance(change, Held)]
        if held:
            names = ", ".join(held[:5]) + (f" and {len(held) - 5} more" if len(held) > 5 else "")
            yield f"held, and left alone: {names}; to release: {release_command(held[0])}"
        for planned in self.deployments:
            found = self.holds.get(str(planned))
            if found is not None and (str(planned), found) in self.ending:
                counts = found.hold.counts(planned.wanted.deployment.context.now)
                if counts:
                    yield f"{planned} was {found.hold}; that hold ends with this deploy"
        yield from self.unsound


async def compare(
    drafts: Sequence[Draft], server: Reader, owner: Owner | None = None, policies: PoliciesInForce | None = None
) -> PlannedBatch:
    """Read the live state in batches and compare. What cannot be planned becomes an error of its draft. Only reads.

    Args:
        drafts: The desired deployments.
        server: The server to read from.
        owner: A project and environment to read completely, since it contains nearly everything needed.
        policies: The policies to check.
    """
    components, owned, holds, _ = await asyncio.gather(
        _compare_components(_sound(drafts), server), _read_owned(owner, server), server.read_holds(), learn_key(server)
    )
    live = {one.full_name: one for one in owned}
    names = {pair for draft in _sound(drafts) for pair in (*_names(draft), *_run_by(draft))}
    live |= await server.read_deployments([pair for pair in names if "/".join(pair) not in live])
    policy_check = PolicyCheck(policies or PoliciesInForce(), _sound(drafts), live, server.host)
    await policy_check.fix()
    pools = [(one.wanted, one.live) for one in components if isinstance(one.wanted, WorkerPool)]
    await fit_to_pools(_sound(drafts), pools, live, server)
    await _check_references(_sound(drafts), server)
    check_targets(_sound(drafts), live, is_known=not server.is_empty)
    check_cycles(_sound(drafts))
    await policy_check.check()
    sound = _sound(drafts)
    last = await _last_entries(sound, live, server)
    deployments: list[PlannedDeployment] = []
    for draft in sound:
        wanted, name, context = draft.deployment, draft.deployment.full_name, draft.deployment.context
        before, recorded = live.get(name), last.get(name)
        tried = before if before is not None and is_on_trial(before.record) else None
        old = live.get(wanted.renamed_from or "") if before is None or tried else None
        if before is not None:
            remember(*replaced_by_references(before.record, desired_record(wanted, before)))
        try:
            same_code = partial(same_files, Path(wanted.flow.source), context.commit or "")
            seen = before
            if tried is not None:
                seen = replace(tried, record=as_settled(tried.record, recorded and recorded.entry.after))
            change = diff_deployment(wanted, seen, old, recorded and recorded.entry, same_code)
            change = change if tried is None else resumed(change, tried)
            change = replace(change, remarks=(*change.remarks, *draft.remarks))
        except ConfigurationError as error:
            draft.refuse(error)
        else:
            change = _as_held(change, context, before or old, holds)
            trial = None
            smoke = smoke_of(change, wanted.smoke, resumed=tried is not None)
            if smoke is not None or tried is not None:
                original = before.record if tried is None and before is not None else None
                trial = Trial(smoke, original if tried is None else original_of(tried, recorded))
            if smoke is not None:
                change = replace(change, remarks=(*change.remarks, in_words(smoke)))
            unsettled = name in context.unsettled
            deployments.append(PlannedDeployment(draft, before, change, old, unsettled=unsettled, trial=trial))
    if not server.is_empty:
        deployments = await _with_images_looked_into(deployments, components)
    components = _without_those_of_held(components, sound, deployments)
    return PlannedBatch(components, deployments, owned=owned, holds=holds, unsound=tuple(server.unsound.values()))


async def _with_images_looked_into(
    deployments: Sequence[PlannedDeployment], components: Sequence[PlannedComponent]
) -> list[PlannedDeployment]:
    """Reject deployments missing from their image, and note where that could not be checked."""
    written = [one for one in deployments if isinstance(one.change, Create | Update)]
    to_build = [one.wanted.reference for one in components if isinstance(one.wanted, BuiltImage) and not one.live]
    notes = await look_into_images([one.wanted for one in written], to_build)
    for one in deployments:
        if note := notes.get(id(one.wanted)):
            one.change = replace(one.change, remarks=(*one.change.remarks, note))
    return [one for one in deployments if not one.wanted.errors]


def _as_held(change: Change, context: DeployContext, live: LiveDeployment | None, holds: Holds) -> Change:
    """Suppress a change if the deployment, or the one it replaces, is on hold."""
    names = (change.subject.name, *([live.full_name] if live is not None else []))
    stored = next((holds[name] for name in names if name in holds), None)
    if stored is None or not stored.hold.stops(context.now, automatic=context.automatic):
        return change
    return held(change, stored.hold, live.record if live is not None else None)


def _without_those_of_held(
    components: list[PlannedComponent], drafts: Sequence[Draft], deployments: Sequence[PlannedDeployment]
) -> list[PlannedComponent]:
    """Drop components needed only by deployments on hold, for which nothing is written."""
    left_alone = {id(one.wanted) for one in deployments if isinstance(one.change, Held)}
    if not left_alone:
        return components
    needed = needed_by(draft for draft in drafts if id(draft) not in left_alone)
    return [one for one in components if one.wanted.key in needed]


async def _read_owned(owner: Owner | None, server: Reader) -> list[LiveDeployment]:
    return [] if owner is None else await server.read_owned(*owner)


async def _last_entries(
    drafts: Sequence[Draft], live: Mapping[str, LiveDeployment], server: Reader
) -> dict[str, HistoryEntry]:
    """Read the ledger for those few deployments for which the last applied state matters."""
    names: dict[Names, list[str]] = {}
    for draft in drafts:
        found = live.get(draft.deployment.full_name)
        if found is not None and needs_history(draft.deployment, found):
            names.setdefault(draft.deployment.context.names, []).append(found.full_name)
    entries: dict[str, HistoryEntry] = {}
    for of_project, asked in names.items():
        entries |= await server.read_last_entries(of_project, asked, live=live)
    return entries


async def _check_references(drafts: Sequence[Draft], server: Reader) -> None:
    """Check that the blocks and variables that deployments refer to exist, with one request per kind."""
    references = [reference for draft in drafts for reference in references_of(draft.deployment, draft.components)]
    if not references or server.is_empty:
        return
    types = {reference.block_type for reference in references if reference.kind == "block"}
    blocks = await server.known_blocks(types) if types else set[tuple[str, str]]()
    has_variables = any(reference.kind == "variable" for reference in references)
    variables = await server.known_variables() if has_variables else set[str]()
    for draft in drafts:
        to_be = {block for component in draft.components for block in component.blocks}
        with_own = variables | {name for component in draft.components for name in component.variables}
        for error in missing_references(draft.deployment, blocks | to_be, with_own, draft.components):
            draft.refuse(error)


def _names(draft: Draft) -> list[tuple[str, str]]:
    """Return the flow and deployment names under which a deployment, or the one it replaces, is looked up."""
    names = [(draft.deployment.flow.name, draft.deployment.name)]
    if draft.deployment.renamed_from is not None:
        flow, _, name = draft.deployment.renamed_from.partition("/")
        names.append((flow, name))
    return names


def _run_by(draft: Draft) -> list[tuple[str, str]]:
    """Return the flow and deployment names that a deployment's components run."""
    targets = (name.partition("/") for component in draft.components for name, _ in component.runs)
    return [(flow, name) for flow, _, name in targets]


def _sound(drafts: Sequence[Draft]) -> list[Draft]:
    return [draft for draft in drafts if not draft.errors]


async def _compare_components(drafts: Sequence[Draft], server: Reader) -> list[PlannedComponent]:
    components = shared_components(drafts)
    found = await asyncio.gather(*(_compare_component(one, server) for one in components), return_exceptions=True)
    planned: list[PlannedComponent] = []
    for component, made in zip(components, found, strict=True):
        match made:
            case Planned():
                planned.append(made)
            case ConfigurationError():
                refuse_needing(component, drafts, made.is_about("work_pool", value=component.name))
            case _:
                raise made
    return planned


async def _compare_component(component: Component, server: Reader) -> PlannedComponent:
    with reported_as(component):
        live = None if server.is_empty else await component.read(server)
        return PlannedComponent(component, live, diff_component(component, live))


@contextmanager
def reported_as(component: Component) -> Generator[None]:
    """Attribute a component's exceptions to it: it may be third-party code.

    Raises:
        BuilderError: It raised an exception that is not one of ours.
    """
    try:
        yield
    except MetaPrefectError:
        raise
    except Exception as error:
        raise BuilderError(f"{type(error).__name__}: {error}", where=str(component)) from error


@task(
    name="compare with the server",
    task_run_name="compare with the server",
    **RETRY_TEMPORARY_ERRORS,
)
async def compare_observed(drafts: Sequence[Draft], server: PrefectServer, policies: PoliciesInForce) -> PlannedBatch:
    """Read the live state and compare, as a task."""
    batch = await compare(drafts, server, policies=policies)
    # Each write logs itself, so only the counts are logged here.
    get_run_logger().info("%s", count_planned(batch.plan))
    return batch


@task(
    name="compare with the plan",
    task_run_name="compare with the plan",
    **RETRY_TEMPORARY_ERRORS,
)
async def compare_with_plan(part: PlannedBatch, server: PrefectServer) -> PlannedBatch:
    """Read the live state of a part of the plan again before writing: drop what is already done, mark what has moved.

    Another recipe's run, or an earlier attempt of this one, may have written some of it.
    """
    names = {name for planned in part.deployments for name in _names(planned.wanted)}
    live, components = await asyncio.gather(
        server.read_deployments(names),
        asyncio.gather(*(_refreshed_component(one, server) for one in part.components)),
    )
    again = PlannedBatch(components, [planned.seen_again(live) for planned in part.deployments])
    get_run_logger().info("%s", count_planned(again.plan))
    return again


async def _refreshed_component(planned: PlannedComponent, server: PrefectServer) -> PlannedComponent:
    try:
        return planned if isinstance(planned.change, Unchanged) else await _compare_component(planned.wanted, server)
    except ConfigurationError:
        return planned  # writing it raises the same error, and then only its dependents fail
