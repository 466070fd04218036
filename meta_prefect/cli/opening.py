"""`meta-prefect open`."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from meta_prefect.cli.options import Flag
from meta_prefect.cli.output import Output


def open_ui(
    *, print_link: Annotated[Flag, Parameter(name="--print", help="Print the link, and open nothing.")] = False
) -> int:
    """Open the UI of the background server of this host, signed in.

    The link lets one browser in, within a minute.
    """
    from meta_prefect.local.opening import open_in_browser, running_server, sign_in_link

    out = Output()
    server = running_server()
    link = sign_in_link(server)
    if not print_link and open_in_browser(link):
        out.say(f"opened: {server.ui_url} (if no browser appears: meta-prefect open --print)")
        return 0
    if not print_link:
        out.say("There is no browser here. This link lets one in, once, within a minute:")
    out.raw(link)
    if os.environ.get("SSH_CONNECTION"):
        port = server.record.port
        out.say(f"From the machine that you sit at, first: ssh -L {port}:127.0.0.1:{port} {os.uname().nodename}")
    return 0
