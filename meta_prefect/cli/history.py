"""``meta-prefect history`` and ``meta-prefect rollback``: what was deployed when, and restoring it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

from cyclopts import Parameter

from meta_prefect.cli.options import Debug, Deployment, Flag, ProjectPath, ServerOf
from meta_prefect.cli.output import Output
from meta_prefect.cli.project_history import project_history
from meta_prefect.errors import TargetError
from meta_prefect.texts import escaped

if TYPE_CHECKING:
    from rich.table import Table

    from meta_prefect.interfaces.json_diff import FieldChange
    from meta_prefect.plan.ledger import HistoryEntry
    from meta_prefect.report import Report
    from meta_prefect.server import PrefectServer


_LACKING: Final = "no history"
"""What is unavailable without an API."""


def history(
    deployment: Deployment | None = None,
    /,
    *,
    project: Annotated[
        Flag, Parameter(help="What was deployed of the whole project, to all its environments.")
    ] = False,
    path: ProjectPath = Path(),
    env: ServerOf = None,
    output: Annotated[Literal["text", "json"], Parameter(help="How to print.")] = "text",
    debug: Debug = False,
) -> int:
    """List what was written of a deployment, newest first: when, by whom, from which commit, and which fields changed.

    With `--project` what was deployed where, when, by whom, approved by whom and from which commit, on the servers of all the
    project's environments.

    Parameters
    ----------
    deployment
        The deployment, as `flow/deployment`.
    """
    if project:
        if deployment is not None or env is not None:
            raise TargetError("--project is about all deployments and environments", where="history")
        return project_history(path, output, debug=debug)
    if deployment is None:
        hint = "Name one as `flow/deployment`, or give --project for all that was deployed."
        raise TargetError("no deployment is named", where="history", hint=hint)
    out = Output()
    with out.watching("Reading", debug=debug):
        recorded, notes = _read(deployment, path, env)
    if output == "json":
        out.raw(json.dumps([_as_json(one) for one in recorded], indent=2))
    elif sys.stdout.isatty():
        out.show(_table(deployment, recorded))
    else:
        for one in recorded:
            out.raw(escaped(_as_line(one)))
    for note in notes:
        out.say(f"note: {note}")
    return 0


def rollback(
    deployment: Deployment,
    /,
    *,
    to: Annotated[str | None, Parameter(help="The version; by default the last one before the current.")] = None,
    hold: Annotated[
        bool | None,
        Parameter(
            help="Hold it from every deploy until it is released, or from none; by default from scheduled and healing ones, "
            "until somebody deploys it.",
        ),
    ] = None,
    despite_hold: Annotated[Flag, Parameter(help="Roll back also what is held from every deploy.")] = False,
    unconfirmed: Annotated[
        Flag, Parameter(help="Go back also to what is recorded of a run that is gone, which nothing confirms.")
    ] = False,
    path: ProjectPath = Path(),
    env: ServerOf = None,
    dry_run: Annotated[Flag, Parameter(help="Compare, and write nothing.")] = False,
    debug: Debug = False,
) -> int:
    """Make a deployment what it was at an earlier version: every field, its schedules, its pause and its limits.

    Its work pool and its automations stay as they are, and so do the files of a folder that its runs use; a commit that they
    clone, or an image, goes back. A deployment that was deleted is created again.

    Parameters
    ----------
    deployment
        The deployment, as `flow/deployment`.
    """
    from meta_prefect.local.api import reading_api, writing_api
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.project import read_project

    out = Output()
    asked = {
        "deployment": deployment,
        "to": to,
        "hold": "automatic" if hold is None else "all" if hold else "none",
        "despite_hold": despite_hold,
        "unconfirmed": unconfirmed,
        "path": str(path),
        "dry_run": dry_run,
    }
    with out.watching("Rolling back", debug=debug), server_of(read_project(path, required=False), env):
        if dry_run:
            with reading_api() as api:
                report = _roll_back(asked, api)
        else:
            with writing_api(local=False, say=out.say) as api:
                report = _roll_back(asked, api)
    if dry_run:
        out.plan(report, "text")
    else:
        out.report(report)
    return 0


def _roll_back(asked: dict[str, Any], api: str | None) -> Report:
    from deployer_flows import rollback as flow
    from meta_prefect.server.access import require_api, run_flow_on_current_api

    require_api(api, _LACKING)
    return run_flow_on_current_api(lambda: cast("Any", flow)(**asked))


def _read(deployment: str, path: Path, env: str | None) -> tuple[Sequence[HistoryEntry], Sequence[str]]:
    """Read a deployment's history, and remarks about its hold and about invalid records."""
    from meta_prefect.engine.context import clock
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.plan.ledger import CUT_OFF, is_cut_off
    from meta_prefect.project import read_project
    from meta_prefect.server.access import query_api

    project = read_project(path, required=False)

    async def read(server: PrefectServer) -> tuple[Sequence[HistoryEntry], Sequence[str]]:
        recorded = await server.read_history(deployment, project.names)
        found = (await server.read_holds()).get(deployment)
        held = [f"{deployment} is {found.hold}"] if found is not None and found.hold.counts(clock()) else []
        notes = [*held, *server.unsound.values()]
        if any(one.doubt is not None for one in recorded):
            notes.append("what does not count is used by no deploy, and a rollback does not go back to it")
        if is_cut_off(recorded, project.names):
            notes.append(CUT_OFF)
        return recorded, notes

    with server_of(project, env):
        return query_api(read, _LACKING)


