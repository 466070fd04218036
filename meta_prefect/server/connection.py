"""A connection to a Prefect API, and what its answers tell besides."""

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
    """A client that is open.

    Attributes:
        loop: The event loop that it serves.
        url: The API that it leads to, as the settings name it.
        client: The client.
        clock: The API's clock.
        silence: For how long it has not answered.
        flow_ids: The ids of flows that were found or made, by name.
    """

    loop: asyncio.AbstractEventLoop
    url: str | None
    client: PrefectClient
    clock: ServerClock
    silence: Silence
    flow_ids: dict[str, str] = field(default_factory=dict[str, str])
