"""``destroy``: removes everything that deploys created in an environment of a project, as carefully as pruning."""

from __future__ import annotations

from contextlib import nullcontext

from deployer_flows.pruning import delete_planned
from deployer_flows.whole_project import make_plan, show_project_report, succeeded
from meta_prefect.engine.context import new_context
from meta_prefect.engine.environments import known_environments
from meta_prefect.engine.form import DryRun, Force, ProjectPath, Revision, TakenDown
from meta_prefect.engine.gates import check_server
from meta_prefect.engine.observed import ending_in_words, name_run, named_after_project
from meta_prefect.engine.plan_input import PlanInput, refused_prune
from meta_prefect.engine.progress import progress
from meta_prefect.engine.requests import ProjectRequests
from meta_prefect.engine.selection import Selection
from meta_prefect.engine.source import project_folder
from meta_prefect.errors import ConfigurationError, TargetError, ValidationFailed, nearest
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.previews import Preview
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.project import Project, read_project
from meta_prefect.recipes.deploy_flow import deploy_flow
from meta_prefect.report import Report
from meta_prefect.report.plan_json import document
from meta_prefect.server import PrefectServer, connect
from meta_prefect.state.lock import turn
from meta_prefect.state.previews import forget_preview, read_previews

_MAX_DELETES = 100_000


@deploy_flow(name="destroy", flow_run_name=named_after_project("destroy", "in", dry_verb="plan to destroy"))
@ending_in_words
async def destroy(
    environment: TakenDown,
    path: ProjectPath = ".",
    revision: Revision = None,
    dry_run: DryRun = True,
    force: Force = False,
) -> Report:
    """Delete every deployment that a project has in an environment, with what only they used. By default only says which.

    Raises:
        ValidationFailed: The environment is protected, or nothing of the project is there; nothing was deleted.
        DeployFailed: Some deployments could not be deleted; it carries the report.
    """
    async with (
        connect(LocalHost(start_worker=False)) as server,
        project_folder(path, revision or None, server) as folder,
    ):
        project = read_project(folder, required=False)
        return succeeded(await take_down(project, environment, server, dry_run=dry_run, force=force))


async def take_down(project: Project, environment: str, server: PrefectServer, *, dry_run: bool, force: bool) -> Report:
    """Destroy an environment, including leftovers of an unfinished deploy or an earlier attempt.

    Raises:
        ValidationFailed: It is protected, or contains nothing of the project; nothing was deleted.
    """
    inputs = _nothing_wanted(project, environment)
    preview = next((one for one in await read_previews(project.names, server) if one.environment == environment), None)
    await _check(project, environment, preview, server)
    await name_run(inputs.context, "plan to destroy" if dry_run else "destroy", server, "in")
    async with nullcontext() if dry_run else turn(server, project.name, environment, waiting=progress().wait):
        planned = await make_plan(inputs, server, completing=False)
        if planned.errors:
            raise ValidationFailed(planned.errors)
        report = await delete_planned(planned, server, dry_run=dry_run, force=force)
        report = report.model_copy(update={"plan": document(planned.batch.plan, report.run_id)})
        if not dry_run and not report.failed:
            await _forget(project, environment, preview, server)
        await show_project_report(report, inputs.context, server)
    return report


def _nothing_wanted(project: Project, environment: str) -> PlanInput:
    """Build the input in which the project wants nothing in an environment."""
    errors: list[ConfigurationError] = []
    if (error := refused_prune(project, Selection())) is not None:
        errors.append(error)
    described = project.environments.find(environment)
    if described is not None and described.is_protected:
        errors.append(
            described.error(
                f"{environment} is protected, and is not taken down",
                *(("protected",) if described.says.protected is not None else ()),
                hint="If that is meant, write `protected: false` there; `deploy --prune` deletes what is no longer asked for.",
            )
        )
    if errors:
        raise ValidationFailed(errors)
    context = new_context(
        project.root,
        project.names,
        called=project.environments.called,
        environment=environment,
        next_versions=False,
    )
    asked = DeployOptions(prune=True, only_changed=True, max_deletes=_MAX_DELETES)
    requested = ProjectRequests((), (), (), ())
    return PlanInput(project, context, Selection(), requested, asked, ProjectFlows(project.root, from_source=True))


async def _check(project: Project, environment: str, preview: Preview | None, server: PrefectServer) -> None:
    """Check that this is the environment's server, and that there is something to destroy.

    Raises:
        ValidationFailed: Either is not the case.
    """
    check_server(project, environment)
    known = await known_environments(project.names, project.environments, server)
    kept = await server.read_kept(project.names, environment)
    if environment not in known and preview is None and not kept:
        error = TargetError(
            f"nothing of project {project.name} is in {environment!r} on {server.url}",
            where="environment",
            hint=nearest(environment, known) or None,
        )
        raise ValidationFailed([error])


async def _forget(project: Project, environment: str, preview: Preview | None, server: PrefectServer) -> None:
    """Remove an environment's stored state if nothing of it exists any more; holds are kept."""
    if await server.read_owned(project.names, project.environments.word_for(environment)):
        return
    for one in await server.read_kept(project.names, environment):
        await server.delete(f"/variables/{one.variable_id}")
    if preview is not None:
        await forget_preview(preview, server)
