"""``meta-prefect environments``: lists the environments of a project and their status."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from meta_prefect.cli.options import Debug, Form
from meta_prefect.cli.output import Output
from meta_prefect.texts import escaped

if TYPE_CHECKING:
    from rich.table import Table

    from meta_prefect.plan.environment_status import EnvironmentStatus


def environments(path: Path = Path(), /, *, output: Form = "text", debug: Debug = False) -> int:
    """List the environments of a project: on which server each is, what was deployed there last, and what has drifted.

    Exits with 1 where it could not be found out of one.

    Parameters
    ----------
    path
        The project's folder, or a file in it.
    """
    from meta_prefect.deploy.environments import list_environments

    out = Output()
    with out.watching("Reading", debug=debug):
        found = list_environments(path)
    now = datetime.now(UTC)
    if output == "json":
        out.raw(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
    elif sys.stdout.isatty():
        out.show(_table(found, now))
    else:
        for one in found:
            out.raw(escaped("  ".join(cell for cell in one.cells(now) if cell)))
    for one in found:
        if one.problem is not None:
            out.note(f"{one.environment}: {one.problem}")
    if not found:
        out.say("Nothing is deployed yet.")
    return 1 if any(one.problem is not None for one in found) else 0


def _table(found: Sequence[EnvironmentStatus], now: datetime) -> Table:
    from rich.markup import escape

    from meta_prefect.cli.console import aligned

    columns = ("Environment", "State", "Last deploy", "Commit", "Server")
    return aligned("Environments", columns, ([escape(escaped(cell)) for cell in one.cells(now)] for one in found))
