"""How commands query the configured Prefect API: a missing API or an API that does not respond is an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from meta_prefect.errors import NoApiConfiguredError
from meta_prefect.interfaces.api import Host
from meta_prefect.local.api import NO_API_HINT, reading_api
from meta_prefect.local.host import LocalHost
from meta_prefect.server.prefect_server import PrefectServer, connect
from meta_prefect.server.requests import server_errors

T = TypeVar("T")


def require_api(api: str | None, lacking: str, hint: str = NO_API_HINT) -> None:
    """Require a configured API; an empty PREFECT_API_URL counts as none.

    Args:
        api: Its URL.
        lacking: What is unavailable without it: ``no history``.
        hint: What to do.

    Raises:
        NoApiConfiguredError: No API is configured.
    """
    if not api:
        raise NoApiConfiguredError(f"there is no Prefect API configured, so {lacking}", hint=hint)


def query_api(
    read: Callable[[PrefectServer], Awaitable[T]], lacking: str, *, host: Host | None = None, hint: str = NO_API_HINT
) -> T:
    """Read something from the API, without starting a server.

    Raises:
        NoApiConfiguredError: No API is configured.
        ServerError: It does not respond, or rejects the request.
    """

    async def run() -> T:
        async with connect(host or LocalHost()) as server:
            await server.check()
            return await read(server)

    with reading_api() as api:
        require_api(api, lacking, hint)
        return asyncio.run(run())


def run_flow(flow: Callable[[], Awaitable[T]], lacking: str) -> T:
    """Run one of our flows, without starting a server.

    Raises:
        NoApiConfiguredError: No API is configured.
        ServerError: It does not respond, or rejects a request.
    """
    with reading_api() as api:
        require_api(api, lacking)
        return run_flow_on_current_api(flow)


def run_flow_on_current_api(flow: Callable[[], Awaitable[T]]) -> T:
    """Run one of our flows with the API in use.

    Raises:
        ServerError: It does not respond, or rejects a request.
    """

    async def run() -> T:
        async with connect(LocalHost()) as server:
            await server.check()
        return await flow()

    with server_errors():
        return asyncio.run(run())
