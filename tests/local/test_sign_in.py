"""How a browser comes in: tickets, and the page that takes them."""

from __future__ import annotations

import asyncio
import base64
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from meta_prefect.errors import ProcessError
from meta_prefect.local.door import Door, Receive, Scope, Send
from meta_prefect.local.guarded_server import OwnPagesOnly
from meta_prefect.local.opening import open_in_browser, running_server, sign_in_link
from meta_prefect.local.server import LocalServer
from meta_prefect.local.server_record import ServerRecord
from meta_prefect.local.sign_in import IDENTITY_PATH, LIFETIME, PATH, Tickets, make_ticket, prove

AUTH = "meta-prefect:a-secret"
PORT = 4200
NOW = 1_800_000_000.0
Ask = Callable[..., httpx.Response]


def test_a_ticket_lets_in_once() -> None:
    """A ticket is valid the first time it is brought, and a second one beside it as well."""
    tickets = Tickets(AUTH, PORT, since=NOW)
    first, second = (make_ticket(AUTH, PORT, now=NOW + 1) for _ in range(2))
    assert [tickets.spend(one, now=NOW + 2) for one in (first, first, second, first)] == [True, False, True, False]


@pytest.mark.parametrize(
    ("made", "brought", "valid"),
    [
        pytest.param(0, LIFETIME, True, id="within a minute"),
        pytest.param(0, LIFETIME + 0.1, False, id="after a minute"),
        pytest.param(1, 0, True, id="the clock was set back by a second"),
        pytest.param(60, 0, False, id="from the future"),
        pytest.param(-1, 0, False, id="from before the server's start"),
    ],
)
def test_a_ticket_expires(made: float, brought: float, valid: bool) -> None:
    """A ticket is valid for a minute, at a server that ran already when it was made."""
    ticket = make_ticket(AUTH, PORT, now=NOW + made)
    assert Tickets(AUTH, PORT, since=NOW).spend(ticket, now=NOW + brought) is valid


def test_a_ticket_of_the_servers_first_moment_is_valid() -> None:
    """The time in a ticket is not rounded, as it would then be before the server's start half of the time."""
    for start in (NOW + 0.0004, NOW + 0.0006):
        assert Tickets(AUTH, PORT, since=start).spend(make_ticket(AUTH, PORT, now=start), now=start)


def test_a_spent_ticket_stays_spent_while_it_could_be_used() -> None:
    """That others are spent meanwhile makes no spent ticket valid again."""
    tickets = Tickets(AUTH, PORT, since=NOW)
    ticket = make_ticket(AUTH, PORT, now=NOW)
    assert tickets.spend(ticket, now=NOW)
    assert tickets.spend(make_ticket(AUTH, PORT, now=NOW + LIFETIME), now=NOW + LIFETIME)
    assert not tickets.spend(ticket, now=NOW + LIFETIME)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param("", id="nothing"),
        pytest.param("~", id="only a separator"),
        pytest.param("1800000000.000~nonce~", id="no signature"),
        pytest.param(f"1800000000.000~nonce~{'0' * 64}", id="a wrong signature"),
        pytest.param("\udce9~\xe9~\xe9", id="not ASCII"),
        pytest.param(make_ticket("meta-prefect:another", PORT, now=NOW), id="under another auth string"),
        pytest.param(make_ticket(AUTH, PORT + 1, now=NOW), id="for another port"),
        pytest.param(make_ticket(AUTH, PORT, now=NOW).replace("18", "19", 1), id="with another time"),
        pytest.param(f"1800000000.000~nonce~{prove(AUTH, PORT, '1800000000.000~nonce')}", id="a proof of identity"),
    ],
)
def test_a_forged_ticket_is_refused(forged: str) -> None:
    """Only who knows the auth string can make a ticket, and only for the port that it is for."""
    assert not Tickets(AUTH, PORT, since=NOW).spend(forged, now=NOW)


@pytest.fixture
def ask() -> Ask:
    """Send a request to the door of a server, as the guarded server has it."""

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"the application"})

    guarded: Any = OwnPagesOnly(Door(behind, PORT, AUTH), PORT)

    def send(method: str, path: str, **more: Any) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=guarded)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{PORT}") as client:
                return await client.request(method, path, **more)

        return asyncio.run(run())

    return send


