"""`meta-prefect open`: opens the UI, or a deployment's page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from meta_prefect.cli.options import Deployment, Flag, ProjectPath, ServerOf
from meta_prefect.cli.output import Output
from meta_prefect.errors import ProcessError, TargetError
from meta_prefect.texts import shell

if TYPE_CHECKING:
    from meta_prefect.local.server import LocalServer
    from meta_prefect.server import PrefectServer


def open_ui(
    deployment: Deployment | None = None,
    /,
    *,
    print_link: Annotated[Flag, Parameter(name="--print", help="Print the link, and open nothing.")] = False,
    path: ProjectPath = Path(),
    env: ServerOf = None,
) -> int:
    """Open the UI of the background server of this host, signed in; or the page of a deployment, on whatever server it is.

    A link to the background server lets one browser in, within a minute.

    Parameters
    ----------
    deployment
        The deployment whose page to open, as `flow/deployment`.
    """
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.local.opening import open_in_browser, running_server, sign_in_link
    from meta_prefect.local.server import server_status
    from meta_prefect.project import read_project
    from meta_prefect.server.access import query_api

    out = Output()
    if deployment is None:
        server, address = running_server(), ""
    else:
        with server_of(read_project(path, required=False), env):
            address = query_api(lambda api: _page_of(deployment, api), "no page to open")
        server = server_status()
    ours = server is not None and (not address or address.startswith(f"{server.ui_url}/"))
    link = sign_in_link(server, urlsplit(address).path) if server is not None and ours else address
    if not print_link and open_in_browser(link):
        again = f"meta-prefect open {f'{shell(deployment)} ' if deployment else ''}--print"
        out.say(f"opened: {address or (server and server.ui_url)} (if no browser appears: {again})")
        return 0
    if not print_link:
        out.say(
            "There is no browser here. This link lets one in, once, within a minute:" if ours else "No browser here:"
        )
    out.raw(link)
    if server is not None and ours:
        _tell_the_way_there(server, out)
    return 0


def _tell_the_way_there(server: LocalServer, out: Output) -> None:
    if os.environ.get("SSH_CONNECTION"):
        port = server.record.port
        out.say(f"From the machine that you sit at, first: ssh -L {port}:127.0.0.1:{port} {os.uname().nodename}")


async def _page_of(deployment: str, api: PrefectServer) -> str:
    """Return the URL of a deployment's page.

    Raises:
        TargetError: There is no such deployment.
        ProcessError: The API's UI is unknown.
    """
    from meta_prefect.server import ui_url

    live = await api.read_deployment(deployment)
    if live is None:
        raise TargetError(
            f"there is no deployment {deployment!r} on {api.url}",
            where="open",
            hint="`meta-prefect status` lists those of the project; is it on another server? --env.",
        )
    address = ui_url("deployment", live.id)
    if address is None:
        raise ProcessError(f"no UI is known of {api.url}", where="open", hint="PREFECT_UI_URL says where it is.")
    return address
