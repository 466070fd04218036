"""The client that Prefect's engine and we share."""

from __future__ import annotations

import asyncio

import anyio
import httpx
import pytest
from prefect import get_client
from prefect.client.base import PrefectHttpxAsyncClient
from prefect.context import AsyncClientContext
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings
from support import record_sleeps

from meta_prefect.prefect_internals.clients import client_settings, is_cloud, leads_to_cloud, shared_client
from meta_prefect.server.requests import leave_waiting_to_us


def test_the_engine_uses_the_client_that_is_open() -> None:
    """Otherwise each flow and task run of a deploy opens a client, without our waits, our clock and our token."""

    async def taken() -> bool:
        async with shared_client({}, httpx.Timeout(1)) as client, AsyncClientContext.get_or_create() as context:
            return context.client is client is get_client()

    assert asyncio.run(taken())


def test_opening_it_asks_the_server_for_nothing() -> None:
    """Otherwise a server that is not there fails in Prefect's words, after minutes, before we can say what is wrong."""

    async def opened() -> None:
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
            async with shared_client({}, httpx.Timeout(1)):
                pass

    asyncio.run(opened())


@pytest.mark.parametrize(("ours", "slept"), [(True, 0.0), (False, 2.0)], ids=["as ours", "as Prefect's own"])
def test_an_answer_of_503_is_handed_over_at_once(monkeypatch: pytest.MonkeyPatch, ours: bool, slept: float) -> None:
    """Otherwise each write that loses against another one on SQLite costs two seconds. Without a need, our hook may go."""
    pauses = record_sleeps(monkeypatch, anyio)

    async def ask() -> None:
        hooks = {"response": [leave_waiting_to_us]} if ours else {}
        busy = httpx.MockTransport(lambda _: httpx.Response(503))
        with client_settings(max_retries=0)():
            async with PrefectHttpxAsyncClient(transport=busy, base_url="http://x/", event_hooks=hooks) as client:
                await client.get("deployments")

    with pytest.raises(PrefectHTTPStatusError):
        asyncio.run(ask())
    assert sum(pauses) == pytest.approx(slept, abs=1)  # Prefect's own pauses are random


def test_settings_of_the_client_hold_inside_alone() -> None:
    """Otherwise Prefect's client retries what we retry, or stops retrying what is its own."""
    before = get_current_settings()
    with client_settings(max_retries=0)():
        assert get_current_settings().client.max_retries == 0
        assert get_current_settings().api == before.api
    assert get_current_settings() == before


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://127.0.0.1:9/api", False), ("https://api.prefect.cloud/api/accounts/a/workspaces/w", True)],
)
def test_prefect_cloud_is_told_by_its_address(url: str, expected: bool) -> None:
    """Otherwise Cloud is asked for a version and tokens that it has not, and its refusals are explained as a server's."""
    with temporary_settings({PREFECT_API_URL: url}):
        assert leads_to_cloud() is expected
        assert is_cloud(get_client()) is expected
