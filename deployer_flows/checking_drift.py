"""``check-drift``: detects what was changed on the server since the last deploy, and reports or heals it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from prefect import get_run_logger, task
from pydantic import Field

from deployer_flows.whole_project import plan_and_apply, selected, succeeded
from meta_prefect.engine.form import EnvironmentName, Patterns, ProjectPath
from meta_prefect.engine.observed import RETRY_TEMPORARY_ERRORS, ending_in_words, name_run, named_after_project, saying
from meta_prefect.engine.plan_input import PlanInput, read_plan_input
from meta_prefect.engine.progress import progress
from meta_prefect.engine.source import given_policies, project_folder
from meta_prefect.engine.status import project_status
from meta_prefect.errors import DriftFound, MetaPrefectError
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.outcomes import counted, listed
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.plan.status import ProjectStatus
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.project import Enforcement, read_project
from meta_prefect.recipes.deploy_flow import deploy_flow
from meta_prefect.report.drift_page import drift_markdown
from meta_prefect.report.events import announce
from meta_prefect.report.report import Outcome, drift_in_one_line
from meta_prefect.server import PrefectServer, connect
from meta_prefect.settings import read_settings
from meta_prefect.state.heal_log import MOST_HEALS, read_heals, store_heals
from meta_prefect.state.lock import turn

Policy = Literal["report", "fail", "heal"]


@deploy_flow(name="check-drift", flow_run_name=named_after_project("check", "in"))
@ending_in_words
async def check_drift(
    path: ProjectPath = ".",
    environment: EnvironmentName = None,
    policy: Annotated[
        Policy,
        Field(
            title="When something has drifted",
            description="`report`: say so. `fail`: say so, and let this run fail. `heal`: deploy what has drifted.",
        ),
    ] = "report",
    select: Patterns = [],  # noqa: B006 - Prefect reads the default into the form, and nothing changes it
    environments: Annotated[
        list[str],
        Field(title="Environments", description="All of these, one after another, in place of the one above."),
    ] = [],  # noqa: B006
) -> ProjectStatus:
    """Compare what was last deployed with what is live, field by field.

    Drift is what somebody has changed or deleted by hand. What the project wants and nobody has deployed yet is none. Healing
    deploys the deployments that have drifted as the project wants them, counts no version, and gives up where a deployment is
    changed again and again. It takes turns with deploys of the same project and environment.

    Raises:
        ValidationFailed: Something is wrong with the project.
        DriftFound: Something has drifted, and the policy is to fail; or it could not be healed.
        DeployFailed: Something that has drifted could not be written.

    Returns:
        How the project stands; of several environments the last one.
    """
    failures: list[MetaPrefectError] = []
    found: ProjectStatus | None = None
    for one in environments or [environment]:
        try:
            found = await _check(path, one, policy, select, environments)
        except MetaPrefectError as error:
            # An error in one environment must not keep the others from being checked.
            get_run_logger().error("%s", error)
            failures.append(error)
    if failures or found is None:
        raise failures[0]
    return found


async def _check(
    path: str, environment: str | None, policy: Policy, select: list[str], environments: list[str]
) -> ProjectStatus:
    """Check one environment; if there are several, ``environments`` lists all of them."""
    asked = DeployOptions(select=tuple(select), only_changed=True)
    async with (
        connect(LocalHost(start_worker=read_settings().start_worker)) as server,
        project_folder(path, None, server) as folder,
    ):
        enforced = await given_policies(server)
        inputs = read_plan_input(read_project(folder, required=False), folder, environment, asked, enforced=enforced)
        await name_run(inputs.context, "check", server, "in", among=environments, more=selected(inputs))
        project, where = inputs.project.name, inputs.context.environment
        async with turn(server, project, where, waiting=progress().wait):
            found = await compare_with_applied(whole(inputs), server)
            drifted = [*(one.deployment for one in found.drifted), *map(str, found.drifted_components)]
            await _show(found, server)
            healed, also = [], []
            if drifted and policy == "heal":
                healed, also = await _heal(inputs, folder, enforced, found.to_heal, server)
    summary = drift_in_one_line(found)
    if drifted and policy == "fail":
        raise DriftFound(
            f"{summary}: {', '.join(drifted)}",
            where=f"{project} in {where}",
            hint="Its artifact says which fields. Deploy the project to set them right, or change it to what is live.",
        )
    if healed:
        of_all = f"{len(healed)} of {counted(len(found.deployments), 'deployment')}"
        summary = f"healed {of_all}: {listed(healed)}{f', with {listed(also)}' if also else ''}"
    elif also:
        summary = f"healed {listed(also)}"
    return saying(summary, found)


@task(
    name="compare with what was applied",
    task_run_name="compare with what was applied",
    **RETRY_TEMPORARY_ERRORS,
)
async def compare_with_applied(inputs: PlanInput, server: PrefectServer) -> ProjectStatus:
    """Compare what was applied, what is live and what the project wants. Only reads."""
    progress().step("compare")
    return await project_status(inputs, server)


async def _show(found: ProjectStatus, server: PrefectServer) -> None:
    """Report drift where people and automations look for it."""
    logger, drifted = get_run_logger(), found.drifted
    for one in found.drifted_components:
        logger.warning("%s %s", one, one.state)
    for one in drifted:
        fields = ", ".join(field.path for field in one.drift)
        logger.warning("%s %s%s", one.deployment, one.state, f": {fields}" if fields else "")
    summary = drift_in_one_line(found)
    logger.info("%s: %s", found.environment, summary)
    live = await server.read_deployments([_split(one.deployment) for one in drifted])
    for one in drifted:
        payload = {"state": one.state, "fields": [field.path for field in one.drift]}
        at = live.get(one.deployment)
        announce("drifted", found.project, found.environment, one.deployment, at.id if at else None, payload)
    await server.create_artifact(
        {
            "type": "markdown",
            "key": artifact_key(f"drift-{found.project}-{found.environment}"),
            "description": f"Project {found.project} in {found.environment}: {summary}.",
            "data": drift_markdown(found),
        }
    )


def _split(name: str) -> tuple[str, str]:
    flow_name, _, deployment_name = name.partition("/")
    return flow_name, deployment_name


async def _heal(
    inputs: PlanInput, folder: Path, enforced: Enforcement, drifted: Sequence[str], server: PrefectServer
) -> tuple[list[str], list[str]]:
    """Deploy what has drifted and what depends on it, unless it was healed too often.

    Raises:
        DriftFound: Something was changed repeatedly after being healed.
        DeployFailed: Something could not be written.

    Returns:
        The healed deployments, and the healed components they need.
    """
    project, environment = inputs.project.name, inputs.context.environment
    described = inputs.project.environments.find(environment)
    if described is not None and described.says.approval is not None:
        raise DriftFound(
            f"drifted, and not healed, as each deploy there is approved: {', '.join(drifted)}",
            where=f"{project} in {environment}",
            hint="Deploy the project; who approves it sees what that sets right.",
        )
    heals = await read_heals(project, environment, server)
    names = [one for one in drifted if heals.may_heal(one, inputs.context.now)]
    given_up = [one for one in drifted if one not in names]
    healed: list[Outcome] = []
    also: list[str] = []
    if names:
        # Recorded first, so that a process that writes and then dies does not do so forever.
        await store_heals(heals.with_heals(names, inputs.context.now), server)
        asked = DeployOptions(names=tuple(names), only_changed=True)
        healing = read_plan_input(
            inputs.project, folder, environment, asked, flows=inputs.flows, enforced=enforced
        ).automatically()
        report = succeeded(
            await plan_and_apply(healing, None, server, dry_run=False, on_error="keep-going", force=False)
        )
        healed = [*report.only("created"), *report.only("updated")]
        also = [name for name, _ in report.components]
        for outcome in healed:
            announce("healed", project, environment, outcome.deployment, outcome.id, {"fields": outcome.detail})
    if given_up:
        raise DriftFound(
            f"changed again and again after being healed {MOST_HEALS} times within an hour: {', '.join(given_up)}",
            where=f"{project} in {environment}",
            hint="Find out who changes it; what else writes these deployments?",
        )
    return [outcome.deployment for outcome in healed], also
