"""Resolves drafts into desired deployments: each kind of builder runs as a task over the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from prefect import State, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from meta_prefect.engine.code_in_runs import check_code_in_runs
from meta_prefect.engine.storable import check_storable
from meta_prefect.errors import BuilderError, ConfigurationError, ConflictError, first_line, hint_of, noted
from meta_prefect.flows.relative_imports import check_loads_by_path
from meta_prefect.hidden_values import is_hidden
from meta_prefect.interfaces.api import Host
from meta_prefect.interfaces.components import Component, ComponentKey, WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.interfaces.names import check_name
from meta_prefect.interfaces.pull_steps import behind
from meta_prefect.interfaces.tags import environment_tag, owner_tag
from meta_prefect.plan.checks import check_parameters, check_smoke
from meta_prefect.plan.outcomes import counted
from meta_prefect.plan.placeholders import misplaced_templates
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.redaction import remember_within
from meta_prefect.sealing import HIDDEN

Within = Callable[[], AbstractContextManager[None]]
"""Opens the context in which a project's code must run: with its own modules importable."""


@dataclass(slots=True)
class Draft:
    """A deployment while its builders run.

    Attributes:
        where: Where it was requested: the position in the project file, or the flow's entrypoint.
        builders: Its builders in the order in which they apply.
        deployment: The deployment as built so far.
        errors: Its errors; once there are any, builders skip it.
        components: The components it requires, after all builders have run.
        flow_requires: The components the flow itself requires, such as the block of its result storage.
        remarks: Notes for the user from comparing it with the server.
        place_of: Returns where the user wrote the value an error is about; None if unknown.
        home: The context in which its flow's code must run.
        elsewhere: The contexts of builders defined elsewhere in the project, by the builder's ``id``.
        marks: Tags it gets regardless of its builders.
        recipe: The name of the requested recipe.
        variables: Returns the recipe's variables as JSON.
        built: The deployment before a policy changed it.
    """

    where: str
    builders: tuple[FlowBuilderInterface, ...]
    deployment: Deployment
    errors: list[ConfigurationError] = field(default_factory=list[ConfigurationError])
    components: tuple[Component, ...] = ()
    flow_requires: tuple[Component, ...] = ()
    remarks: tuple[str, ...] = ()
    place_of: Callable[[ConfigurationError], str | None] = field(default=lambda _: None, repr=False)
    home: Within = field(default=nullcontext, repr=False)
    elsewhere: Mapping[int, Within] = field(default_factory=dict[int, Within], repr=False)
    marks: tuple[str, ...] = ()
    recipe: str = ""
    variables: Callable[[], Mapping[str, Any]] = field(default=dict[str, Any], repr=False)
    built: Deployment | None = field(default=None, repr=False)

    def as_built(self) -> Deployment:
        """Return the deployment before policies: re-planning applies them again."""
        self.deployment, self.built = self.built or self.deployment, None
        return self.deployment

    def fixed_by_policy(self, fixed: Deployment, host: Host) -> None:
        """Replace the deployment by a policy's version, and check it like one made by builders."""
        self.built, self.deployment = self.deployment, fixed
        try:
            self._check(host)
        except ConfigurationError as error:
            self.refuse(error)

    def within(self, builder: FlowBuilderInterface) -> Within:
        """Return the context in which a builder's code must run."""
        return self.elsewhere.get(id(builder), self.home)

    def apply(self, builder: FlowBuilderInterface) -> None:
        """Apply one builder; its exception becomes an error of this draft."""
        if self.errors:
            return
        remember_within(getattr(builder, "__dict__", None))
        try:
            made = builder.update_deployment(self.deployment.private_copy())
        except ConfigurationError as error:
            # the position of what a builder names itself, such as one of several schedules, is found through the entry
            self._refuse_of(builder, error, named=error.where is not None)
        except ValidationError as error:
            self._refuse_of(builder, noted(BuilderError(first_line(error), hint=hint_of(error)), error))
        except Exception as error:  # noqa: BLE001 - a builder is other people's code: whatever it raises is reported as its own
            self._refuse_of(builder, BuilderError(f"{type(error).__name__}: {error}"))
        else:
            if isinstance(made, Deployment):  # pyright: ignore[reportUnnecessaryIsInstance] - builders need not be type-checked
                self.deployment = made
            else:
                self.errors.append(
                    BuilderError(
                        f"update_deployment returned {made!r}, which is no deployment",
                        where=self._builder_place(builder),
                        hint="Return the deployment that it was given, or a changed copy.",
                    )
                )

    def _refuse_of(self, builder: FlowBuilderInterface, error: ConfigurationError, *, named: bool = False) -> None:
        """Record a builder's error, at the position of the offending value if known, else with the builder's name."""
        place = self.place_of(error)
        if named or (place and not isinstance(error, BuilderError)):
            error.asked_for_at(place or self.where)
        else:
            error.asked_for_at(self._builder_place(builder, place))
        self.errors.append(error)

    def _builder_place(self, builder: FlowBuilderInterface, place: str | None = None) -> str:
        return f"{place or self.where}: builder {type(builder).__name__} of {self.deployment.full_name}"

    def complete(self, host: Host) -> None:
        """Fill in what the builders left open, and check what every deployment needs."""
        if self.errors:
            return
        try:
            self._join_steps()
            self._collect_components(host)
            self._check(host)
        except ConfigurationError as error:
            self.refuse(error)

    def refuse(self, error: ConfigurationError) -> None:
        """Record an error, with where the deployment was requested."""
        error.asked_for_at(self.place_of(error) or self.where)
        self.errors.append(error)

    def _join_steps(self) -> None:
        """Append the steps that follow the code fetch, now that all builders have run."""
        deployment = self.deployment
        if deployment.steps_after_code:
            deployment.pull_steps = behind(deployment.pull_steps, deployment.steps_after_code)
            deployment.steps_after_code = []

    def _collect_components(self, host: Host) -> None:
        asked = [component for builder in self.builders for component in self._required_by(builder)]
        wanted = [*self.flow_requires, *asked]
        pools = [component for component in wanted if isinstance(component, WorkerPool)]
        if self.deployment.work_pool_name is None and pools:
            # An outer builder overrides, so the outermost pool is the one that the deployment runs in.
            self.deployment.work_pool_name = pools[-1].completed(self.deployment, host).name
        if self.deployment.pool_defaults and not pools:
            raise ConfigurationError(
                f"`pool_defaults` of the work pool {self.deployment.work_pool_name!r}, of which nobody says the type",
                hint="Say it, as in `work_pool(name=…, type=…)`: a pool that is taken as it is has its own.",
            )
        completed = [component.completed(self.deployment, host) for component in wanted]
        self.components = tuple(with_requirements(completed))

    def _required_by(self, builder: FlowBuilderInterface) -> list[Component]:
        try:
            with self.within(builder)():
                asked = builder.requires
                # A plan must not depend on set order.
                required: list[Any] = sorted(asked, key=repr) if isinstance(asked, Set) else list(asked)
        except ConfigurationError:
            raise
        except Exception as error:
            raise BuilderError(
                f"its `requires` raised {type(error).__name__}: {error}", where=self._builder_place(builder)
            ) from error
        for component in required:
            if not isinstance(component, Component):
                raise BuilderError(
                    f"its `requires` holds {component!r}, which is no component",
                    where=self._builder_place(builder),
                    hint="Components are, for example, `WorkerPool()` and `Worker()`.",
                )
        return required

    def _check(self, host: Host) -> None:
        deployment = self.deployment
        if not deployment.name:
            raise ConfigurationError(
                "no builder gives the deployment a name", where=self.where, hint="Add the builder `namer(name=…)`."
            )
        if deployment.work_pool_name is None:
            raise ConfigurationError(
                f"no builder says where {deployment.full_name} runs",
                where=self.where,
                hint="Add an infrastructure builder, for example `local_process()`.",
            )
        try:
            check_name(deployment.flow.name)
        except ValueError as error:
            raise ConfigurationError(f"the flow's name {error}", where=self.where) from None
        try:
            # Changes in place bypass validation on assignment.
            type(deployment).model_validate(dict(deployment))
        except ValidationError as error:
            raise BuilderError(first_line(error), where=f"{self.where}: {deployment.full_name}") from None
        if unstorable := list(check_storable(deployment)):
            for error in unstorable:
                self.refuse(error)
            return
        self._make_json()
        self._refuse_hidden()
        entrypoint = deployment.entrypoint or deployment.flow.entrypoint
        errors = (
            *check_parameters(deployment),
            *check_smoke(deployment),
            *misplaced_templates(deployment),
            *check_loads_by_path(Path(deployment.flow.source), entrypoint),
            *check_code_in_runs(deployment, self.components, host.pool_name()),
        )
        for error in errors:
            self.refuse(error)

    def _make_json(self) -> None:
        """Convert what is sent to the server to its JSON form, so that it compares equal with what is returned."""
        deployment = self.deployment
        try:
            for name in ("parameters", "job_variables", "pull_steps"):
                setattr(deployment, name, to_jsonable_python(getattr(deployment, name)))
            if deployment.schedules is not None:
                deployment.schedules = [
                    schedule.model_copy(update={"parameters": to_jsonable_python(schedule.parameters)})
                    for schedule in deployment.schedules
                ]
        except PydanticSerializationError as error:
            raise BuilderError(
                f"holds something that has no JSON form: {error}", where=f"{self.where}: {deployment.full_name}"
            ) from None

    def _refuse_hidden(self) -> None:
        """Reject values copied from a run's page, where secrets are masked: they would be useless in a run."""
        deployment = self.deployment
        for name in ("parameters", "job_variables", "pull_steps"):
            if is_hidden(getattr(deployment, name)):
                raise BuilderError(
                    f"{name}: a value is {HIDDEN!r}, which is how a secret is shown",
                    where=f"{self.where}: {deployment.full_name}",
                    hint="Write a reference, such as '{{ prefect.blocks.secret.NAME }}', or the value itself.",
                )


