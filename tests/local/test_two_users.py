"""Two users of one host: what the other one can read, send and run, while the server runs and once it has ended.

Run by root, who is the owner here; the other one is ``nobody``.
"""

from __future__ import annotations

import os
import pwd
import socket
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from homes import copy_database, is_online, make_pool, prefect_home
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from meta_prefect.local.opening import sign_in_link
from meta_prefect.local.ports import is_free
from meta_prefect.local.process import is_alive
from meta_prefect.local.profile import point_profile_at
from meta_prefect.local.server import LocalServer, ensure_server, stop_server
from meta_prefect.local.sign_in import IDENTITY_PATH, PATH, make_ticket
from meta_prefect.local.worker import WorkerProcess, ensure_worker_process, stop_worker

pytestmark = [pytest.mark.faults, pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")]
Until = Callable[[Callable[[], Any]], Any]


@dataclass(frozen=True)
class Host:
    """What the owner has running.

    Attributes:
        home: The owner's PREFECT_HOME.
        server: The owner's server.
        worker: The owner's worker.
    """

    home: Path
    server: LocalServer
    worker: WorkerProcess


@contextmanager
def as_the_other_one() -> Generator[None]:
    """Be the other user for a while."""
    other, groups = pwd.getpwnam("nobody"), os.getgroups()
    os.setgroups([])
    os.setresgid(other.pw_gid, other.pw_gid, 0)
    os.setresuid(other.pw_uid, other.pw_uid, 0)  # root is kept aside alone
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)


