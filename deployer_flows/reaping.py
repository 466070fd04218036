"""``reap-previews``: destroys expired previews."""

from __future__ import annotations

from prefect import get_run_logger

from deployer_flows.destroying import take_down
from meta_prefect.engine.form import ProjectPath, Revision
from meta_prefect.engine.observed import ending_in_words, named_after_project, saying
from meta_prefect.engine.source import project_folder
from meta_prefect.errors import DeployFailed, MetaPrefectError
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.outcomes import listed
from meta_prefect.plan.previews import expiry_in_words
from meta_prefect.project import read_project
from meta_prefect.recipes.deploy_flow import deploy_flow
from meta_prefect.report.report import Report, together
from meta_prefect.server import connect
from meta_prefect.state.lock import break_stale_locks
from meta_prefect.state.previews import read_previews


@deploy_flow(name="reap-previews", flow_run_name=named_after_project("reap previews of", "in"))
@ending_in_words
async def reap_previews(path: ProjectPath = ".", revision: Revision = None) -> list[str]:
    """Take down the previews of a project that have expired, also those of which a deploy left only a part.

    What is wrong with one keeps nobody from taking down the next.

    Raises:
        DeployFailed: Some could not be taken down; the next run tries again.

    Returns:
        The environments that are gone.
    """
    gone: list[str] = []
    failed: dict[str, Report] = {}
    async with (
        connect(LocalHost(start_worker=False)) as server,
        project_folder(path, revision or None, server) as folder,
    ):
        project = read_project(folder, required=False)
        for preview in await read_previews(project.names, server):
            if not preview.has_expired(server.now()):
                continue
            get_run_logger().info("%s %s", preview.environment, expiry_in_words(preview.expires, server.now()))
            try:
                report = await take_down(project, preview.environment, server, dry_run=False, force=False)
            except MetaPrefectError as error:
                get_run_logger().error("%s", error)
                failed[preview.environment] = Report(environment=preview.environment)
            else:
                if report.failed:
                    failed[preview.environment] = report
                else:
                    gone.append(preview.environment)
        for name in project.names:
            await break_stale_locks(server, name)
    if failed:
        message = f"could not be taken down: {listed(failed)}; their runs' logs say why"
        raise DeployFailed(message, report=together(", ".join(failed), failed.values()))
    return saying(f"taken down: {listed(gone)}" if gone else "nothing has expired", gone)
