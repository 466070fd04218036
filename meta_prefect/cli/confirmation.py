"""Confirmation on a terminal before something is deleted or a protected environment is written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from meta_prefect.cli.options import PlanOptions
from meta_prefect.cli.output import Output

if TYPE_CHECKING:
    from meta_prefect.report import Report


def is_terminal_interactive() -> bool:
    """Return whether someone can read the output and answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def needs_confirmation(targets: Sequence[str], what: PlanOptions) -> bool:
    """Return whether a deploy needs confirmation: it prunes, or goes to a protected environment."""
    return is_terminal_interactive() and (what.prune or _is_protected(targets, what))


def confirm_changes(planned: Report, targets: Sequence[str], what: PlanOptions, out: Output) -> bool:
    """Show what a deploy would do, and ask for confirmation if needed.

    Args:
        planned: The planned report.
        targets: The command's targets.
        what: The plan options.
        out: The output.
    """
    changes = planned.plan.changes if planned.plan is not None and planned.plan.has_changes else ()
    if not any(change.action == "delete" for change in changes) and not (changes and _is_protected(targets, what)):
        return True
    out.plan(planned, "text", following=False, adopting=what.adopt)
    return out.confirm(f"Deploy this to {planned.environment}?")


def _is_protected(targets: Sequence[str], what: PlanOptions) -> bool:
    from meta_prefect.deploy import split_targets
    from meta_prefect.project import read_project
    from meta_prefect.settings import read_settings

    project = read_project(split_targets(targets)[0], required=False)
    environment = project.environments.find(what.env or read_settings().env)
    return environment is not None and environment.says.protected is True
