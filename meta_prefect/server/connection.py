"""A connection to a Prefect API, with what was learned about it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meta_prefect.server.clock import ServerClock
from meta_prefect.server.silence import Silence

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient


@dataclass(frozen=True)
class Connection:
    """An open client.

    Attributes:
        loop: The event loop it belongs to.
        url: The API's URL from the settings.
        client: The client.
        clock: The API's clock.
        silence: Tracks how long it has not responded.
        flow_ids: The ids of known flows, by name.
    """

    loop: asyncio.AbstractEventLoop
    url: str | None
    client: PrefectClient
    clock: ServerClock
    silence: Silence
    flow_ids: dict[str, str] = field(default_factory=dict[str, str])
