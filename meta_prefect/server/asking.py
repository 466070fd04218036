"""How a command asks the configured Prefect API: it is checked first, and where there is none that is an error."""

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
    """See that there is an API; an empty PREFECT_API_URL is none either.

    Args:
        api: Its address.
        lacking: What cannot be had without one: ``no history``.
        hint: What to do.

    Raises:
        NoApiConfiguredError: There is none.
    """
    if not api:
        raise NoApiConfiguredError(f"there is no Prefect API configured, so {lacking}", hint=hint)


def ask_api(
    read: Callable[[PrefectServer], Awaitable[T]], lacking: str, *, host: Host | None = None, hint: str = NO_API_HINT
) -> T:
    """Read something from the API; nothing is started for that.

    Raises:
        NoApiConfiguredError: There is none.
        ServerError: It does not answer, or refuses us.
    """

    async def run() -> T:
        async with connect(host or LocalHost()) as server:
            await server.check()
            return await read(server)

    with reading_api() as api:
        require_api(api, lacking, hint)
        return asyncio.run(run())


def run_flow(flow: Callable[[], Awaitable[T]], lacking: str) -> T:
    """Run one of our flows; nothing is started for that.

    Raises:
        NoApiConfiguredError: There is no API.
        ServerError: It does not answer, or refuses us.
    """
    with reading_api() as api:
        require_api(api, lacking)
        return run_flow_there(flow)


def run_flow_there(flow: Callable[[], Awaitable[T]]) -> T:
    """Run one of our flows with the API that is in force.

    Raises:
        ServerError: It does not answer, or refuses us.
    """

    async def run() -> T:
        async with connect(LocalHost()) as server:
            await server.check()
        return await flow()

    with server_errors():
        return asyncio.run(run())
