"""Which Prefect API a command talks to: the configured one, or the background server on this host."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from meta_prefect.errors import NoApiConfiguredError, ProcessError
from meta_prefect.local.asked_settings import asked_settings, unused_settings
from meta_prefect.local.guard import why_no_server
from meta_prefect.local.in_use import in_use
from meta_prefect.local.process import prefect_home
from meta_prefect.local.profile import point_profile_at
from meta_prefect.local.server import LocalServer, ensure_server, server_environment, server_status

NO_API_HINT = (
    "Set PREFECT_API_URL, choose a profile (`prefect profile use …`), or pass --local to start a server on this host."
)

NO_AUTHENTICATION = (
    "note: this server asks for no authentication: every user of this host can read it, and run code as you through it. "
    "To turn authentication on: meta-prefect server stop, then meta-prefect deploy --auth"
)


@contextmanager
def reading_api() -> Generator[str | None]:
    """Use the configured API, or the background server if it is already running. Never starts one.

    Yields:
        The API's URL, or None if there is no API.
    """
    url = _configured()
    status = _own_server(url)
    if status is None or not status.alive or url not in (None, status.url):
        yield None if status is not None and url == status.url else url
        return
    with using_server(status):
        yield status.url


@contextmanager
def writing_api(
    *, local: bool, say: Callable[[str], None], auth: bool | None = None, check: Callable[[], object] = lambda: None
) -> Generator[str]:
    """Use the configured API; if none is configured, start or reuse the background server on this host.

    Args:
        local: Allow starting a server even in CI, in a container or inside a flow run.
        say: Called with each message for the user.
        auth: Whether the server requires an auth string. By default, a new server does and an existing one keeps its setting.
        check: Called before a server is started; raises if starting one would be pointless.

    Yields:
        The API's URL.

    Raises:
        NoApiConfiguredError: No API is configured and no server may be started here.
        ProcessError: The server did not start.
    """
    url = _configured()
    status = _own_server(url)
    ours = status is not None and url == status.url
    if url is not None and not ours:
        yield url
        return
    if status is None or not status.alive:
        if (refusal := why_no_server(local, os.environ)) is not None:
            raise NoApiConfiguredError(
                f"there is no Prefect API configured, and no server is started on this host because {refusal}",
                hint=NO_API_HINT,
            )
        check()
        say("No Prefect API is configured: starting a Prefect server on this host …")
    server = ensure_server(auth=auth)
    for line in _about(server):
        say(line)
    outcome = point_profile_at(server.url, server.auth_string)
    if outcome.advice:
        say(outcome.advice)
    with in_use(), using_server(server):
        yield server.url


def _about(server: LocalServer) -> Generator[str]:
    verb = "started" if server.started else "runs already"
    yield f"Prefect server on this host ({verb}): {server.ui_url}"
    yield from _unused_settings(server)
    if server.former_url:
        yield f"Its former address is taken by something else: {server.former_url}"
    for name in server.stopped_workers:
        yield f"stopped worker {name}, which still asked there"
    if server.auth_string is None:
        yield NO_AUTHENTICATION
    elif server.started:
        yield "UI: meta-prefect open"


def _own_server(url: str | None) -> LocalServer | None:
    """Return the background server of this PREFECT_HOME; ignore an unreadable record if another API is configured."""
    try:
        return server_status()
    except ProcessError:
        if url is None:
            raise
        return None


def _unused_settings(server: LocalServer) -> list[str]:
    port = server.record.port
    ours = server_environment({}, home=prefect_home(), port=port)
    return unused_settings(asked_settings(), ours, port, started=server.started)


def _configured() -> str | None:
    from prefect.settings import get_current_settings

    return get_current_settings().api.url or None  # an empty variable counts as unset


@contextmanager
def using_server(server: LocalServer) -> Generator[None]:
    """Make the background server the Prefect API, whatever else is configured."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    updates: dict[Any, str] = {PREFECT_API_URL: server.url}
    if server.auth_string is not None:
        updates[PREFECT_API_AUTH_STRING] = server.auth_string
    with temporary_settings(updates):
        yield
