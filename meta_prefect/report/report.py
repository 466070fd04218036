"""What a deploy did to each deployment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from meta_prefect.plan.outcomes import Action, count_actions, counted, listed
from meta_prefect.plan.status import ProjectStatus
from meta_prefect.report.plan_json import PlanDocument


class Outcome(BaseModel):
    """What happened to one deployment, or what would happen in a dry run.

    Attributes:
        deployment: ``flow/deployment``, or where it was asked for if it did not get as far as a name.
        recipe: The recipe that deployed it.
        action: What happened.
        version: Its version now.
        detail: Which fields changed, why nothing did, or what went wrong and what to do.
        id: Its id on the server.
        url: Its page in the Prefect UI.
        open_parameters: Parameters of its flow that each run must be given.
        tried: Whether writing it was begun, so that it may be on the server even where it failed.
        smoke_run: The id of its smoke run, where it got one.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    deployment: str
    recipe: str
    action: Action
    version: str | None = None
    detail: str = ""
    id: str | None = None
    url: str | None = None
    open_parameters: tuple[str, ...] = ()
    tried: bool = False
    smoke_run: str | None = None


class Report(BaseModel):
    """What a deploy did; as JSON what ``meta-prefect deploy --output json`` prints, whose form is stable.

    Attributes:
        environment: The environment it was for.
        dry_run: Whether nothing was written, and the actions are those that a deploy would take: ``to create`` and the like.
        outcomes: One for each deployment, in the order of the project.
        components: Work pools, workers and the like that were written, each with what was done.
        remarks: What else users should know, each thing once; what an unchanged deployment has already said of itself
            before stands in the plan only.
        run_id: The deploy's own run.
        run_url: That run in the Prefect UI.
        plan: The plan that it came from, field by field.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    environment: str
    dry_run: bool = False
    outcomes: tuple[Outcome, ...] = ()
    components: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    run_id: str | None = None
    run_url: str | None = None
    plan: PlanDocument | None = None

    def as_json(self) -> str:
        """The report as a document with a version of its form; the plan has one of its own."""
        return json.dumps({"version": 1, **self.model_dump(mode="json", exclude={"plan"})}, indent=2)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The deployments that could not be deployed."""
        return self.only("failed")

    def only(self, action: Action) -> tuple[Outcome, ...]:
        """The outcomes of one kind."""
        return tuple(outcome for outcome in self.outcomes if outcome.action == action)

    def count(self) -> str:
        """``1 created, 2 updated``."""
        return count_actions(outcome.action for outcome in self.outcomes) or "nothing to do"

    @property
    def in_one_line(self) -> str:
        """``1 created, 2 updated in prod``: what is said of the whole, in the terminal, the log and the run's state.

        What is planned of components stands behind that: ``; of components 1 to create``.
        """
        line = f"{self.count()} in {self.environment}"
        planned = self.plan.count_components() if self.dry_run and self.plan is not None else ""
        return f"{line}; of components {planned}" if planned else line


def together(environment: str, reports: Iterable[Report], *, dry_run: bool = False) -> Report:
    """Join the reports of several recipes."""
    parts = list(reports)
    return Report(
        environment=environment,
        dry_run=dry_run,
        outcomes=tuple(outcome for part in parts for outcome in part.outcomes),
        components=tuple(dict.fromkeys(component for part in parts for component in part.components)),
        remarks=tuple(dict.fromkeys(remark for part in parts for remark in part.remarks)),
    )


def drift_in_one_line(found: ProjectStatus) -> str:
    """``2 of 12 deployments have drifted``, or ``no drift in 12 deployments``; what they need is named."""
    all_of_them = counted(len(found.deployments), "deployment")
    parts = [f"{len(found.drifted)} of {all_of_them}"] if found.drifted else []
    if components := found.drifted_components:
        parts.append(listed(f"the {one}" for one in components))
    if not parts:
        return f"no drift in {all_of_them}"
    return f"{' and '.join(parts)} {'has' if len(found.drifted) + len(components) == 1 else 'have'} drifted"
