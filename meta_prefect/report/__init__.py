"""The output of plans, reports and histories: as text, as JSON and as pages in the Prefect UI."""

from meta_prefect.report.report import Outcome, Report

__all__ = ["Outcome", "Report"]
