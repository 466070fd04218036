"""The artifact page with a deploy's report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.markdown import code, escaped, link, table, wrapped
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.ui_links import deployment_page, run_page
from meta_prefect.report import Outcome, Report
from meta_prefect.texts import duration

_FOLDED: Final = "unchanged"
"""Actions without a row of their own, because nothing was done."""


_NAME_WIDTH: Final = 38
_DETAIL_WIDTH: Final = 34
"""Characters per line of a cell: four columns fit beside the UI's menu in 900 pixels."""


@dataclass(frozen=True, slots=True)
class ReportHead:
    """The header of a report.

    Attributes:
        project: The project.
        commit: The deployed commit; None if there is none.
        by: Who deployed; None if unknown.
        took: How long the run has taken so far; None if unknown.
        run_id: The run; None if there is none.
    """

    project: str
    commit: str | None = None
    by: str | None = None
    took: timedelta | None = None
    run_id: str | None = None

    def __str__(self) -> str:
        """One line of Markdown."""
        return " · ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        yield f"**{escaped(self.project)}**"
        if self.commit:
            yield f"commit {code(short_commit(self.commit))}"
        if self.by:
            yield f"by {escaped(self.by)}"
        if self.took is not None:
            yield duration(self.took.total_seconds())
        if self.run_id:
            yield link("the run", run_page(self.run_id))


def report_artifact(report: Report, key: str, description: str, head: ReportHead) -> Record:
    """Return the report as an artifact for the API: failures first, unchanged deployments only counted.

    It is a page with a table in it; Prefect's own table artifacts show links literally and truncate long texts.

    Args:
        report: The report.
        key: The artifact's key; characters that Prefect rejects are replaced.
        description: Markdown above the table.
        head: The header.
    """
    others = (one for one in report.outcomes if one.action not in ("failed", _FOLDED))
    rows = [_row(one) for one in (*report.failed, *others)]
    lines = [f"# {escaped(report.in_one_line)}", "", str(head)]
    if rows:
        lines += ["", *table(("Deployment", "Result", "Version", "Detail"), rows)]
    lines += _unchanged(report)
    if smoked := [one for one in report.outcomes if one.smoke_run]:
        runs = (f"- {link(escaped(one.deployment), run_page(one.smoke_run))}: {_verdict(one)}" for one in smoked)
        lines += ["", "Smoke runs:", "", *runs]
    if report.components:
        lines += ["", "Also written:", "", *(f"- {escaped(name)}: {escaped(done)}" for name, done in report.components)]
    if report.remarks:
        lines += ["", "Notes:", "", *(f"- {escaped(remark)}" for remark in report.remarks)]
    return {"type": "markdown", "key": artifact_key(key), "description": description, "data": "\n".join(lines)}


def _row(outcome: Outcome) -> tuple[str, str, str, str]:
    name = wrapped(outcome.deployment, _NAME_WIDTH, deployment_page(outcome.id))
    action = f"**{outcome.action}**" if outcome.action == "failed" else escaped(outcome.action)
    return name, action, escaped(short_commit(outcome.version or "")), wrapped(outcome.detail, _DETAIL_WIDTH)


def _verdict(outcome: Outcome) -> str:
    return "**failed**" if outcome.action == "failed" else "passed"


def _unchanged(report: Report) -> list[str]:
    """Return one line for each reason why nothing was done."""
    reasons = Counter(outcome.detail for outcome in report.outcomes if outcome.action == _FOLDED)
    return [
        line
        for reason, count in reasons.items()
        for line in ("", f"{count} unchanged{f': {escaped(reason)}' if reason else ''}.")
    ]
