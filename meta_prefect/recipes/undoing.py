"""The last part of a deploy that is all or nothing, where something has failed: everything goes back."""

from __future__ import annotations

from meta_prefect.recipes.planning import ProjectPlan
from meta_prefect.report import Outcome, Report
from meta_prefect.server import PrefectServer
from meta_prefect.steps.putting_back import put_all_back
from meta_prefect.texts import presentable


async def undo(planned: ProjectPlan, report: Report, server: PrefectServer) -> Report:
    """Put back what a deploy has written, and say so with each deployment. Work pools, queues and workers stay.

    Args:
        planned: The plan, with what there was before.
        report: What happened so far; something has failed.
        server: The Prefect API.
    """
    tried = {outcome.deployment for outcome in report.outcomes if outcome.tried}
    written = [one for one in planned.batch.deployments if str(one) in tried]
    results = await put_all_back(written, planned.context, server) if written else {}

    def after(outcome: Outcome) -> Outcome:
        if outcome.deployment not in results:
            return outcome
        error = results[outcome.deployment]
        if error is not None:
            detail = presentable(f"could not be put back ({type(error).__name__}: {error})")
            return outcome.model_copy(update={"action": "failed", "detail": detail})
        if outcome.action == "failed":
            return outcome.model_copy(update={"detail": f"{outcome.detail} (put back as it was)"})
        return outcome.model_copy(update={"action": "put back", "detail": "as it was before this deploy"})

    remark = "all or nothing: as something failed, what this deploy had written was put back"
    return report.model_copy(
        update={"outcomes": tuple(map(after, report.outcomes)), "remarks": (*report.remarks, remark)}
    )
