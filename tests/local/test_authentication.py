"""Whether the background server asks for authentication, and what its users are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from meta_prefect.errors import ProcessError
from meta_prefect.local.api import NO_AUTHENTICATION, writing_api
from meta_prefect.local.process import write_privately
from meta_prefect.local.server import LocalServer, choose_auth_string, ensure_server, server_status
from meta_prefect.local.server_record import ServerRecord, server_file

OLD = "meta-prefect:of-before"


def record(auth_string: str | None) -> ServerRecord:
    """A server of before."""
    extra = {"port": "4200"} | ({"auth_string": auth_string} if auth_string else {})
    return ServerRecord(pid=1, start_time=1.0, command=("gone",), log=Path("/log"), extra=extra)


@pytest.mark.parametrize(
    ("previous", "asked", "chosen"),
    [
        pytest.param(None, None, "new", id="a new server has authentication"),
        pytest.param(None, True, "new", id="a new one that is asked for it"),
        pytest.param(None, False, None, id="a new one that is to have none"),
        pytest.param(record(OLD), None, OLD, id="one that has it keeps it"),
        pytest.param(record(OLD), True, OLD, id="and keeps it where it is asked for"),
        pytest.param(record(OLD), False, None, id="until it is turned off"),
        pytest.param(record(None), None, None, id="one without stays without"),
        pytest.param(record(None), False, None, id="and where that is asked for"),
        pytest.param(record(None), True, "new", id="until it is turned on"),
    ],
)
def test_what_a_server_asks_for(previous: ServerRecord | None, asked: bool | None, chosen: str | None) -> None:
    """A new server gets an auth string, one that exists stays as it was, and what is asked for counts."""
    auth_string = choose_auth_string(previous, asked)
    if chosen == "new":
        assert auth_string is not None
        assert auth_string not in (OLD, choose_auth_string(previous, asked))
    else:
        assert auth_string == chosen


def test_a_server_asks_for_authentication_by_default(secured: LocalServer) -> None:
    """Without the auth string the server of a first start tells and does nothing; with it, everything."""
    assert secured.auth_string is not None
    user, _, password = secured.auth_string.partition(":")
    path = f"{secured.url}/csrf-token?client=test"
    assert httpx.get(path).status_code == 401
    assert httpx.get(path, auth=(user, "guessed")).status_code == 401
    assert httpx.get(path, auth=(user, password)).is_success
    assert server_status() == secured.model_copy(update={"started": False})


def test_a_running_server_does_not_lose_its_authentication(secured: LocalServer) -> None:
    """A running server is not handed out as one without, and the error says which two commands turn it off."""
    with pytest.raises(ProcessError, match=r"runs with an API .*\n.*`meta-prefect server stop`, `.* deploy --no-auth`"):
        ensure_server(auth=False)


@pytest.mark.parametrize(("which", "warned"), [("secured", False), ("server", True)], ids=["with", "without"])
def test_a_server_without_authentication_is_named_each_time(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, which: str, warned: bool
) -> None:
    """Who deploys to a server without authentication is told once what is open to whom, and what turns it on."""
    server: LocalServer = request.getfixturevalue(which)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    said: list[str] = []
    with writing_api(local=True, say=said.append) as url:
        assert url == server.url
    assert said.count(NO_AUTHENTICATION) == warned
    assert said[0] == f"Prefect server on this host (runs already): {server.ui_url}"
    assert server.auth_string is None or server.auth_string not in " ".join(said)


def test_a_server_of_before_keeps_working(server: LocalServer) -> None:
    """The state file of an earlier version is read, and its server is found, as it was: without authentication."""
    before = server_file().read_text()
    old = server.record.model_dump_json(exclude={"machine"})
    write_privately(server_file(), old)
    try:
        found = ensure_server()
    finally:
        write_privately(server_file(), before)
    assert (found.started, found.healthy, found.auth_string) == (False, True, None)
    assert found.record.pid == server.record.pid


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"pid": -1}, "pid: Input should be greater than 0", id="a negative pid"),
        pytest.param({"pid": 0}, "pid: Input should be greater than 0", id="no process"),
        pytest.param({"start_time": float("nan")}, "start_time", id="no time"),
        pytest.param({"extra": {}}, "extra: no valid port", id="no port"),
        pytest.param({"extra": {"port": "http"}}, "extra: no valid port", id="a port that is no number"),
        pytest.param({"extra": {"port": "70000"}}, "extra: no valid port", id="no such port"),
        pytest.param({"extra": {"auth_string": "u:secret"}}, "extra: no valid port", id="with a secret"),
        pytest.param({"machine": {"machine": 7}}, "machine: machine", id="an unknown place"),
        pytest.param(None, "JSON", id="no JSON"),
    ],
)
def test_an_unsound_state_file_is_named(home: Path, change: dict[str, Any] | None, reason: str) -> None:
    """A state file that means no server is an error that names it, says what is wrong and what to do, and shows no secret."""
    if change is None:
        write_privately(server_file(), "\x00 not JSON")
    else:
        write_privately(server_file(), record(None).model_copy(update=change).model_dump_json(warnings=False))
    for act in (server_status, ensure_server):
        with pytest.raises(ProcessError, match=rf"server\.json: .*{reason}.*\n  Delete it") as caught:
            act()
        assert "secret" not in str(caught.value)
    server_file().unlink()
