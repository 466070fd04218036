"""The server's clock: this host's may be minutes or days away from it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


class ServerClock:
    """Tells the time of a server by the ``Date`` of its last answer and the seconds since then."""

    def __init__(self) -> None:
        self._date: datetime | None = None
        self._heard = 0.0

    async def look_at(self, response: httpx.Response) -> None:
        """Set the clock by an answer; a hook of an httpx client."""
        try:
            date = parsedate_to_datetime(response.headers["Date"])
        except (KeyError, ValueError):
            return  # some proxy's own answer
        self._date, self._heard = date.replace(tzinfo=UTC), time.monotonic()  # HTTP knows no other zone

    def now(self) -> datetime:
        """The server's time, to a second or two; this host's where no answer has carried it."""
        if self._date is None:
            return datetime.now(UTC)
        return self._date + timedelta(seconds=time.monotonic() - self._heard)
