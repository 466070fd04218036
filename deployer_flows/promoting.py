"""``promote``: deploys what is live in one environment to another, from the same commit."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import get_run_logger
from prefect.runtime import flow_run
from pydantic import Field

from deployer_flows.whole_project import deploy_as_approved, read, selected, succeeded
from meta_prefect.engine.form import DryRun, Names, OnError, ProjectPath
from meta_prefect.engine.observed import deployment_name, ending_in_words, name_run
from meta_prefect.engine.plan_input import PlanInput
from meta_prefect.engine.progress import progress
from meta_prefect.engine.promotion import read_promotion_beside, repository_of
from meta_prefect.engine.source import Fetch, check_allowed, fetch_observed, given_policies, project_folder
from meta_prefect.errors import ConfigurationError, ValidationFailed
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.local.files import scratch_folder
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.outcomes import counted
from meta_prefect.plan.promotion import Promotion, renamed
from meta_prefect.plan.saved_plan import DeployOptions, SavedPlan
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.project import Project, read_project
from meta_prefect.recipes.deploy_flow import deploy_flow
from meta_prefect.report import Report
from meta_prefect.server import connect
from meta_prefect.settings import read_settings
from meta_prefect.state.saved_plans import plan_of_earlier_attempt


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.get_parameters()
    verb = "plan to promote" if parameters.get("dry_run") else "promote"
    return f"{verb} {deployment_name() or 'a project'} from {parameters['source']} to {parameters['environment']}"


@deploy_flow(name="promote", flow_run_name=_run_name)
@ending_in_words
async def promote(
    source: Annotated[str, Field(title="From", description="The environment of which is taken what is live.")],
    environment: Annotated[str, Field(title="To", description="The environment that gets it.")],
    names: Names = [],  # noqa: B006 - Prefect reads the default into the form, and nothing changes it
    path: ProjectPath = ".",
    dry_run: DryRun = False,
    on_error: OnError = "stop",
    promotion: Annotated[
        Promotion | None,
        Field(title="Promotion", description="What there is to promote, where that is known; left empty, it is read."),
    ] = None,
) -> Report:
    """Deploy to one environment what is live and recorded in another: its commit, with the images that its runs use.

    What has drifted there, has not passed its smoke run, failed or comes from uncommitted changes is refused. The environment
    that gets it has its own variables, gates, approval and smoke runs, as the project file of that commit says.

    Raises:
        ValidationFailed: Something is not promoted, or wrong with the project at that commit; nothing was written.
        NotApproved: A person has rejected it, or nobody answered in time; nothing was written.
        DeployFailed: Some deployments could not be written; it carries the report.
    """
    async with connect(LocalHost(start_worker=read_settings().start_worker)) as server:
        async with project_folder(path, None, server) as folder:
            project = read_project(folder, required=False)
            _check(project, source, environment)
            progress().step(f"look at {source}")
            there = promotion or await read_promotion_beside(project, source)
            place = await repository_of(project.root, server)
        chosen = _chosen(there, names, project.environments.word_for(environment))
        enforced = await given_policies(server)
        wanted = tuple(renamed(name, there.word, project.environments.word_for(environment)) for name in names)
        asked = DeployOptions(names=wanted)
        earlier = await plan_of_earlier_attempt(asked, server)
        commit = (earlier.commit if earlier is not None else None) or chosen.commit
        check_allowed(place, commit)
        get_run_logger().info(
            "%s live in %s, from commit %s", counted(len(chosen.candidates), "deployment"), source, short_commit(commit)
        )
        with scratch_folder() as scratch:
            copy = await fetch_observed(whole(Fetch(place, commit, scratch)))

            async def order(plan: SavedPlan | None = None) -> PlanInput:
                return (await read(copy, environment, asked, plan, enforced)).promoting(source, chosen.images)

            inputs = await order(earlier)
            verb = "plan to promote" if dry_run else "promote"
            await name_run(inputs.context, verb, server, f"from {source} to", more=selected(inputs))
            report = await deploy_as_approved(inputs, None, server, order, dry_run=dry_run, on_error=on_error)
    return succeeded(report)


def _check(project: Project, source: str, environment: str) -> None:
    """Check that both environments exist and are different.

    Raises:
        ValidationFailed: They do not, or are the same.
    """
    errors: list[ConfigurationError] = []
    for name in (source, environment):
        try:
            project.environments.check(name)
        except ConfigurationError as error:
            errors.append(error)
    if source == environment:
        errors.append(ConfigurationError(f"{source!r} is promoted to itself", where="promote"))
    if errors:
        raise ValidationFailed(errors)


def _chosen(there: Promotion, names: list[str], other: str) -> Promotion:
    """Return what is to be promoted.

    Raises:
        ValidationFailed: Some of it must not be promoted.
    """
    try:
        chosen = there.of(names, other)
    except ConfigurationError as error:
        raise ValidationFailed([error]) from None
    if errors := list(chosen.errors()):
        raise ValidationFailed(errors)
    return chosen
