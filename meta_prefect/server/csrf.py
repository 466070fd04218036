"""Client-side support for a Prefect server's CSRF protection."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

if TYPE_CHECKING:
    import httpx
    from prefect.client.orchestration import PrefectClient

_TOKEN_HEADER: Final = "Prefect-Csrf-Token"  # noqa: S105 - the header's name
_CLIENT_HEADER: Final = "Prefect-Csrf-Client"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def is_about_csrf(response: httpx.Response) -> bool:
    """Return whether a response (already read) rejects a request for its CSRF token rather than its credentials."""
    return response.status_code == HTTPStatus.FORBIDDEN and any(
        text in response.text for text in ("CSRF token", "Missing client identifier")
    )


class CsrfToken:
    """Adds one token to all write requests of a client, through httpx hooks.

    Prefect's own client fetches a token if it has none, or if this host's clock is past the token's expiry. The server keeps
    only a client's latest token, so of several concurrent first requests all but one are rejected; and with a clock that is
    ahead, every request is a first one. Here one request fetches a token while the others wait, and the token is used until
    the server rejects it.
    """

    def __init__(self) -> None:
        self._id = uuid4().hex
        self._fetching = asyncio.Lock()
        self._token: str | None = None
        self._fetch_with: PrefectClient | None = None

    def fetch_with(self, client: PrefectClient) -> None:
        """Start working: tokens are fetched with the client they are for."""
        self._fetch_with = client

    async def attach_token(self, request: httpx.Request) -> None:
        """Add the token to a request that needs it."""
        if request.method in _SAFE or self._fetch_with is None:
            return
        async with self._fetching:
            if self._token is None:
                self._token = await self._fetch(self._fetch_with)
        if self._token:
            request.headers[_CLIENT_HEADER], request.headers[_TOKEN_HEADER] = self._id, self._token

    async def look_at(self, response: httpx.Response) -> None:
        """Drop a token that was rejected; the request must be resent."""
        if response.status_code == HTTPStatus.FORBIDDEN:
            await response.aread()
            if not is_about_csrf(response):
                return
            # Prefect's client would wait two seconds.
            response.headers.setdefault("Retry-After", "0")
            # Another request may have fetched a new one in the meantime.
            if response.request.headers.get(_TOKEN_HEADER, "") == (self._token or ""):
                self._token = None

    async def _fetch(self, client: PrefectClient) -> str:
        """Fetch a token; empty if the server requires none."""
        from prefect.exceptions import PrefectHTTPStatusError

        try:
            answer = await client.request("GET", cast("Any", "/csrf-token"), params={"client": self._id})
        except PrefectHTTPStatusError as error:
            is_off = error.response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
            if is_off or error.response.status_code == HTTPStatus.NOT_FOUND:
                return ""
            raise
        return answer.json()["token"]