def test_the_page_gives_nothing_away(ask: Ask) -> None:
    """Without a ticket there is only a page that is the same for everybody, kept by no cache and shown in no frame."""
    page = ask("GET", PATH)
    assert page.is_success
    assert AUTH not in page.text
    assert base64.b64encode(AUTH.encode()).decode() not in page.text
    assert page.headers["cache-control"] == "no-store"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_a_ticket_is_changed_for_the_auth_string_once(ask: Ask) -> None:
    """The ticket in the body of a POST brings what Prefect's UI keeps; brought again, nothing."""
    ticket = make_ticket(AUTH, PORT)
    first = ask("POST", PATH, content=ticket)
    assert base64.b64decode(first.text).decode() == AUTH
    assert first.headers["cache-control"] == "no-store"
    assert not first.cookies
    again = ask("POST", PATH, content=ticket)
    assert (again.status_code, again.text) == (403, "This ticket is not valid.")


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        pytest.param("POST", PATH, {}, 403, id="no ticket"),
        pytest.param("POST", PATH, {"params": {"ticket": make_ticket(AUTH, PORT)}}, 403, id="a ticket in the query"),
        pytest.param("POST", PATH, {"content": "x" * 10_000_000}, 403, id="far too much"),
        pytest.param("PUT", PATH, {"content": make_ticket(AUTH, PORT)}, 405, id="another method"),
        pytest.param("POST", IDENTITY_PATH, {}, 405, id="another method of the identity"),
        pytest.param("GET", "/meta-prefect/open/", {}, 418, id="another path"),
        pytest.param("GET", "/api/health", {}, 418, id="Prefect's own path"),
    ],
)
def test_everything_else_is_refused_or_passed_on(
    ask: Ask, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    """Only a POST with a ticket in its body is let in; what is not ours goes to Prefect."""
    assert ask(method, path, **more).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Host": "evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:4201"},
    ],
    ids=["another origin", "another host", "a file or a sandbox", "another port"],
)
def test_other_pages_cannot_bring_a_ticket(ask: Ask, headers: dict[str, str]) -> None:
    """Not even a valid ticket is taken from a page of another origin, and it is not spent by that."""
    ticket = make_ticket(AUTH, PORT)
    assert ask("POST", PATH, content=ticket, headers=headers).status_code == 403
    assert ask("POST", PATH, content=ticket).is_success


def test_a_server_proves_itself(ask: Ask) -> None:
    """The answer to a challenge shows that the server knows the auth string, at this port, without showing it."""
    answer = ask("GET", IDENTITY_PATH, params={"challenge": "c0ffee"}).text
    assert answer == prove(AUTH, PORT, "c0ffee")
    assert answer not in {prove(AUTH, PORT, "other"), prove(AUTH, PORT + 1, "c0ffee"), prove("other", PORT, "c0ffee")}


def server(home: Path, auth_string: str | None) -> LocalServer:
    """A server as it is described."""
    extra = {"port": str(PORT)} | ({"auth_string": auth_string} if auth_string else {})
    record = ServerRecord(pid=1, start_time=1.0, command=("gone",), log=home / "log", extra=extra)
    ui = f"http://127.0.0.1:{PORT}"
    return LocalServer(
        url=record.url, ui_url=ui, record=record, started=False, alive=True, healthy=True, auth_string=auth_string
    )


def test_the_link_holds_a_ticket_in_its_fragment(home: Path) -> None:
    """The ticket is in the part of the link that browsers send to nobody; a server without authentication needs none."""
    link = httpx.URL(sign_in_link(server(home, AUTH)))
    assert (link.path, link.query) == (PATH, b"")
    assert Tickets(AUTH, PORT, since=0).spend(link.fragment)
    assert sign_in_link(server(home, None)) == f"http://127.0.0.1:{PORT}"


def test_the_browsers_command_line_holds_no_ticket(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser is given a file that only its user reads, and that leads to the link."""
    given: list[str] = []

    def opened(address: str) -> bool:
        given.append(address)
        return True

    monkeypatch.setattr("webbrowser.open", opened)
    monkeypatch.setenv("BROWSER", "some-browser")
    link = sign_in_link(server(home, AUTH))
    assert open_in_browser(link)
    (address,) = given
    assert re.fullmatch(r"file:///\S+/meta-prefect/server/open\.html", address)
    file = Path(httpx.URL(address).path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert link in file.read_text()


def test_without_a_screen_nothing_is_opened(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no browser could show anything, none is started and no ticket is written down."""
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert not open_in_browser("http://127.0.0.1:4200")
    assert not (home / "meta-prefect" / "server" / "open.html").exists()


def test_there_must_be_a_server(home: Path) -> None:
    """Without a running server there is nothing to open, and the error says what starts one."""
    with pytest.raises(ProcessError, match=r"no Prefect server runs .*\n  `meta-prefect deploy` starts it"):
        running_server()
