"""Rate limiting: waits as long as a rate-limited API such as Prefect Cloud asks for."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import httpx

    from meta_prefect.server.silence import Silence

RATE_LIMIT_TIMEOUT_SECONDS: Final = 600
"""How long to keep resending a request: others may use up the quota."""


class Pace:
    """Delays the requests of a client, through httpx hooks.

    When one request is rejected, the concurrent ones would be too, and each rejection costs server time; so after the first
    one all requests wait, including those of Prefect's engine.

    Args:
        silence: Told that a wait is not the server being unresponsive.
    """

    def __init__(self, silence: Silence) -> None:
        self._silence = silence
        self._until = 0.0

    async def hold_back(self, request: httpx.Request) -> None:
        """Delay a request until it may be sent."""
        del request
        while (left := self._until - time.monotonic()) > 0:
            with self._silence.pausing(left):
                await asyncio.sleep(left)

    async def look_at(self, response: httpx.Response) -> None:
        """Note how long to wait."""
        seconds = asked_wait(response)
        if seconds is None:
            return
        is_new = self._until <= time.monotonic()
        self._until = max(self._until, time.monotonic() + seconds)
        if is_new:
            _log(f"the Prefect API takes no more requests for now: going on in {seconds:.0f} seconds")


def asked_wait(response: httpx.Response) -> float | None:
    """Return how many seconds a rate-limited response asks to wait; None if it does not."""
    if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    asked = response.headers.get("Retry-After", "")
    try:
        return max(0.0, min(float(asked), RATE_LIMIT_TIMEOUT_SECONDS))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(asked)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _log(text: str) -> None:
    from prefect import get_run_logger
    from prefect.exceptions import MissingContextError
    from prefect.logging import get_logger

    try:
        logger = get_run_logger()
    except MissingContextError:
        logger = get_logger("meta_prefect")
    logger.warning("%s", text)