def with_requirements(components: Iterable[Component]) -> list[Component]:
    """Add the components that components require, dependencies first and without duplicates; work pools come first.

    A worker started before its pool exists would create one, without our additions to its template.
    """
    ordered: dict[ComponentKey, Component] = {}

    def add(component: Component) -> None:
        for required in component.requires:
            add(required)
        known = ordered.setdefault(component.key, component)
        if known != component:
            raise _conflict(known, component)

    for component in sorted(components, key=_comes_later):
        add(component)
    return list(ordered.values())


def _comes_later(component: Component) -> bool:
    return not isinstance(component, WorkerPool)


def _conflict(one: Component, other: Component) -> ConflictError:
    mine, yours = one.model_dump(), other.model_dump()
    fields = sorted(key for key in mine.keys() | yours.keys() if mine.get(key) != yours.get(key))
    settings = "; ".join(f"{field}: {mine.get(field)!r} or {yours.get(field)!r}" for field in fields)
    return ConflictError(
        f"asked for twice with different settings ({settings})",
        where=str(one),
        hint="Use the same settings, or two names.",
    )


@dataclass(frozen=True, eq=False)
class BuilderStep:
    """One kind of builder, applied to every deployment of the batch that has it next in its chain.

    Attributes:
        title: The step's name in the Prefect UI.
        members: The drafts, each with its builder.
    """

    title: str
    members: Sequence[tuple[Draft, FlowBuilderInterface]]

    def __str__(self) -> str:
        return self.title

    def run(self) -> list[ConfigurationError]:
        """Apply the builders; return the errors they raised."""
        raised: list[ConfigurationError] = []
        for within, members in groupby(self.members, key=lambda one: one[0].within(one[1])):
            with within():
                for draft, builder in members:
                    before = len(draft.errors)
                    draft.apply(builder)
                    raised.extend(draft.errors[before:])
        return raised


