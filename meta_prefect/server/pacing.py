"""Waiting for as long as an API asks for that takes only so many requests in a minute, as Prefect Cloud does."""

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

PATIENCE_SECONDS: Final = 600
"""For how long one request is sent again and again: others may use up what is allowed."""


class Pace:
    """Holds back the requests of a client, by hooks of its httpx client.

    Of requests that are under way side by side each would be refused, and each refused one costs time of the server; so after
    the first refusal all of them wait, those of Prefect's engine too.

    Args:
        silence: Learns that a wait is no silence of the server.
    """

    def __init__(self, silence: Silence) -> None:
        self._silence = silence
        self._until = 0.0

    async def hold_back(self, request: httpx.Request) -> None:
        """Keep a request until it may be sent."""
        del request
        while (left := self._until - time.monotonic()) > 0:
            with self._silence.asked_for(left):
                await asyncio.sleep(left)

    async def look_at(self, response: httpx.Response) -> None:
        """Hear how long to wait."""
        seconds = asked_wait(response)
        if seconds is None:
            return
        is_new = self._until <= time.monotonic()
        self._until = max(self._until, time.monotonic() + seconds)
        if is_new:
            _log(f"the Prefect API takes no more requests for now: going on in {seconds:.0f} seconds")


def asked_wait(response: httpx.Response) -> float | None:
    """How many seconds an answer asks to wait, as more was asked than is allowed; None where it does not."""
    if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    asked = response.headers.get("Retry-After", "")
    try:
        return max(0.0, min(float(asked), PATIENCE_SECONDS))
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
