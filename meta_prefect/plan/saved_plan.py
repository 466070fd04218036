"""A plan as it is recorded on the server: small, without any desired state, and enough to tell whether it still holds.

A plan is made again from the project whenever it is needed; what is recorded of it are the clock, the commit and the versions
that were fixed for it, and a fingerprint of each object before and after. Equal fingerprints mean the same plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field

from meta_prefect.errors import MovedError
from meta_prefect.interfaces.approval import Approval
from meta_prefect.interfaces.components import Component, Worker
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.moments import Length, Moment
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.plan.changes import DEPLOYMENT, Change, Create, Delete, Held, Plan, Unchanged, Update, fields_of
from meta_prefect.plan.deployment_record import desired_record
from meta_prefect.redaction import hidden, sealed

ARTIFACT_TYPE: Final = "deploy-plan"
"""The type of the artifacts; the Prefect UI shows the data of a type that it does not know as JSON."""

_MOST_DIFFERENCES: Final = 10
"""So many are named, where a plan no longer holds."""


class DeployOptions(BaseModel):
    """What a deploy was asked to do, apart from the project and the environment.

    Attributes:
        names: Flows or deployments.
        select: Patterns.
        tags: Further tags for every deployment, in place of META_PREFECT__TAGS.
        version: The version to set instead of the recipe's.
        only_changed: Whether a version that counts deploys stays where nothing else differs.
        bump: Whether a version that counts deploys goes up even at the price of scheduled runs.
        adopt: Whether to take over deployments that nobody manages.
        local_code: Whether code that a deployer deploys from a shared source may move to a folder of this host.
        new_environment: Whether the environment is meant, though it is nearly the name of another one.
        prune: Whether to delete what is no longer in the project.
        max_deletes: How many deployments that may be at most; None for a fifth, and at least 3.
        expires: After what time the environment is taken down; None leaves that to the project file.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    version: str | None = None
    only_changed: bool = False
    bump: bool = False
    adopt: bool = False
    local_code: bool = False
    new_environment: bool = False
    prune: bool = False
    max_deletes: int | None = Field(default=None, ge=0)
    expires: Length | None = None


class PlannedState(BaseModel):
    """What a plan saw of an object and what it makes of it, as fingerprints.

    Attributes:
        before: The state that was there; None where there was none.
        after: The state that is to be; None where it is to go.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    before: str | None
    after: str | None


class SavedPlan(BaseModel):
    """A plan, and how far the deploy that follows it has come.

    Attributes:
        project: The project.
        environment: The environment.
        deploy_id: The deploy; a retry of it carries on with the same plan.
        run_id: The flow run that made the plan.
        now: The moment for which it was made.
        commit: The Git commit of the project.
        asked: What was asked for.
        versions: The counted versions that it fixed, by ``flow/deployment``.
        wanted: A fingerprint of everything that the project wants, counted versions apart.
        states: The fingerprints of each object before and after, by ``kind name``.
        components: A fingerprint of each component as it was wanted, by ``kind name``.
        unsettled: Deployments whose builders have something to do once they are written, and have not done it yet.
        sealed_with: The name of the key with which secrets were sealed before the states were made fingerprints; None where
            they were left out.
        approval: Who approved it.
        stage: ``planned`` by a dry run, ``started``, or ``finished`` where nothing is left of it to do.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    project: str
    environment: str
    deploy_id: str
    run_id: str | None
    now: Moment
    commit: str | None
    asked: DeployOptions
    versions: dict[str, str]
    wanted: str
    states: dict[str, PlannedState]
    components: dict[str, str] = {}
    unsettled: tuple[str, ...] = ()
    sealed_with: str | None = None
    approval: Approval | None = None
    stage: Literal["planned", "started", "finished"]

    @property
    def key(self) -> str:
        """Under which the artifact is stored."""
        return recorded_key(self.project, self.environment)

    def completed_by(self, context: DeployContext) -> DeployContext:
        """The context of another deploy that completes this one: with its identity and versions."""
        fixed = {
            "deploy_id": self.deploy_id,
            "versions": self.versions,
            "unsettled": self.unsettled,
            "approval": self.approval,
        }
        return context.model_copy(update=fixed)

    def repeated_by(self, context: DeployContext) -> DeployContext:
        """The context of a deploy that follows this very plan: at its moment too."""
        repeated = self.completed_by(context).at(self.now)
        return repeated if self.stage != "planned" else repeated.model_copy(update={"unsettled": ()})


