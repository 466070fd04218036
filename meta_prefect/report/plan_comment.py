"""Renders a plan as Markdown for a pull request comment."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from meta_prefect.interfaces.markdown import code, escaped, link
from meta_prefect.report.plan_text import diff_block, sections
from meta_prefect.report.report import Report

_OPEN_LINES: Final = 20
"""Plans with more lines are folded."""

_MAX_CHARACTERS: Final = 50_000
"""Maximum length of the plan; GitHub accepts 65,536 characters per comment."""


def plan_comment(report: Report) -> str:
    """Render what a deploy would do, for reviewers; a long plan is folded, and truncated if necessary.

    Args:
        report: The report of a dry run.
    """
    assert report.plan is not None, "a dry run has a plan"  # noqa: S101 - for the type checker
    lines = [line for section in sections(report.plan, with_remarks=False) for line in section.diff()]
    parts = [f"### Plan for {code(report.environment)}: {escaped(report.count())}", _block(lines)]
    parts += [f"> {escaped(remark)}" for remark in report.remarks]
    if report.run_id and report.plan.has_changes:
        command = f"meta-prefect deploy --env {shlex.quote(report.environment)} --plan {report.run_id}"
        parts.append(f"To apply exactly {link('this plan', report.run_url)}: {code(command)}")
    return "\n\n".join(part for part in parts if part)


def _block(lines: Sequence[str]) -> str:
    block = diff_block(lines, _MAX_CHARACTERS)
    return (
        block if len(lines) <= _OPEN_LINES else f"<details><summary>Field by field</summary>\n\n{block}\n\n</details>"
    )
