"""``meta-prefect disown``: giving a deployment up without deleting it."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from meta_prefect.cli.options import Debug
from meta_prefect.cli.output import Output

ProjectPath = Annotated[Path, Parameter(name="--path", help="The project's folder, or a file in it.")]


def disown(deployment: str, /, *, path: ProjectPath = Path(), debug: Debug = False) -> int:
    """Give a deployment up without deleting it: the project's tag goes, and it runs on as it is; nobody manages it.

    Schedules that had no slug when the project took it over have none again, so that `prefect deploy` takes it. While the
    project still asks for it, deploys are refused; `--adopt` takes it over again.

    Parameters
    ----------
    deployment
        The deployment, as `flow/deployment`.
    """
    out = Output()
    with out.watching("Giving up", debug=debug):
        message = _observed(deployment=deployment, path=str(path))
    out.raw(message)
    out.say(
        f"Next: take {deployment} out of the project; to take it over again: meta-prefect deploy --adopt "
        f"{shlex.quote(deployment)}"
    )
    return 0


def _observed(**parameters: Any) -> str:
    from deployer_flows import disown as flow
    from meta_prefect.errors import NoApiConfiguredError
    from meta_prefect.local.api import NO_API_HINT, reading_api
    from meta_prefect.local.host import LocalHost
    from meta_prefect.server import connect, server_errors

    async def run() -> str:
        async with connect(LocalHost()) as server:
            await server.check()
        made: Any = await flow(**parameters)
        return made

    with reading_api() as api, server_errors():
        if not api:
            raise NoApiConfiguredError("there is no Prefect API configured, so nothing to give up", hint=NO_API_HINT)
        return asyncio.run(run())
