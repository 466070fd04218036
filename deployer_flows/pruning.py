"""``prune``: deletes deployments that are no longer in the project, without deploying anything."""

from __future__ import annotations

from contextlib import nullcontext

from deployer_flows.whole_project import make_plan, read, show_project_report, succeeded
from meta_prefect.engine.form import DryRun, EnvironmentName, Force, MaxDeletes, ProjectPath, Revision
from meta_prefect.engine.gates import check_gates, check_server
from meta_prefect.engine.leaving import remove_leaving
from meta_prefect.engine.observed import ending_in_words, name_run, named_after_project, present_run
from meta_prefect.engine.progress import progress
from meta_prefect.engine.project_plan import ProjectPlan
from meta_prefect.engine.prune import prune_orphans
from meta_prefect.engine.source import project_folder
from meta_prefect.errors import ValidationFailed
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.recipes.deploy_flow import deploy_flow
from meta_prefect.report import Report
from meta_prefect.server import PrefectServer, connect
from meta_prefect.state.lock import turn


@deploy_flow(name="prune", flow_run_name=named_after_project("prune", "in", dry_verb="plan to prune"))
@ending_in_words
async def prune(
    path: ProjectPath = ".",
    environment: EnvironmentName = None,
    revision: Revision = None,
    dry_run: DryRun = True,
    max_deletes: MaxDeletes = None,
    force: Force = False,
) -> Report:
    """Delete a project's deployments that are no longer in it, with what only they used. By default only says which.

    Raises:
        ValidationFailed: Something is wrong with the project, or too many would be deleted; nothing was deleted.
        DeployFailed: Some deployments could not be deleted; it carries the report.
    """
    asked = DeployOptions(prune=True, only_changed=True, max_deletes=max_deletes)
    async with (
        connect(LocalHost(start_worker=False)) as server,
        project_folder(path, revision or None, server) as folder,
    ):
        inputs = (await read(folder, environment, asked, None)).without_denials()
        if not dry_run:
            check_gates(inputs.project, inputs.context.environment)
            check_server(inputs.project, inputs.context.environment)
        await name_run(inputs.context, "plan to prune" if dry_run else "prune", server, "in")
        project, where = inputs.project.name, inputs.context.environment
        async with nullcontext() if dry_run else turn(server, project, where, waiting=progress().wait):
            planned = await make_plan(inputs, server, completing=False)
            if planned.errors:
                raise ValidationFailed(planned.errors)
            report = await delete_planned(planned, server, dry_run=dry_run, force=force)
            await show_project_report(report, inputs.context, server)
    return succeeded(report)


async def delete_planned(planned: ProjectPlan, server: PrefectServer, *, dry_run: bool, force: bool) -> Report:
    """Delete what a plan deletes, and what is no longer needed afterwards; a dry run only reports it."""
    foreseen = planned.outcomes(dry_run=True) if dry_run else ()
    run_id, run_url = present_run()
    report = Report(
        environment=planned.context.environment,
        dry_run=dry_run,
        outcomes=tuple(one for one in foreseen if one.action == "to delete"),
        remarks=tuple(planned.batch.remarks),
        run_id=run_id,
        run_url=run_url,
    )
    if dry_run:
        return report
    report = await prune_orphans(planned, report, server, force=force)
    return await remove_leaving(planned.batch, report, server)
