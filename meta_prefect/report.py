"""What a deploy did to each deployment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from meta_prefect.errors import DeployFailed
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.records import Record
from meta_prefect.plan.document import PlanDocument
from meta_prefect.plan.explain import shown
from meta_prefect.plan.ledger import Recorded
from meta_prefect.plan.status import FieldStatus, ProjectStatus
from meta_prefect.texts import code, markdown

Action = Literal["created", "updated", "unchanged", "deleted", "put back", "not written", "failed"]
"""What happened: ``put back`` and ``not written`` where another deployment failed and the deploy was all or nothing."""


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    deployment: str
    recipe: str
    action: Action
    version: str | None = None
    detail: str = ""
    id: str | None = None
    url: str | None = None
    open_parameters: tuple[str, ...] = ()
    tried: bool = False


class Report(BaseModel):
    """What a deploy did.

    Attributes:
        environment: The environment it was for.
        dry_run: Whether nothing was written, and the actions are those that a deploy would take.
        outcomes: One for each deployment, in the order of the project.
        components: Work pools, workers and the like that were written, each with what was done.
        remarks: What else whoever deploys should know.
        run_id: The deploy's own run.
        run_url: That run in the Prefect UI.
        plan: The plan that it came from, field by field.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str
    dry_run: bool = False
    outcomes: tuple[Outcome, ...] = ()
    components: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    run_id: str | None = None
    run_url: str | None = None
    plan: PlanDocument | None = None

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The deployments that could not be deployed."""
        return self.only("failed")

    def only(self, action: Action) -> tuple[Outcome, ...]:
        """The outcomes of one kind."""
        return tuple(outcome for outcome in self.outcomes if outcome.action == action)

    def count(self) -> str:
        """``1 created, 2 updated``; with the mood of a plan for a dry run."""
        verbs: dict[Action, str] = {
            "created": "to create" if self.dry_run else "created",
            "updated": "to update" if self.dry_run else "updated",
            "unchanged": "unchanged",
            "deleted": "to delete" if self.dry_run else "deleted",
            "put back": "put back",
            "not written": "not written",
            "failed": "failed",
        }
        counts = [f"{len(found)} {verb}" for action, verb in verbs.items() if (found := self.only(action))]
        return ", ".join(counts) or "nothing to deploy"


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


def drift_markdown(found: ProjectStatus) -> str:
    """How a project stands, as a page: one section for each deployment that is not in sync, one row for each field."""
    lines = [f"# {found.project} in {markdown(found.environment)}"]
    for one in found.deployments:
        if one.is_in_sync:
            continue
        lines += ["", f"## {markdown(one.deployment)}: {one.state}", ""]
        if one.applied_at is not None:
            lines += [f"Deployed {one.applied_at:%Y-%m-%d %H:%M} UTC by {markdown(one.applied_by or '')}.", ""]
        if one.fields:
            lines += ["| field | last deployed | live | wanted | |", "|---|---|---|---|---|"]
            lines += [_drift_row(field) for field in one.fields]
    count = sum(one.is_in_sync for one in found.deployments)
    return "\n".join([*lines, "", f"{count} of {len(found.deployments)} are in sync."])


def _drift_row(field: FieldStatus) -> str:
    values = (
        markdown(shown(getattr(field, name), field.path)) if name in field.model_fields_set else ""
        for name in ("applied", "live", "wanted")
    )
    return _row((markdown(field.path), *values, field.kind))


def carried_by(failure: DeployFailed) -> Report:
    """The report of a deploy that failed in part.

    Raises:
        DeployFailed: It carries none.
    """
    if not isinstance(failure.report, Report):
        raise failure
    return failure.report


HISTORY_COLUMNS: Final = ("When", "Version", "Action", "Commit", "By", "Changed")


def history_cells(recorded: Recorded) -> tuple[str, str, str, str, str, str]:
    """What a history says of one entry, in the order of its columns; the time is in UTC."""
    page, entry = recorded.page, recorded.entry
    sha, plus, state = (page.commit or "").partition("+")
    changed = ", ".join(field.path for field in entry.fields)
    at = f"{page.at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    action = entry.action if recorded.is_certain else f"{entry.action}? (interrupted)"
    return at, entry.version or "", action, f"{sha[:8]}{plus}{state}", page.by, changed


def history_artifact(deployment: str, history: Sequence[Recorded], urls: Sequence[str | None]) -> Record:
    """What was written of a deployment, newest first, as an artifact.

    Args:
        deployment: ``flow/deployment``.
        history: What was written.
        urls: For each of that the page of the run that wrote it, where there is one.
    """
    rows = [_row(HISTORY_COLUMNS), "|---" * len(HISTORY_COLUMNS) + "|"]
    for recorded, url in zip(history, urls, strict=True):
        at, *rest = map(markdown, history_cells(recorded))
        rows.append(_row((f"[{at}]({url})" if url else at, *rest)))
    return {
        "type": "markdown",
        "key": artifact_key(f"history-{deployment}"),
        "description": f"What was written of {code(deployment)}, newest first: {len(history)} entries.",
        "data": "\n".join([f"# History of {markdown(deployment)}", "", *rows]),
    }


def report_artifact(report: Report, key: str, description: str) -> Record:
    """The report as an artifact, as the API takes it: what failed comes first, and deployments link to their pages in the UI.

    It is a page with a table in it; Prefect's own table artifacts show links as they are written and cut off long texts.

    Args:
        report: The report.
        key: Under which the artifact's versions are found; made to hold only what Prefect accepts.
        description: Markdown above the table.
    """
    rows = ["| deployment | result | version | detail | recipe |", "|---|---|---|---|---|"]
    for outcome in (*report.failed, *(one for one in report.outcomes if one.action != "failed")):
        plain = markdown(outcome.deployment)
        name = f"[{plain}]({outcome.url})" if outcome.url else plain
        action = f"**{outcome.action}**" if outcome.action == "failed" else outcome.action
        rows.append(_row((name, action, *map(_cell, (outcome.version or "", outcome.detail, outcome.recipe)))))
    lines = [f"# {report.count()} in {markdown(report.environment)}", "", *rows]
    if report.components:
        lines += ["", "Also written:", "", *(f"- {markdown(name)}: {_cell(done)}" for name, done in report.components)]
    if report.remarks:
        lines += ["", "Notes:", "", *(f"- {_cell(remark)}" for remark in report.remarks)]
    if report.run_url:
        lines += ["", f"[The run]({report.run_url})"]
    return {"type": "markdown", "key": artifact_key(key), "description": description, "data": "\n".join(lines)}


def _cell(text: str) -> str:
    """A text of several lines in one of Markdown."""
    return "<br>".join(map(markdown, text.split("\n")))


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
