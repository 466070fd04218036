"""Translates error responses into errors that say what is wrong and what to do about it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from meta_prefect.errors import MetaPrefectError, OverloadedError, RefusedError, UnreachableError
from meta_prefect.server.csrf import is_about_csrf

if TYPE_CHECKING:
    import httpx

TEMPORARY: Final = frozenset({408, 429, 502, 503, 504})
"""Status codes that may be temporary."""

_OWN_PAGES_ONLY: Final = "own pages only"
"""The message with which our own local server rejects a foreign host name."""

_FULL_DISK: Final = "disk is full"
"""SQLite's message, which the server writes only to its log."""

_PAGE: Final = re.compile(r"/account/([^/]+)/workspace/([^/?#]+)")

_DETAILS: Final = ("detail", "exception_detail", "exception_message")
_LOOK_AT_LINES: Final = 200


def unreachable(url: str, how: str) -> UnreachableError:
    """Build the error for a missing response.

    Args:
        url: The API's URL.
        how: What happened instead, as the end of a sentence.
    """
    return UnreachableError(
        f"the Prefect API at {url} does not answer {how}",
        hint="Is the server running? `prefect config view` shows which PREFECT_API_URL is in force.",
    )


def refusal(response: httpx.Response, request: str, url: str) -> OverloadedError | RefusedError:
    """Build the error for an error response.

    Args:
        response: The response, already read.
        request: The request, for example ``POST /flows/``.
        url: The API's URL.
    """
    status = response.status_code
    if status in TEMPORARY:
        return OverloadedError(
            f"the Prefect API answers {status} to {request}", hint="Deploy again: that finishes what is left."
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return RefusedError(
            f"the Prefect API at {url} refuses {request} ({status}): {_detail(response)}", hint=_about_access(response)
        )
    return RefusedError(
        f"the Prefect API refused {request} ({status}): {_detail(response)}", hint=_about_a_failure(response, url)
    )


def no_prefect_api(url: str, found: str, right: str | None) -> RefusedError:
    """Build the error for something other than a Prefect API.

    Args:
        url: The requested URL.
        found: What it returned.
        right: The URL of an API found nearby.
    """
    from meta_prefect.prefect_internals.clients import leads_to_cloud

    if right is not None:
        hint = f"A Prefect API answers at {right}: `prefect config set PREFECT_API_URL={right}`."
    elif "/account/" in url or leads_to_cloud():
        hint = (
            f"That of a workspace of Prefect Cloud is {_workspace_api(url)}; `prefect cloud workspace set` writes it."
        )
    else:
        hint = "PREFECT_API_URL ends in /api as a rule, for example http://127.0.0.1:4200/api."
    return RefusedError(f"PREFECT_API_URL={url} is not the address of a Prefect API ({found})", hint=hint)


def _workspace_api(url: str) -> str:
    """Return the URL of a workspace's API from that of a UI page mistaken for it."""
    found = _PAGE.search(url)
    account, workspace = found.groups() if found is not None else ("<account>", "<workspace>")
    return f"https://api.prefect.cloud/api/accounts/{account}/workspaces/{workspace}"


def _about_access(response: httpx.Response) -> str:
    """Suggest what to do about denied access; credentials are blamed only if they are the reason."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY

    from meta_prefect.prefect_internals.clients import leads_to_cloud

    cloud = leads_to_cloud()
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        setting = PREFECT_API_KEY if cloud else PREFECT_API_AUTH_STRING
        name = setting.name
        kind = "Prefect Cloud" if cloud else "this server"
        if cloud and PREFECT_API_AUTH_STRING.value():
            return f"Unset PREFECT_API_AUTH_STRING: Prefect sends it instead of {name}, and Prefect Cloud knows no such string."
        new = " or has expired: make another one, for CI that of a service account" if cloud else ""
        return f"{name} is not the one of {kind}{new}." if setting.value() else f"Set {name}: {kind} asks for it."
    if is_about_csrf(response):
        return (
            "This is its CSRF protection, and no matter of keys; a new token was refused as well. A proxy that drops the headers "
            "Prefect-Csrf-Token and Prefect-Csrf-Client does that, and so do servers with different databases at one address."
        )
    if _OWN_PAGES_ONLY in response.text:
        return (
            "This is no matter of keys: the server that Meta-Prefect starts answers under 127.0.0.1 and localhost at its own "
            "port, and to no proxy or other name. `meta-prefect server status` prints its address."
        )
    if cloud:
        return (
            "The key in PREFECT_API_KEY is known and may not do this: check which workspace PREFECT_API_URL names, and the role "
            "of the key's user or service account in it: deployments, work pools, variables and flow runs are written."
        )
    return "A Prefect server of your own does not answer so: ask for access at the proxy, gateway or firewall in front of it."


def _about_a_failure(response: httpx.Response, url: str) -> str | None:
    """Suggest what to do about a server error; for our own local server, point to its log."""
    from meta_prefect.local.process import tail
    from meta_prefect.local.server import server_status

    if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    try:
        server = server_status()
    except MetaPrefectError:
        server = None
    if server is None or server.url.rstrip("/") != url.rstrip("/"):
        return "The server failed: its log says why."
    why = "Its disk is full" if _FULL_DISK in tail(server.record.log, _LOOK_AT_LINES) else "The server failed"
    return f"{why}; its log: {server.record.log}"


def _detail(response: httpx.Response) -> str:
    try:
        answer: Any = response.json()
        detail: Any = next(answer[key] for key in _DETAILS if answer.get(key))
    except (ValueError, AttributeError, StopIteration):  # not JSON, not an object, or without these keys
        return response.text[:500]
    return str(detail)[:1000]
