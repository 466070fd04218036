"""Stores reports as artifacts of their run."""

from __future__ import annotations

from prefect import get_run_logger

from meta_prefect.engine.observed import present_run, running_for
from meta_prefect.report import Report
from meta_prefect.report.report_page import ReportHead, report_artifact
from meta_prefect.server import PrefectServer
from meta_prefect.state.ledger import who_runs


async def show_report(
    report: Report,
    key: str,
    description: str,
    project: str,
    commit: str | None,
    server: PrefectServer,
    *,
    by: str | None = None,
) -> None:
    """Log a report and store it as an artifact.

    Args:
        report: The report.
        key: The artifact's key.
        description: The artifact's description, in Markdown.
        project: The project.
        commit: The deployed commit.
        server: The Prefect API.
        by: Who deployed, if already known.
    """
    logger = get_run_logger()
    for remark in report.remarks:
        logger.warning("%s", remark)
    for outcome in report.failed:
        logger.error("%s failed: %s", outcome.deployment, outcome.detail)
    logger.info("%s", report.in_one_line)
    run_id, _ = present_run()
    head = ReportHead(project, commit, by or await who_runs(run_id, server), running_for(), run_id)
    await server.create_artifact(report_artifact(report, key, description, head))
