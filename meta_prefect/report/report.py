"""The report of a deploy: the outcome for each deployment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from meta_prefect.plan.outcomes import Action, count_actions, counted, listed
from meta_prefect.plan.status import ProjectStatus
from meta_prefect.report.plan_json import PlanDocument


class Outcome(BaseModel):
    """What happened to one deployment, or would happen in a dry run.

    Attributes:
        deployment: ``flow/deployment``, or where it was requested if its name could not be determined.
        recipe: The recipe that deployed it.
        action: What happened.
        version: Its current version.
        detail: Which fields changed, why nothing did, or what went wrong and what to do.
        id: Its id on the server.
        url: Its page in the Prefect UI.
        open_parameters: Required parameters of its flow without a default, which each run must be given.
        tried: Whether writing it was started, so that it may be on the server even if it failed.
        smoke_run: The id of its smoke run, if it had one.
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
    """What a deploy did; its JSON is printed by ``meta-prefect deploy --output json``, a stable format.

    Attributes:
        environment: The environment it was for.
        dry_run: Whether nothing was written, and the actions are those a deploy would take: ``to create`` and the like.
        outcomes: One for each deployment, in the order of the project.
        components: Work pools, workers and the like that were written, each with what was done.
        remarks: Further remarks without duplicates; those that an unchanged deployment has shown before are only in the plan.
        run_id: The deploy's own run.
        run_url: That run in the Prefect UI.
        plan: The underlying plan, field by field.
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
        """Return the report as a JSON document with its format version; the plan has its own."""
        return json.dumps({"version": 1, **self.model_dump(mode="json", exclude={"plan"})}, indent=2)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The deployments that failed."""
        return self.only("failed")

    def only(self, action: Action) -> tuple[Outcome, ...]:
        """Return the outcomes with an action."""
        return tuple(outcome for outcome in self.outcomes if outcome.action == action)

    def count(self) -> str:
        """``1 created, 2 updated``."""
        return count_actions(outcome.action for outcome in self.outcomes) or "nothing to do"

    @property
    def in_one_line(self) -> str:
        """``1 created, 2 updated in prod``: the summary in the terminal, the log and the run's state.

        Planned changes to components are appended: ``; of components 1 to create``.
        """
        line = f"{self.count()} in {self.environment}"
        planned = self.plan.count_components() if self.dry_run and self.plan is not None else ""
        return f"{line}; of components {planned}" if planned else line


def together(environment: str, reports: Iterable[Report], *, dry_run: bool = False) -> Report:
    """Combine the reports of several recipes."""
    parts = list(reports)
    return Report(
        environment=environment,
        dry_run=dry_run,
        outcomes=tuple(outcome for part in parts for outcome in part.outcomes),
        components=tuple(dict.fromkeys(component for part in parts for component in part.components)),
        remarks=tuple(dict.fromkeys(remark for part in parts for remark in part.remarks)),
    )


def drift_in_one_line(found: ProjectStatus) -> str:
    """``2 of 12 deployments have drifted``, or ``no drift in 12 deployments``; drifted components are named."""
    all_of_them = counted(len(found.deployments), "deployment")
    parts = [f"{len(found.drifted)} of {all_of_them}"] if found.drifted else []
    if components := found.drifted_components:
        parts.append(listed(f"the {one}" for one in components))
    if not parts:
        return f"no drift in {all_of_them}"
    return f"{' and '.join(parts)} {'has' if len(found.drifted) + len(components) == 1 else 'have'} drifted"
