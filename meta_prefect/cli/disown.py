"""``meta-prefect disown``: stops managing a deployment without deleting it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, cast

from meta_prefect.cli.options import Debug, Deployment, ProjectPath, ServerOf
from meta_prefect.cli.output import Output


def disown(deployment: Deployment, /, *, path: ProjectPath = Path(), env: ServerOf = None, debug: Debug = False) -> int:
    """Give a deployment up without deleting it: the project's tag goes, and it runs on as it is; nobody manages it.

    Schedules that had no slug when the project took it over have none again, so that `prefect deploy` takes it. While the
    project still asks for it, deploys are refused; `--adopt` takes it over again.

    Parameters
    ----------
    deployment
        The deployment, as `flow/deployment`.
    """
    from deployer_flows import disown as flow
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.project import read_project
    from meta_prefect.server.access import run_flow

    out = Output()
    with out.watching("Giving up", debug=debug), server_of(read_project(path, required=False), env):
        message: str = run_flow(lambda: cast("Any", flow)(deployment=deployment, path=str(path)), "nothing to give up")
    out.raw(message)
    out.say(
        f"Next: take {deployment} out of the project; to take it over again: meta-prefect deploy --adopt "
        f"{shlex.quote(deployment)}"
    )
    return 0