@pytest.fixture(scope="module", params=[True, False], ids=["with authentication", "without"])
def host(request: pytest.FixtureRequest, raced: tuple[Path, list[LocalServer]]) -> Generator[Host]:
    """A server and a worker in a home that was readable by all, as an earlier version left it, in a folder for all."""
    with tempfile.TemporaryDirectory(prefix="meta-prefect-two-users-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        with prefect_home(home):
            copy_database(raced[0], home)
            home.chmod(0o755)
            (home / "prefect.db").chmod(0o644)
            server = ensure_server(auth=request.param)
            try:
                point_profile_at(server.url, server.auth_string)
                pool = make_pool(server, "two-users")
                api = {"PREFECT_API_URL": server.url, "PREFECT_API_AUTH_STRING": server.auth_string or ""}
                yield Host(home, server, ensure_worker_process(pool, api_environment=api))
            finally:
                stop_worker()
                stop_server()


@pytest.fixture(autouse=True)
def at_home(host: Host) -> Generator[None]:
    """The owner's home is Prefect's home."""
    with prefect_home(host.home):
        yield


@pytest.mark.parametrize(
    "name",
    [
        "prefect.db", "prefect.db-wal", "prefect.db-shm", "profiles.toml", "meta-prefect/server/server.json",
        "meta-prefect/server/server.log", "meta-prefect/server/running.lock", "workers/json", "workers/log",
    ],
)  # fmt: skip
def test_no_file_is_readable(host: Host, name: str) -> None:
    """The other one reads no database, log, record or profile, even with the folder's permissions out of the way."""
    kinds = {"workers/log": host.worker.record.log, "workers/json": host.worker.record.log.with_suffix(".json")}
    file = kinds.get(name, host.home / name)
    assert file.exists()
    with as_the_other_one(), pytest.raises(PermissionError):
        file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


def test_no_folder_is_entered_and_no_process_looked_into(host: Host) -> None:
    """The other one lists nothing, sees no environment (the auth string is in it) and ends no process."""
    for process in (host.server.record, host.worker.record):
        assert host.server.auth_string is None or host.server.auth_string not in " ".join(process.command)
        with as_the_other_one(), pytest.raises(PermissionError):
            Path(f"/proc/{process.pid}/environ").read_bytes()
        with as_the_other_one(), pytest.raises(PermissionError):
            os.kill(process.pid, 0)
    with as_the_other_one(), pytest.raises(PermissionError):
        list(host.home.iterdir())


def send(host: Host, method: str, path: str, body: Any = None) -> int:
    """Send a request as the other one would: with a CSRF token, if one is to be had."""
    with as_the_other_one():
        answer = httpx.get(f"{host.server.url}/csrf-token", params={"client": "other"})
        token = answer.json()["token"] if answer.is_success else "none"
        headers = {"Prefect-Csrf-Client": "other", "Prefect-Csrf-Token": token}
        return httpx.request(method, f"{host.server.ui_url}{path}", headers=headers, json=body).status_code


@pytest.mark.parametrize(
    ("method", "path", "body", "without"),
    [
        pytest.param("GET", "/api/csrf-token?client=other", None, 200, id="get a token"),
        pytest.param("GET", "/api/admin/settings", None, 200, id="read the server's settings"),
        pytest.param("POST", "/api/deployments/filter", {}, 200, id="read deployments"),
        pytest.param("POST", "/api/logs/filter", {}, 200, id="read logs"),
        pytest.param("POST", "/api/block_documents/filter", {"include_secrets": True}, 200, id="read secrets"),
        pytest.param("POST", "/api/variables/", {"name": "planted", "value": 1}, 201, id="write a variable"),
        pytest.param("POST", "/api/flows/", {"name": "planted"}, 201, id="write a flow"),
        pytest.param("POST", "/api/work_pools/two-users/get_scheduled_flow_runs", {}, 200, id="take the worker's work"),
        pytest.param("PATCH", "/api/work_pools/two-users", {"description": "planted"}, 204, id="change a command"),
    ],
)
def test_nothing_is_read_or_run_through_the_server(host: Host, method: str, path: str, body: Any, without: int) -> None:
    """With authentication the other one is refused everything; without it, all of this is open."""
    status = send(host, method, path, body)
    # who gets no token is refused for that
    assert status in {401, 403} if host.server.auth_string else status == without


@pytest.mark.parametrize("name", ["events/in", "events/out", "logs/out"])
def test_nothing_comes_over_web_sockets(host: Host, name: str) -> None:
    """With authentication no web socket lets the other one in; without, it does."""
    address = f"{host.server.url.replace('http', 'ws')}/{name}"
    with as_the_other_one(), connect(address, subprotocols=[Subprotocol("prefect")]) as opened:
        opened.send('{"type": "auth", "token": "guessed"}')
        with pytest.raises(ConnectionClosed, match="1008") if host.server.auth_string else nullcontext():
            assert "auth_success" in str(opened.recv(timeout=30))


def test_no_ticket_is_to_be_had(host: Host) -> None:
    """The door gives the other one nothing; where there is no authentication there is no door."""
    if host.server.auth_string is None:
        assert sign_in_link(host.server) == host.server.ui_url
        return
    proof = httpx.get(f"{host.server.ui_url}{IDENTITY_PATH}", params={"challenge": "~"}).text
    for ticket in ("", f"~{proof}", make_ticket("guessed", host.server.record.port)):
        with as_the_other_one():
            answer = httpx.post(f"{host.server.ui_url}{PATH}", content=ticket)
        assert (answer.status_code, host.server.auth_string in answer.text) == (403, False)


def test_what_anybody_may_see(host: Host) -> None:
    """That the server lives, and the UI's own files, are open to anybody: they hold nothing of the owner's."""
    with as_the_other_one():
        assert httpx.get(f"{host.server.url}/health").text == "true"
        settings = httpx.get(f"{host.server.ui_url}/ui-settings").json()
    assert settings["auth"] == ("BASIC" if host.server.auth_string else None)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_nothing_is_sent_to_who_takes_the_port(host: Host, until: Until, end: str) -> None:
    """Whether the server was stopped or killed: its worker is gone, and the other one, at its port, is sent nothing."""
    server = ensure_server()
    api = {"PREFECT_API_URL": server.url, "PREFECT_API_AUTH_STRING": server.auth_string or ""}
    worker = ensure_worker_process(host.worker.pool, api_environment=api)
    until(lambda: is_online(server, worker.pool))

    if end == "stop":
        assert (stopped := stop_server()) is not None
        assert stopped.stopped_workers == (worker.name,)
    else:
        psutil.Process(server.record.pid).kill()
        until(lambda: not is_alive(server.record) and is_free(server.record.port))
    with as_the_other_one(), socket.create_server(("127.0.0.1", server.record.port)) as taken:
        taken.settimeout(3)
        with pytest.raises(TimeoutError):
            taken.accept()
    assert not is_alive(worker.record)
