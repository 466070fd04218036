"""The client shared with Prefect's engine, and the settings under which it is used."""

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
    """Return whether a client talks to Prefect Cloud."""
    return client.server_type is ServerType.CLOUD


def leads_to_cloud() -> bool:
    """Return whether the settings point to Prefect Cloud."""
    return determine_server_type() is ServerType.CLOUD


def client_settings(**changes: Any) -> Callable[[], AbstractContextManager[None]]:
    """Make a context manager under which Prefect's client uses other settings.

    Entering it takes microseconds, whereas Prefect's ``temporary_settings`` validates all settings each time.
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
    """Open a client where Prefect's engine will find it: each new client costs a TLS context and two requests.

    Args:
        hooks: Event hooks for its httpx client.
        patience: Its timeout.
    """

    class SharedClient(AsyncClientContext):
        def __init__(self) -> None:
            super().__init__(httpx_settings={"event_hooks": hooks, "timeout": patience})
            # Different settings must not cause another client to be opened.
            self._httpx_settings = None

    async with AsyncExitStack() as stack:
        # We check the version and fetch CSRF tokens ourselves.
        with client_settings(server_version_check_enabled=False, csrf_support_enabled=False)():
            context = await stack.enter_async_context(SharedClient())
        yield context.client
