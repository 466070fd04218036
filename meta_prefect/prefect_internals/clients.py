"""The client that Prefect's engine and we use together, and the settings that are in force while it is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from prefect.client.base import ServerType, determine_server_type
from prefect.context import (
    AsyncClientContext,
    SettingsContext,
    get_settings_context,
    refresh_global_settings_context,
)

if TYPE_CHECKING:
    import httpx
    from prefect.client.orchestration import PrefectClient

__all__ = ["client_settings", "is_cloud", "leads_to_cloud", "refresh_global_settings_context", "shared_client"]


def is_cloud(client: PrefectClient) -> bool:
    """Whether a client is one of Prefect Cloud."""
    return client.server_type is ServerType.CLOUD


def leads_to_cloud() -> bool:
    """Whether the settings lead to Prefect Cloud."""
    return determine_server_type() is ServerType.CLOUD


def client_settings(**changes: Any) -> Callable[[], AbstractContextManager[None]]:
    """Make a context manager under which Prefect's client has other settings.

    Entering it costs microseconds, where Prefect's ``temporary_settings`` validates all settings anew.
    """
    outer = get_settings_context()
    client = outer.settings.client.model_copy(update=changes)
    settings = outer.settings.model_copy(update={"client": client})

    @contextmanager
    def changed() -> Generator[None]:
        with SettingsContext(profile=outer.profile, settings=settings):
            yield

    return changed


@asynccontextmanager
async def shared_client(
    hooks: Mapping[str, Sequence[Callable[..., Any]]], patience: httpx.Timeout
) -> AsyncGenerator[PrefectClient]:
    """Open a client where Prefect's engine looks for one: each costs a TLS context and two requests.

    Args:
        hooks: The event hooks of its httpx client.
        patience: Its timeout.
    """

    class SharedClient(AsyncClientContext):
        def __init__(self) -> None:
            super().__init__(httpx_settings={"event_hooks": hooks, "timeout": patience})
            # What they are is no reason for anybody to open another one.
            self._httpx_settings = None

    async with AsyncExitStack() as stack:
        # The version is checked, and CSRF tokens are fetched, by ourselves.
        with client_settings(server_version_check_enabled=False, csrf_support_enabled=False)():
            context = await stack.enter_async_context(SharedClient())
        yield context.client
