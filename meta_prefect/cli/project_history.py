"""``meta-prefect history --project``: what was deployed where, when, by whom and from which commit."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from meta_prefect.cli.output import Output
from meta_prefect.texts import escaped

if TYPE_CHECKING:
    from rich.table import Table

    from meta_prefect.plan.project_history import ProjectDeploy


def project_history(path: Path, output: Literal["text", "json"], *, debug: bool) -> int:
    """Print the deploys of a project in all its environments."""
    from meta_prefect.deploy.project_history import list_deploys

    out = Output()
    with out.watching("Reading", debug=debug):
        found, notes = list_deploys(path)
    if output == "json":
        out.raw(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
    elif sys.stdout.isatty():
        out.show(_table(found))
    else:
        for one in found:
            out.raw(escaped(_as_line(one)))
    for note in notes:
        out.say(f"note: {note}")
    if not found:
        out.say("Nothing is recorded yet.")
    return 0


def _as_line(deploy: ProjectDeploy) -> str:
    at, where, commit, by, approved, what = deploy.cells
    parts = (
        at,
        where,
        f"commit {commit}" if commit else "",
        f"by {by}",
        f"approved by {approved}" if approved else "",
        what,
    )
    return "  ".join(part for part in parts if part)


def _table(found: Sequence[ProjectDeploy]) -> Table:
    from rich.markup import escape

    from meta_prefect.cli.console import aligned
    from meta_prefect.plan.project_history import COLUMNS

    return aligned("History", COLUMNS, ([escape(escaped(cell)) for cell in one.cells] for one in found))
