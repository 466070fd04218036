"""Opening the UI of the background server in its owner's browser, signed in."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping
from html import escape
from pathlib import Path

from meta_prefect.errors import ProcessError
from meta_prefect.local.process import state_folder, write_privately
from meta_prefect.local.server import LocalServer, server_status
from meta_prefect.local.sign_in import PATH, make_ticket

_PAGE = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={link}"><a href="{link}">Prefect</a>\n'


def running_server() -> LocalServer:
    """Return the background server of this host.

    Raises:
        ProcessError: None runs, or it does not answer.
    """
    server = server_status()
    if server is None or not server.alive:
        raise ProcessError(
            "no Prefect server runs in the background on this host", hint="`meta-prefect deploy` starts it."
        )
    if not server.healthy:
        raise ProcessError(f"the Prefect server does not answer at {server.url}", where=str(server.record.log))
    return server


def sign_in_link(server: LocalServer, page: str = "") -> str:
    """Make the address that opens the UI: once, within a minute, where the server asks for authentication.

    The ticket is in the part of the address that browsers send to nobody, and so stands in no log.

    Args:
        server: The server.
        page: The path of the page to open, such as ``/deployments/deployment/…``; left empty, the first one.
    """
    if server.auth_string is None:
        return f"{server.ui_url}{page}"
    then = f"@{page}" if page else ""
    return f"{server.ui_url}{PATH}#{make_ticket(server.auth_string, server.record.port)}{then}"


def open_in_browser(link: str) -> bool:
    """Open an address in the user's browser, and say whether there is one.

    Its command line, which other users of the host can read, names a file of ours that leads there, not the address.

    Raises:
        ProcessError: That file cannot be written.
    """
    if not _has_a_screen(os.environ):
        return False
    file = state_folder("server") / "open.html"
    write_privately(file, _PAGE.format(link=escape(link)))
    return webbrowser.open(Path(file).as_uri())


def _has_a_screen(environ: Mapping[str, str]) -> bool:
    """Whether a browser could show anything; one for terminals runs no scripts, which the UI is made of."""
    known = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")
    return sys.platform == "darwin" or any(environ.get(name) for name in known)
