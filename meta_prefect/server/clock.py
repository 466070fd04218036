"""The server's clock, which may differ from this host's by minutes or days."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


class ServerClock:
    """Tracks a server's time from the ``Date`` header of its last response and the seconds since then."""

    def __init__(self) -> None:
        self._date: datetime | None = None
        self._heard = 0.0

    async def look_at(self, response: httpx.Response) -> None:
        """Set the clock from a response; an httpx response hook."""
        try:
            date = parsedate_to_datetime(response.headers["Date"])
        except (KeyError, ValueError):
            return  # a response from a proxy
        self._date, self._heard = date.replace(tzinfo=UTC), time.monotonic()  # always UTC in HTTP

    def now(self) -> datetime:
        """Return the server's time, accurate to a second or two; this host's time if no response had a date."""
        if self._date is None:
            return datetime.now(UTC)
        return self._date + timedelta(seconds=time.monotonic() - self._heard)
