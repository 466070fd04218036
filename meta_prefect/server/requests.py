"""Single requests to the Prefect API, with our own retries.

With SQLite, a server returns 503 for a few milliseconds while another write commits, and Prefect's client would then sleep
two seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import Any, cast

import httpx
import tenacity

from meta_prefect.errors import ConfigurationError, OverloadedError, RefusedError, UnreachableError, nearest
from meta_prefect.interfaces.api import Host
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.redaction import hidden, sealed, without_userinfo
from meta_prefect.server.connection import Connection
from meta_prefect.server.csrf import is_about_csrf
from meta_prefect.server.error_responses import TEMPORARY, no_prefect_api, refusal, unreachable
from meta_prefect.server.pacing import RATE_LIMIT_TIMEOUT_SECONDS, asked_wait
from meta_prefect.server.silence import FIRST_ANSWER_SECONDS, UNREACHABLE_SECONDS

PAGE = 200
"""The maximum number of objects that the API returns per request."""

TRIED_AGAIN_SECONDS = 30
"""How long to retry a request that the server could not serve or did not answer."""


Body = Record | list[Record]
"""A request body."""


class PrefectRequests:
    """Single requests to the Prefect API; see :class:`~meta_prefect.interfaces.api.Api`.

    Args:
        connection: An open connection to it.
        host: The processes of this host, for components such as workers.

    Attributes:
        overloads: How many responses so far said that the server is overloaded.
    """

    is_empty = False

    def __init__(self, connection: Connection, host: Host) -> None:
        from meta_prefect.prefect_internals.clients import client_settings

        self._client = connection.client
        self._host = host
        self._clock = connection.clock
        self._silence = connection.silence
        self._without_retries = client_settings(max_retries=0)
        self.overloads: int = 0

    @property
    def host(self) -> Host:
        """The processes of this host."""
        return self._host

    @property
    def url(self) -> str:
        """The API's URL."""
        return without_userinfo(str(self._client.api_url).rstrip("/"))

    def now(self) -> datetime:
        """Return the server's time; compare timestamps recorded by the server only with this."""
        return self._clock.now()

    async def check(self) -> None:
        """Check that the API accepts our requests, before starting anything that would fail less clearly.

        Raises:
            UnreachableError: It does not respond.
            RefusedError: It requires other credentials, is not a Prefect API, or is an incompatible version.
        """
        import prefect

        from meta_prefect.prefect_internals.clients import is_cloud

        if is_cloud(self._client):
            # Prefect Cloud supports every version and is not asked for its own; Prefect's client queries its pools too.
            if await self._request("POST", "/work_pools/filter", {"limit": 1}, missing_is_none=True) is None:
                raise no_prefect_api(self.url, "it answers 404 to POST /work_pools/filter", None)
            return
        served: object = await self._request("GET", "/admin/version", missing_is_none=True)
        if served is None:
            raise no_prefect_api(self.url, "it answers 404 to GET /admin/version", await self._api_nearby())
        ours = prefect.__version__
        if not isinstance(served, str):
            return
        if served.partition(".")[0] != ours.partition(".")[0]:
            raise RefusedError(
                f"the Prefect API at {self.url} is that of Prefect {served}, and Prefect {ours} is installed here",
                hint="Install the Prefect of the server, or upgrade the server.",
            )

    async def _api_nearby(self) -> str | None:
        """Return the URL that was probably meant: an API at its usual path on the same host."""
        from prefect.exceptions import PrefectHTTPStatusError

        asked = httpx.URL(self.url)
        origin = f"{asked.scheme}://{asked.netloc.decode('ascii')}"
        for candidate in dict.fromkeys((f"{self.url}/api", f"{origin}/api")):
            with contextlib.suppress(PrefectHTTPStatusError, httpx.HTTPError, ValueError):
                with self._without_retries():
                    answer = await self._client.request("GET", cast("Any", f"{candidate}/health"))
                if answer.json() is True:
                    return candidate
        return None

    # --- single requests -----------------------------------------------------------------------------------------------

    async def get(self, path: str) -> Any:
        """Read one object; None if it does not exist."""
        return await self._request("GET", path, missing_is_none=True)

    async def post(self, path: str, body: Body | None = None) -> Any:
        """Send a POST and return the response's JSON."""
        return await self._request("POST", path, body if body is not None else {})

    async def patch(self, path: str, body: Record) -> Any:
        """Send a PATCH and return the response's JSON."""
        return await self._request("PATCH", path, body)

    async def put(self, path: str, body: Record) -> Any:
        """Send a PUT and return the response's JSON."""
        return await self._request("PUT", path, body)

    async def delete(self, path: str) -> None:
        """Delete an object; it is not an error if it does not exist."""
        await self._request("DELETE", path, missing_is_none=True)

    async def _request(self, method: str, path: str, body: Body | None = None, *, missing_is_none: bool = False) -> Any:
        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(self._may_go_away),
            wait=tenacity.wait_random_exponential(multiplier=0.01, max=2),
            # A single missing response may take longer than the time limit; it still gets more attempts.
            stop=tenacity.stop_all(tenacity.stop_after_delay(TRIED_AGAIN_SECONDS), tenacity.stop_after_attempt(3)),
            reraise=True,
        ):
            with attempt:
                response = await self._send(method, path, body)
                if response.status_code == HTTPStatus.NOT_FOUND and missing_is_none:
                    return None
                self._raise_for_status(response, method, path)
                return await self._read(response, method, path)
        raise AssertionError("unreachable: tenacity either returns or raises")  # pragma: no cover

    def _may_go_away(self, error: BaseException) -> bool:
        """Return whether to retry. A server that never responded is more likely a wrong URL than a restart."""
        if isinstance(error, UnreachableError):
            return self._silence.heard and self._silence.seconds < UNREACHABLE_SECONDS
        return isinstance(error, OverloadedError)

    async def _send(self, method: str, path: str, body: Body | None) -> httpx.Response:
        response = await self._send_once(method, path, body)
        began = time.monotonic()
        while asked_wait(response) is not None and time.monotonic() - began < RATE_LIMIT_TIMEOUT_SECONDS:
            # The request is delayed until it may be sent.
            self.overloads += 1
            response = await self._send_once(method, path, body)
        if is_about_csrf(response):
            # Prefect's client would resend it, if we had not disabled its retries. A new token is fetched first.
            response = await self._send_once(method, path, body)
        return response

    async def _send_once(self, method: str, path: str, body: Body | None) -> httpx.Response:
        from prefect.exceptions import PrefectHTTPStatusError

        patience = None if self._silence.heard else FIRST_ANSWER_SECONDS
        try:
            with self._without_retries(), self._silence.asking():
                async with asyncio.timeout(patience):
                    return await self._client.request(cast("Any", method), cast("Any", path), json=sent(path, body))
        except PrefectHTTPStatusError as error:
            return error.response
        except TimeoutError:
            raise unreachable(self.url, f"within {patience} seconds") from None
        except (httpx.TransportError, OSError) as error:
            raise unreachable(self.url, f"({type(error).__name__}: {error})") from error

    async def _read(self, response: httpx.Response, method: str, path: str) -> Any:
        try:
            return response.json() if response.content else None
        except ValueError:
            # A server's UI responds like this, on all of its paths.
            found = (
                f"it answers {method} {path} with {response.headers.get('Content-Type', 'something else')}, not JSON"
            )
            raise no_prefect_api(self.url, found, await self._api_nearby()) from None

    def _raise_for_status(self, response: httpx.Response, method: str, path: str) -> None:
        if response.is_success:
            return
        error = refusal(response, f"{method} {path}", self.url)
        self.overloads += isinstance(error, OverloadedError)
        raise error

    async def pages(
        self, path: str, condition: Record, sort: str = "NAME_ASC", size: int = PAGE
    ) -> AsyncGenerator[Record]:
        """Read a list page by page; the caller may stop at any page.

        Args:
            path: A path that ends in ``/filter``.
            condition: The filter.
            sort: The order.
            size: The page size, at most 200.
        """
        offset = 0
        while True:
            page: list[Record] = await self.post(path, {**condition, "limit": size, "offset": offset, "sort": sort})
            for item in page:
                yield item
            if len(page) < size:
                return
            offset += size

    async def base_job_template(self, worker_type: str) -> Record:
        """Return Prefect's own job template for a worker type."""
        return await base_job_template(worker_type)


