"""What a deploy did, and how plans, reports and histories read: as text, as JSON, as pages of the Prefect UI."""

from meta_prefect.report.report import Outcome, Report, carried_by, drift_in_one_line, together

__all__ = ["Outcome", "Report", "carried_by", "drift_in_one_line", "together"]