def builder_steps(drafts: Sequence[Draft]) -> list[BuilderStep]:
    """Group the builders of a batch into steps, preserving the order of each deployment's chain.

    Chains of one recipe are usually the same, so the number of steps stays that of one chain. Where they differ, the next
    kind of builder is the one that the fewest other chains contain further down.
    """
    pending = {index: list(draft.builders) for index, draft in enumerate(drafts) if draft.builders}
    steps: list[BuilderStep] = []
    while pending:
        heads = dict.fromkeys((type(chain[0]), chain[0].title) for chain in pending.values())

        def later(head: tuple[type, str]) -> int:
            return sum(any((type(one), one.title) == head for one in chain[1:]) for chain in pending.values())

        kind = min(heads, key=later) if len(heads) > 1 else next(iter(heads))
        members: list[tuple[Draft, FlowBuilderInterface]] = []
        for index, chain in list(pending.items()):
            if (type(chain[0]), chain[0].title) == kind:
                members.append((drafts[index], chain.pop(0)))
                if not chain:
                    del pending[index]
        steps.append(BuilderStep(kind[1], members))
    return steps


def shared_components(drafts: Iterable[Draft]) -> list[Component]:
    """Return the components that a batch requires, without duplicates, dependencies first.

    If two deployments require a component with different settings, the conflict becomes an error of the later one and names
    both. Work pools come first, whichever deployment requires them.
    """
    drafts = list(drafts)
    ordered: dict[ComponentKey, tuple[Component, Draft]] = {}
    for draft in drafts:
        for component in draft.components:
            known, first = ordered.setdefault(component.key, (component, draft))
            if known != component:
                error = _conflict(known, component)
                error.where = f"{draft.where}: {component} (also needed by {first.deployment.full_name})"
                draft.errors.append(error)
    needed = {component.key for draft in drafts if not draft.errors for component in draft.components}
    return with_requirements(component for component, _ in ordered.values() if component.key in needed)