async def base_job_template(worker_type: str, *, offline: bool = False) -> Record:
    """Return Prefect's own job template for a worker type.

    Args:
        worker_type: The worker type.
        offline: Whether to use only what is installed here and shipped with Prefect, without querying a server.

    Raises:
        ConfigurationError: Prefect does not know the type.
    """
    if worker_type == "process":
        # Prefect's own. Looking up any other type loads all installed integrations, which takes a second.
        from prefect.workers.process import ProcessWorker

        return _template_of(ProcessWorker)
    from meta_prefect.prefect_internals import worker_types

    if offline:
        worker = worker_types.worker_class(worker_type)
        template = None if worker is None else _template_of(worker)
    else:
        template = await worker_types.base_job_template(worker_type)
    shipped = {} if template is not None else worker_types.shipped_templates()
    if template is None and worker_type not in shipped:
        known = {*worker_types.worker_types(), *shipped}
        raise ConfigurationError(
            f"Prefect knows no worker of type {worker_type!r}",
            hint=f"{nearest(worker_type, known)} Others come with an integration, such as prefect-kubernetes, that is installed "
            "here.",
        )
    return shipped[worker_type] if template is None else template


def _template_of(worker: Any) -> Record:
    """Return a worker class's job template. Cached, because Prefect rebuilds its schema on each call."""
    return copy.deepcopy(_made_template(worker))


@cache
def _made_template(worker: Any) -> Record:
    return worker.get_default_base_job_template()


def sent(path: str, body: Body | None) -> Body | None:
    """Return the body to send: what is shown to people has secrets masked, what is deployed is unchanged."""
    if path.startswith("/artifacts/"):
        return sealed(body)
    return hidden(body) if path.startswith("/flow_runs/") else body


async def leave_waiting_to_us(response: httpx.Response) -> None:
    """Keep Prefect's client from sleeping after a response such as 503; an httpx response hook.

    It sleeps two seconds after such a response even if it will not retry, unless the response says how long to wait. A wait
    requested by the server is kept, and so are those for Prefect's own requests, which are retried. The wait after a 429 is
    handled for all requests elsewhere.
    """
    from prefect.settings import get_current_settings

    if response.status_code in TEMPORARY and get_current_settings().client.max_retries == 0:
        response.headers.setdefault("Retry-After", "0")
        if asked_wait(response) is not None:
            response.headers["Retry-After"] = "0"


@contextmanager
def server_errors() -> Generator[None]:
    """Translate exceptions from Prefect's own client, raised around our flows, into our errors.

    Raises:
        ServerError: The Prefect API does not respond, is overloaded, or rejects a request.
    """
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL

    try:
        yield
    except PrefectHTTPStatusError as error:
        request = error.request
        url = without_userinfo(PREFECT_API_URL.value() or str(request.url))
        raise refusal(error.response, f"{request.method} {request.url.path}", url) from error
    except httpx.TransportError as error:
        url = str(error.request.url) if getattr(error, "_request", None) is not None else "PREFECT_API_URL"
        raise unreachable(without_userinfo(url), f"({type(error).__name__}: {error})") from error
