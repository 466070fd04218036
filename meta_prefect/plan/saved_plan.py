"""Saved plans: compact records on the server, without desired states, that can be checked for validity later.

A plan is recomputed from the project whenever it is needed; saved are the clock, the commit and the versions fixed for it,
and a fingerprint of each object before and after. Equal fingerprints mean the same plan.
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
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.times import Length, Moment
from meta_prefect.plan.changes import DEPLOYMENT, Change, Create, Delete, Held, Plan, Unchanged, Update, fields_of
from meta_prefect.plan.deployment_record import desired_record
from meta_prefect.redaction import hidden, sealed

ARTIFACT_TYPE: Final = "deploy-plan"
"""The artifact type; the Prefect UI shows data of unknown types as JSON."""

_MOST_DIFFERENCES: Final = 10
"""So many are named, where a plan no longer holds."""


class DeployOptions(BaseModel):
    """The options of a deploy, other than the project and the environment.

    Attributes:
        names: Flows or deployments.
        select: Patterns.
        tags: Additional tags for every deployment, replacing META_PREFECT__TAGS.
        version: The version to set instead of the recipe's.
        only_changed: Whether to leave a counted version unchanged if nothing else differs.
        bump: Whether to increment a counted version even if that deletes scheduled runs.
        adopt: Whether to take over unmanaged deployments.
        local_code: Whether code of a deployer's project may move from a shared source to a folder on this host.
        new_environment: Whether the environment is intended even though its name resembles another one.
        prune: Whether to delete what is no longer in the project.
        max_deletes: The maximum number of deletions; None for a fifth of the deployments, and at least 3.
        expires: After what time the environment is destroyed; None to use the project file's setting.
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
    """The fingerprints of an object's state before and after a plan.

    Attributes:
        before: The live state; None if it did not exist.
        after: The desired state; None if it is to be deleted.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    before: str | None
    after: str | None


class SavedPlan(BaseModel):
    """A saved plan, and the progress of the deploy that applies it.

    Attributes:
        project: The project.
        environment: The environment.
        deploy_id: The deploy, whose retries continue with the same plan.
        run_id: The flow run that made the plan.
        now: The time for which it was made.
        commit: The project's Git commit.
        asked: The options.
        versions: The counted versions it fixed, by ``flow/deployment``.
        wanted: A fingerprint of the project's whole desired state, except for counted versions.
        states: The fingerprints of each object before and after, by ``kind name``.
        components: The fingerprint of each component's desired state, by ``kind name``.
        unsettled: Deployments whose builders' hooks have not been called yet.
        sealed_with: The name of the key that sealed secrets before fingerprinting; None if they were left out.
        approval: Who approved it.
        stage: ``planned`` by a dry run, ``started``, or ``finished`` if nothing is left to do.
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
        """The key of the artifact."""
        return recorded_key(self.project, self.environment)

    def completed_by(self, context: DeployContext) -> DeployContext:
        """Return the context of another deploy that completes this one, with its identity and versions."""
        fixed = {
            "deploy_id": self.deploy_id,
            "versions": self.versions,
            "unsettled": self.unsettled,
            "approval": self.approval,
        }
        return context.model_copy(update=fixed)

    def repeated_by(self, context: DeployContext) -> DeployContext:
        """Return the context of a deploy that applies this very plan, including its time."""
        repeated = self.completed_by(context).at(self.now)
        return repeated if self.stage != "planned" else repeated.model_copy(update={"unsettled": ()})


def recorded_key(project: str, environment: str) -> str:
    """Return the key of the plans of a project and environment."""
    return artifact_key(f"deploy-plan-{project}-{environment}")


def fingerprint(value: Any) -> str:
    """Return a short text that is the same for equal JSON values and differs otherwise."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def fingerprint_of_wanted(deployments: Iterable[Deployment]) -> str:
    """Return the fingerprint of a project's desired state without secrets; independent of order."""
    return fingerprint({deployment.full_name: hidden(desired_record(deployment)) for deployment in deployments})


def fingerprint_of_component(component: Component) -> str:
    """Return the fingerprint of a component's desired state without secrets."""
    return fingerprint(hidden(component.model_dump(mode="json")))


def states_of(plan: Plan, sealed_with: str | None) -> dict[str, PlannedState]:
    """Return the states of a plan's objects by ``kind name``, except for workers, which are processes.

    Args:
        plan: The plan.
        sealed_with: As in :class:`SavedPlan`. A fingerprint of a secret itself would allow anyone to check a guess.
    """
    form = hidden if sealed_with is None else sealed
    return {str(change.subject): _state_of(change, form) for change in plan if change.subject.kind != Worker.kind}


def _state_of(change: Change, form: Callable[[Any], Any]) -> PlannedState:
    """Return the fingerprints of the states before and after a change."""
    if change.subject.kind != DEPLOYMENT:
        # The server's records of components contain counters and times; only the compared fields count.
        fields = [str(field) for field in fields_of(change)]
        return PlannedState(before=None, after=fingerprint([type(change).__name__, form(fields)]))
    match change:
        case Held(otherwise=otherwise) if otherwise is not None:
            # Holds are not part of a plan: the same plan continues once the deployment is released.
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
    """Check that a recomputed plan equals the saved one.

    Raises:
        MovedError: The server or the project has changed since; the message names the differences.
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
