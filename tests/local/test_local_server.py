"""The background server of the embedded default, really started."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from homes import worker_of_before
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from meta_prefect.errors import ProcessError
from meta_prefect.local.ports import choose_port
from meta_prefect.local.process import ProcessRecord, is_alive, state_folder, write_record
from meta_prefect.local.server import (
    LocalServer,
    ensure_server,
    server_environment,
    server_status,
    stop_server,
)
from meta_prefect.local.worker import worker_name

Until = Callable[[Callable[[], Any]], Any]
FOREIGN = {"Origin": "http://evil.example", "Referer": "http://evil.example/page"}
STEP = '{"name": "planted", "flow_id": "%s", "pull_steps": [{"prefect.deployments.steps.run_shell_script": {"script": "id"}}]}'


def token(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """Ask for a CSRF token as the client ``test``."""
    return httpx.get(f"{url}/csrf-token", params={"client": "test"}, headers=headers)


def deployments(url: str) -> int:
    """Count the deployments, as a client that has a token."""
    headers = {"Prefect-Csrf-Client": "test", "Prefect-Csrf-Token": token(url).json()["token"]}
    return httpx.post(f"{url}/deployments/count", headers=headers, json={}).raise_for_status().json()


def test_two_at_the_same_moment_start_one(raced: tuple[Path, list[LocalServer]], server: LocalServer) -> None:
    """Of two processes that ask at the same moment one starts the server, and the other waits and reuses it."""
    outcomes = raced[1]
    assert sorted(outcome.started for outcome in outcomes) == [False, True]
    assert {outcome.record.pid for outcome in outcomes} == {server.record.pid}
    assert {outcome.url for outcome in outcomes} == {server.url}
    assert all(outcome.healthy for outcome in outcomes)


def test_a_running_server_is_reused(server: LocalServer) -> None:
    """A later command finds the server that its predecessor left running."""
    again = ensure_server()
    assert not again.started
    assert again.record == server.record
    assert server_status() == again


def test_it_listens_on_loopback_alone(server: LocalServer) -> None:
    """No other machine can reach the server."""
    listening = [c for c in psutil.Process(server.record.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert [c.laddr.ip for c in listening] == ["127.0.0.1"]


def test_its_files_are_private(server: LocalServer) -> None:
    """State and log are readable by their owner alone."""
    for path in (server.record.log, state_folder("server") / "server.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_its_environment_is_clean(raced: tuple[Path, list[LocalServer]], server: LocalServer) -> None:
    """The server has the shell's environment less all Prefect settings, and its own data and address."""
    environment = psutil.Process(server.record.pid).environ()
    assert environment["ONLY_IN_THIS_SHELL"] == "kept"
    assert environment["PREFECT_HOME"] == str(raced[0])
    assert environment["PREFECT_API_URL"] == server.url
    assert not [name for name in environment if name.startswith(("META_PREFECT__", "PREFECT__"))]
    assert "PREFECT_SERVER_CORS_ALLOWED_ORIGINS" not in environment
    assert (raced[0] / "prefect.db").exists()


def test_the_ui_calls_this_server(server: LocalServer) -> None:
    """The UI is served, and is told this server's API and that it asks for CSRF tokens."""
    page = httpx.get(server.ui_url, headers={"Accept": "text/html"}, follow_redirects=True)
    assert page.is_success
    assert "<html" in page.text
    settings = httpx.get(f"{server.ui_url}/ui-settings").json()
    assert settings["api_url"] == server.url
    assert settings["csrf_enabled"] is True


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_another_origins_page_cannot_write(server: LocalServer, content_type: str | None) -> None:
    """A POST as a browser sends it from another origin's page creates nothing, whatever its content type."""
    headers = FOREIGN | ({"Content-Type": content_type} if content_type else {})
    before = deployments(server.url)
    flow = httpx.post(f"{server.url}/flows/", headers=headers, content='{"name": "planted"}')
    assert flow.status_code == 403
    content = STEP % "00000000-0000-0000-0000-000000000000"
    assert httpx.post(f"{server.url}/deployments/", headers=headers, content=content).status_code == 403
    assert deployments(server.url) == before


def test_another_origins_page_reads_nothing(server: LocalServer) -> None:
    """Another origin's page gets no answer at all; the server's own pages, under either of its names, do."""
    own = [server.ui_url, server.ui_url.replace("127.0.0.1", "localhost")]
    allowed = {one: token(server.url, {"Origin": one}).headers.get("access-control-allow-origin") for one in own}
    assert allowed == {own[0]: own[0], own[1]: own[1]}
    assert token(server.url, FOREIGN).status_code == 403
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "prefect-csrf-token"}
    assert httpx.options(f"{server.url}/flows/", headers=FOREIGN | preflight).status_code == 403