def needed_by(drafts: Iterable[Draft]) -> set[ComponentKey]:
    """Return the keys of what deployments need: their components, and their work pool even if another deployment requires it."""
    keys: set[ComponentKey] = set()
    for draft in drafts:
        keys.update(component.key for component in draft.components)
        if pool := draft.deployment.work_pool_name:
            keys.add((WorkerPool.kind, pool))
    return keys


def duplicate_names(drafts: Iterable[Draft]) -> list[tuple[Draft, ConflictError]]:
    """Find deployments with the same name; return all but the first of each, with the error."""
    first: dict[str, Draft] = {}
    found: list[tuple[Draft, ConflictError]] = []
    for draft in drafts:
        if draft.errors:
            continue
        name = draft.deployment.full_name
        if (other := first.setdefault(name, draft)) is not draft:
            error = ConflictError(
                f"gives the deployment {name!r}, and so does {other.where}",
                where=draft.where,
                hint="Give one of them another name.",
            )
            found.append((draft, error))
    return found


@task(name="builder", task_run_name="{step}", cache_policy=NO_CACHE)
async def run_builder(step: BuilderStep) -> State[None] | None:
    """Apply one kind of builder to every deployment that has it; the task fails if it raises for any of them."""
    errors = step.run()
    logger = get_run_logger()
    for error in errors:
        logger.error("%s", error)
    logger.info("%s: %s", step.title, counted(len(step.members), "deployment"))
    if not errors:
        return None
    return Failed(message=f"it refused {len(errors)} of {counted(len(step.members), 'deployment')}: {errors[0]}")


async def build_observed(drafts: Sequence[Draft], host: Host) -> None:
    """Run all builders of a batch, each kind as a separate task."""
    for step in builder_steps(drafts):
        # As a state: exceptions are recorded on the drafts, and the other steps go on.
        state: Any = run_builder(whole(step), return_state=True)  # Prefect's types ignore that it is a coroutine
        await state
    _finish(drafts, host)


def build(drafts: Sequence[Draft], host: Host) -> None:
    """Run all builders of a batch in memory."""
    for step in builder_steps(drafts):
        step.run()
    _finish(drafts, host)


def _finish(drafts: Sequence[Draft], host: Host) -> None:
    """Mark the deployments as ours, fill in what was left open, and find duplicate names."""
    for home, those in groupby(drafts, key=lambda one: one.home):
        with home():
            for draft in those:
                draft.complete(host)
    for draft in drafts:
        if not draft.errors:
            deployment = draft.deployment
            marks = [owner_tag(deployment.context.project), environment_tag(deployment.environment_word), *draft.marks]
            deployment.tags = list(dict.fromkeys([*marks, *deployment.tags]))
    for draft, error in duplicate_names(drafts):
        draft.errors.append(error)