def recorded_key(project: str, environment: str) -> str:
    """The key of the plans of a project and environment."""
    return artifact_key(f"deploy-plan-{project}-{environment}")


def fingerprint(value: Any) -> str:
    """A short text that is equal for equal JSON values, and otherwise differs."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def fingerprint_of_wanted(deployments: Iterable[Deployment]) -> str:
    """The fingerprint of what a project wants, secrets apart; the order in which it asks does not matter."""
    return fingerprint({deployment.full_name: hidden(desired_record(deployment)) for deployment in deployments})


def fingerprint_of_component(component: Component) -> str:
    """The fingerprint of a component as it is wanted, secrets apart."""
    return fingerprint(hidden(component.model_dump(mode="json")))


def states_of(plan: Plan, sealed_with: str | None) -> dict[str, PlannedState]:
    """The states of a plan's objects by ``kind name``. Workers are processes: whether they run is no part of it.

    Args:
        plan: The plan.
        sealed_with: As that of a :class:`SavedPlan`. A fingerprint of a secret itself would let anybody check a guess.
    """
    form = hidden if sealed_with is None else sealed
    return {str(change.subject): _state_of(change, form) for change in plan if change.subject.kind != Worker.kind}


def _state_of(change: Change, form: Callable[[Any], Any]) -> PlannedState:
    """The fingerprints of what a change starts from and leads to."""
    if change.subject.kind != DEPLOYMENT:
        # What the server says of a component holds counters and times of its own; what is compared is what counts.
        fields = [str(field) for field in fields_of(change)]
        return PlannedState(before=None, after=fingerprint([type(change).__name__, form(fields)]))
    match change:
        case Held(otherwise=otherwise) if otherwise is not None:
            # Whether somebody holds it is no part of a plan: the same plan goes on once it is released.
            return _state_of(otherwise, form)
        case Create(after=after):
            return PlannedState(before=None, after=fingerprint(form(after)))
        case Update(before=before, after=after):
            return PlannedState(before=fingerprint(form(before)), after=fingerprint(form(after)))
        case Unchanged(live=live):
            same = fingerprint(form(live))
            return PlannedState(before=same, after=same)
        case Delete(before=before):
            return PlannedState(before=fingerprint(form(before)), after=None)
        case _:
            assert_never(change)


def check_still_holds(recorded: SavedPlan, states: Mapping[str, PlannedState]) -> None:
    """Find out whether a plan that was made again is the recorded one.

    Raises:
        MovedError: The server or the project has changed since; names what.
    """
    if differences := list(_differences(recorded.states, states)):
        more = len(differences) - _MOST_DIFFERENCES
        shown = "\n  ".join((*differences[:_MOST_DIFFERENCES], *((f"and {more} more",) if more > 0 else ())))
        raise MovedError(
            f"this is no longer what a deploy would do; nothing was written\n  {shown}",
            where=f"plan of run {recorded.run_id}",
            hint="Make a new plan, look at it, and apply that one.",
        )


def _differences(then: Mapping[str, PlannedState], now: Mapping[str, PlannedState]) -> Iterator[str]:
    for name in dict.fromkeys((*then, *now)):
        planned, found = then.get(name), now.get(name)
        if planned == found:
            continue
        if planned is None:
            yield f"{name} is new in the project or on the server"
        elif found is None:
            yield f"{name} is no longer there"
        elif planned.before != found.before:
            yield f"{name} has been changed on the server"
        else:
            yield f"{name} is asked for otherwise by the project"
