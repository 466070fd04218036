"""The artifact pages about the history of a deployment and of a project."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Final

from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.markdown import code, escaped, link, table, wrapped
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.ui_links import run_page
from meta_prefect.plan.ledger import HistoryEntry
from meta_prefect.plan.outcomes import counted
from meta_prefect.plan.project_history import COLUMNS, ProjectDeploy

HISTORY_COLUMNS: Final = ("When", "Version", "Action", "Commit", "By", "Changed")


_WIDTH: Final = 24
"""Characters per line of a cell: six columns fit beside the UI's menu in 900 pixels."""


def history_cells(recorded: HistoryEntry) -> tuple[str, str, str, str, str, str]:
    """Return the history's cells for one entry, in the order of its columns; the time is in UTC."""
    page, entry = recorded.page, recorded.entry
    changed = ", ".join(dict.fromkeys(_in_short(field.path) for field in entry.fields))
    at = f"{page.at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    action = entry.action if recorded.is_certain else f"{entry.action}? (interrupted)"
    if recorded.doubt is not None:
        action = f"{action} (does not count: {recorded.doubt})"
    by = page.by if page.approval is None else f"{page.by}, {page.approval}"
    return at, short_commit(entry.version or ""), action, short_commit(page.commit or ""), by, changed


def _in_short(path: str) -> str:
    """A field's place; what is generated, a schedule's name or a flow's signature, has none of interest."""
    first = path.partition(".")[0]
    return first if first in ("schedules", "parameter_openapi_schema") else path


def history_artifact(deployment: str, project: str, history: Sequence[HistoryEntry]) -> Record:
    """Build the artifact with a deployment's history, newest first.

    Args:
        deployment: ``flow/deployment``.
        project: The project that owns it.
        history: Its history.
    """
    rows = [_row(recorded) for recorded in history]
    heading = f"# History of {escaped(deployment)}"
    return {
        "type": "markdown",
        "key": artifact_key(f"history-{project}-{deployment}"),
        "description": f"What was written of {code(deployment)}, newest first: {counted(len(history), 'entry', 'entries')}.",
        "data": "\n".join([heading, "", f"**{escaped(project)}**", "", *table(HISTORY_COLUMNS, rows)]),
    }


def project_history_artifact(project: str, deploys: Sequence[ProjectDeploy]) -> Record:
    """Build the artifact with a project's deploys, newest first.

    Args:
        project: The project.
        deploys: The deploys.
    """
    rows = [_deploy_row(one) for one in deploys]
    return {
        "type": "markdown",
        "key": artifact_key(f"history-{project}"),
        "description": f"What was deployed of {escaped(project)}, in all environments on this server: the last {len(rows)}.",
        "data": "\n".join([f"# History of {escaped(project)}", "", *table(COLUMNS, rows)]),
    }


def _deploy_row(deploy: ProjectDeploy) -> list[str]:
    at, *rest = deploy.cells
    return [link(escaped(at), run_page(deploy.run_id)), *(wrapped(cell, _WIDTH) for cell in rest)]


def _row(recorded: HistoryEntry) -> list[str]:
    at, *rest = history_cells(recorded)
    return [link(escaped(at), run_page(recorded.page.run_id)), *(wrapped(cell, _WIDTH) for cell in rest)]
