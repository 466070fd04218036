"""What a deploy did, and how plans, reports and histories read: as text, as JSON, as pages of the Prefect UI."""

from meta_prefect.report.report import Outcome, Report

__all__ = ["Outcome", "Report"]
