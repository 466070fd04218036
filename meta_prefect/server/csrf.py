"""CSRF protection of a Prefect server, as its client has to go along with it."""

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
    """Whether an answer that has been read refuses a request for its CSRF token, which is no matter of keys."""
    return response.status_code == HTTPStatus.FORBIDDEN and any(
        text in response.text for text in ("CSRF token", "Missing client identifier")
    )


class CsrfToken:
    """Puts one token on all writing requests of a client, by hooks of its httpx client.

    Prefect's own client fetches a token where it has none, or where this host's clock is past the token's end. The server keeps
    only the newest one of a client, so of several first requests at once all but one are refused, and with a clock that is ahead
    all requests are first ones. Here a token is fetched by one request while the others wait, and counts until the server
    refuses it.
    """

    def __init__(self) -> None:
        self._id = uuid4().hex
        self._fetching = asyncio.Lock()
        self._token: str | None = None
        self._fetch_with: PrefectClient | None = None

    def fetch_with(self, client: PrefectClient) -> None:
        """Begin to work: tokens are fetched with the client that they are for."""
        self._fetch_with = client

    async def put_on(self, request: httpx.Request) -> None:
        """Put the token on a request that needs it."""
        if request.method in _SAFE or self._fetch_with is None:
            return
        async with self._fetching:
            if self._token is None:
                self._token = await self._fetch(self._fetch_with)
        if self._token:
            request.headers[_CLIENT_HEADER], request.headers[_TOKEN_HEADER] = self._id, self._token

    async def look_at(self, response: httpx.Response) -> None:
        """Forget a token that was refused; the request has to be sent again."""
        if response.status_code == HTTPStatus.FORBIDDEN:
            await response.aread()
            if not is_about_csrf(response):
                return
            # Prefect's client would wait for two seconds.
            response.headers.setdefault("Retry-After", "0")
            # Another request may have fetched a new one meanwhile.
            if response.request.headers.get(_TOKEN_HEADER, "") == (self._token or ""):
                self._token = None

    async def _fetch(self, client: PrefectClient) -> str:
        """Fetch a token; an empty one where the server wants none."""
        from prefect.exceptions import PrefectHTTPStatusError

        try:
            answer = await client.request("GET", cast("Any", "/csrf-token"), params={"client": self._id})
        except PrefectHTTPStatusError as error:
            is_off = error.response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
            if is_off or error.response.status_code == HTTPStatus.NOT_FOUND:
                return ""
            raise
        return answer.json()["token"]