def _run_url(recorded: HistoryEntry) -> str | None:
    from meta_prefect.server import ui_url

    return ui_url("flow-run", recorded.page.run_id) if recorded.page.run_id else None


def _as_json(recorded: HistoryEntry) -> dict[str, Any]:
    page, entry = recorded.page, recorded.entry
    return {
        "at": page.at.isoformat(),
        "deployment": entry.deployment,
        "version": entry.version,
        "action": entry.action,
        "certain": recorded.is_certain,
        "counts": recorded.doubt is None,
        "doubt": None if recorded.doubt is None else str(recorded.doubt),
        "commit": page.commit,
        "by": page.by,
        "approved": None if page.approval is None else page.approval.model_dump(mode="json"),
        "project": page.project,
        "environment": page.environment,
        "recipe": page.recipe,
        "deploy_id": page.deploy_id,
        "run_id": page.run_id,
        "run_url": _run_url(recorded),
        "fields": list(_fields_as_json(entry.fields)),
    }


def _fields_as_json(fields: Iterable[FieldChange]) -> Iterable[dict[str, Any]]:
    """Yield each field's path and its values before and after; missing values are omitted."""
    from meta_prefect.interfaces.json_diff import ABSENT
    from meta_prefect.redaction import hidden

    for field in fields:
        values = {"before": field.before, "after": field.after}
        shown = {key: hidden(value, field.path) for key, value in values.items() if value is not ABSENT}
        yield {"path": field.path, **shown}


def _as_line(recorded: HistoryEntry) -> str:
    from meta_prefect.report.history_page import history_cells

    at, version, action, commit, by, changed = history_cells(recorded)
    parts = (
        at,
        f"version {version}" if version else "",
        action,
        f"commit {commit}" if commit else "",
        f"by {by}",
        f"changed {changed}" if changed else "",
        f"run {_run_url(recorded)}" if _run_url(recorded) else "",
    )
    return "  ".join(part for part in parts if part)


def _table(deployment: str, history: Sequence[HistoryEntry]) -> Table:
    from rich.markup import escape

    from meta_prefect.cli.console import aligned, linked
    from meta_prefect.report.history_page import HISTORY_COLUMNS, history_cells

    cells = ((history_cells(one), _run_url(one)) for one in history)
    rows = ([linked(at, url), *map(escape, rest)] for (at, *rest), url in cells)
    return aligned(f"History of {deployment}", HISTORY_COLUMNS, rows)
