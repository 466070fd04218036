"""``disown``: stops managing a deployment without deleting it."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import get_run_logger, task
from prefect.runtime import flow_run
from pydantic import Field

from meta_prefect.engine.form import ProjectPath
from meta_prefect.engine.observed import RETRY_TEMPORARY_ERRORS, ending_in_words, mark_run, saying
from meta_prefect.engine.source import project_folder
from meta_prefect.errors import ConflictError, TargetError
from meta_prefect.interfaces.tags import environment_of, owner
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.deployment_record import LiveDeployment, field_changes
from meta_prefect.plan.disowning import disowned_record
from meta_prefect.plan.ledger import HistoryEntry, LedgerEntry, PageHead
from meta_prefect.plan.ownership import has_lost_its_mark
from meta_prefect.project import Project, read_project
from meta_prefect.recipes.deploy_flow import deploy_flow
from meta_prefect.server import PrefectServer, connect
from meta_prefect.state.ledger import begin_page
from meta_prefect.state.lock import turn


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.get_parameters()
    return f"disown {parameters['deployment']}"


@deploy_flow(name="disown", flow_run_name=_run_name)
@ending_in_words
async def disown(
    deployment: Annotated[str, Field(title="Deployment", description="`flow/deployment`.")], path: ProjectPath = "."
) -> str:
    """Give a deployment up: it stays as it is and goes on running, without the project's mark, and nobody manages it.

    Schedules that had no slug when the project took the deployment over have none again, so that `prefect deploy` takes it.

    Raises:
        TargetError: There is no such deployment.
        ConflictError: It is not this project's.
    """
    async with connect(LocalHost()) as server, project_folder(path, None, server) as folder:
        project = read_project(folder, required=False)
        live, last = await _read_ours(deployment, project, server)
        word = environment_of(live.record["tags"])
        environment = project.environments.environment_for(word) if word else last.page.environment if last else ""
        await mark_run(project.name, [environment], server)
        async with turn(server, project.name, environment):
            message = await disown_deployment(deployment, project, environment, server)
    return saying(message, message)


@task(name="give up", task_run_name="give up {deployment}", **RETRY_TEMPORARY_ERRORS)
async def disown_deployment(deployment: str, project: Project, environment: str, server: PrefectServer) -> str:
    """Remove the project's mark and record that; return a description of what was done."""
    live, last = await _read_ours(deployment, project, server)
    history = [one.entry for one in await server.read_history(deployment, project.names)]
    after = disowned_record(live, history)
    changed = {key: after[key] for key in ("tags", "schedules") if list(field_changes(live.record, {key: after[key]}))}
    head = PageHead(project.name, environment, last.page.recipe if last else "disown", str(flow_run.get_id()), None)
    entry = LedgerEntry(
        deployment=deployment,
        action="disowned",
        id=live.id,
        version=live.record["version"],
        before=live.record,
        after=after,
    )
    page = await begin_page(head, [entry], server)
    await server.update_deployment(live, changed)
    await page.close([deployment])
    without = " and the slugs that it had given to schedules" if "schedules" in changed else ""
    message = f"{deployment} is no longer {project.name}'s: its tag{without} went, all else stays as it is"
    get_run_logger().info("%s", message)
    return message


async def _read_ours(
    deployment: str, project: Project, server: PrefectServer
) -> tuple[LiveDeployment, HistoryEntry | None]:
    """Read a deployment of the project, and its last ledger entry.

    Raises:
        TargetError: There is no such deployment.
        ConflictError: It does not belong to this project.
    """
    live = await server.read_deployment(deployment)
    if live is None:
        raise TargetError(
            f"there is no deployment {deployment!r}",
            hint="Write it as flow/deployment; `prefect deployment ls` lists what there is.",
        )
    last = (await server.read_last_entries(project.names, [deployment])).get(deployment)
    other = owner(live.record["tags"])
    if other in project.names:
        return live, last
    if last is None or not has_lost_its_mark(live, last.entry.id, last.entry.after, project.names):
        raise ConflictError(
            f"it belongs to {f'the project {other!r}' if other else 'nobody'}, not to {project.name!r}",
            where=f"deployment {deployment}",
            hint="Disown it in the project that it belongs to." if other else "There is nothing to give up.",
        )
    return live, last