def test_a_name_that_resolves_to_loopback_is_no_way_in(server: LocalServer) -> None:
    """A page whose own host name leads to 127.0.0.1 (DNS rebinding) gets no token, and so cannot write either."""
    port = server.url.split(":")[2].removesuffix("/api")
    rebound = {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"}
    assert token(server.url, rebound).status_code == 403
    assert token(server.url, {"Host": f"evil.example:{port}"}).status_code == 403


@pytest.mark.parametrize("socket", ["events/in", "events/out", "logs/out"])
def test_another_origins_page_opens_no_web_socket(server: LocalServer, socket: str) -> None:
    """Web sockets, which no CORS rule covers, are refused to pages of other origins."""
    address = f"{server.url.replace('http', 'ws')}/{socket}"
    with pytest.raises(InvalidStatus, match="403"), connect(address, origin=Origin(FOREIGN["Origin"])):
        pass


def test_prefects_own_client_can_write(server: LocalServer) -> None:
    """Prefect's client gets itself a token: for a user nothing is different."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as client:
        assert client.create_flow_from_name("written-by-the-client")


def test_auth_is_not_pretended(server: LocalServer) -> None:
    """A server that runs without an auth string is not handed out as one that has it."""
    with pytest.raises(ProcessError, match="runs without an API auth string\n  Stop it"):
        ensure_server(auth=True)
    assert is_alive(server.record)


def test_a_server_comes_back_as_it_was(home_with_database: Path) -> None:
    """After a restart the server has the same address and auth string; it stops when asked, and its workers before it."""
    gone = {"port": str(choose_port(home_with_database, None)), "auth_string": "user:secret-word"}
    log = state_folder("server") / "server.log"
    record = ProcessRecord(pid=os.getpid(), start_time=1.0, command=("gone",), log=log, extra=gone)
    write_record(state_folder("server") / "server.json", record)
    server = ensure_server()
    assert server.started
    assert (server.url, server.auth_string) == (f"http://127.0.0.1:{gone['port']}/api", gone["auth_string"])
    assert token(server.url).status_code == 401
    assert httpx.post(f"{server.url}/flows/", json={"name": "planted"}).status_code in {401, 403}
    assert httpx.get(f"{server.url}/csrf-token?client=test", auth=("user", "secret-word")).is_success
    assert "secret-word" not in repr(server) + log.read_text()
    workers = {url: worker_of_before(url) for url in (server.url, "http://127.0.0.1:9/api")}
    stopped = stop_server()
    assert stopped is not None
    assert not stopped.alive
    assert stopped.stopped_workers == (worker_name("of-before"),)
    assert [is_alive(worker) for worker in workers.values()] == [False, True]
    assert stop_server() is None


@pytest.mark.faults
def test_a_killed_server_is_started_again(home_with_database: Path) -> None:
    """After kill -9 the server is seen to be dead, and the next command starts it at the same address."""
    first = ensure_server(auth=True)
    psutil.Process(first.record.pid).kill()
    second = ensure_server()
    assert second.started
    assert (second.url, second.auth_string) == (first.url, first.auth_string)
    assert second.record.pid != first.record.pid


def test_a_server_that_cannot_start_fails_at_once(home: Path) -> None:
    """A server that ends at once is an error that shows the end of its log, long before the deadline, and no secret."""
    (home / "prefect.db").mkdir(parents=True)
    with pytest.raises(
        ProcessError, match=r"(?s)server\.log: the Prefect server .* ended before .*unable to open"
    ) as caught:
        ensure_server(auth=True)
    status = server_status()
    assert status is not None
    assert not status.alive
    assert status.auth_string is not None
    assert re.fullmatch(r"meta-prefect:[\w-]{32}", status.auth_string)
    assert status.auth_string not in f"{caught.value}{status!r}{status.record.log.read_text()}"


def test_no_server_yet(home: Path) -> None:
    """Before the first start there is none to describe and none to stop."""
    assert server_status() is None
    assert stop_server() is None


def test_a_stale_record_starts_nothing_of_its_own(home: Path) -> None:
    """A record whose process is gone is described as dead, with the address that it will have again."""
    record = ProcessRecord(pid=1, start_time=1.0, command=("gone",), log=home / "log", extra={"port": "4321"})
    write_record(state_folder("server") / "server.json", record)
    status = server_status()
    assert status is not None
    assert (status.url, status.alive, status.healthy) == ("http://127.0.0.1:4321/api", False, False)


def test_the_port_stays_while_it_is_free(tmp_path: Path) -> None:
    """The remembered port is taken again; one that somebody else holds is not; each home has a second choice of its own."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        second_choice = choose_port(tmp_path, taken)
        assert second_choice != taken
        assert choose_port(tmp_path, taken) == second_choice
    assert choose_port(tmp_path, taken) == taken


def test_the_servers_settings_are_ours_alone(tmp_path: Path) -> None:
    """No setting of the shell reaches the server, under any of its names; with auth and a read-only install two more are set."""
    shell = {
        "PREFECT_API_CORS_ALLOWED_ORIGINS": "*",
        "PREFECT_API_KEY": "k",
        "PREFECT__SERVER_FINAL": "1",
        "PATH": "/bin",
    }
    plain = server_environment(shell, home=tmp_path, port=4200)
    assert not plain.keys() & (shell.keys() - {"PATH"})
    assert plain["PATH"] == "/bin"
    full = server_environment(shell, home=tmp_path, port=4200, auth_string="u:p", ui_folder=tmp_path / "ui")
    assert {name: full[name] for name in full.keys() - plain.keys()} == {
        "PREFECT_SERVER_API_AUTH_STRING": "u:p",
        "PREFECT_API_AUTH_STRING": "u:p",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(tmp_path / "ui"),
    }


def test_prefect_knows_every_setting_that_we_set(tmp_path: Path) -> None:
    """Each setting of the server has a name that this version of Prefect reads."""
    from prefect.settings.models.root import Settings

    def names(model: Any) -> set[str]:
        found: set[str] = set()
        for name, field in model.model_fields.items():
            inner = field.annotation
            if hasattr(inner, "model_fields"):
                found |= names(inner)
            found.add(f"{model.model_config['env_prefix']}{name}".upper())
        return found

    ours = server_environment({}, home=tmp_path, port=4200, auth_string="u:p", ui_folder=tmp_path)
    assert {name for name in ours if name.startswith("PREFECT_")} <= names(Settings)
