"""Opens the background server's UI in its owner's browser, signed in."""

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
    """Return the running background server of this host.

    Raises:
        ProcessError: No server is running, or it does not answer.
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
    """Build the URL that opens the UI. If the server requires authentication, it works once and expires after a minute.

    The ticket is in the URL fragment, which browsers never send, so it appears in no server log.

    Args:
        server: The server.
        page: The path to open, such as ``/deployments/deployment/…``; empty for the start page.
    """
    if server.auth_string is None:
        return f"{server.ui_url}{page}"
    then = f"@{page}" if page else ""
    return f"{server.ui_url}{PATH}#{make_ticket(server.auth_string, server.record.port)}{then}"


def open_in_browser(link: str) -> bool:
    """Open a URL in the user's browser and return whether there is one.

    Other users can read the browser's command line, so it gets the path of a private redirect file instead of the URL.

    Raises:
        ProcessError: The redirect file cannot be written.
    """
    if not _has_a_screen(os.environ):
        return False
    file = state_folder("server") / "open.html"
    write_privately(file, _PAGE.format(link=escape(link)))
    return webbrowser.open(Path(file).as_uri())


def _has_a_screen(environ: Mapping[str, str]) -> bool:
    """Return whether a graphical browser can run; the UI needs JavaScript, which terminal browsers lack."""
    known = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")
    return sys.platform == "darwin" or any(environ.get(name) for name in known)
