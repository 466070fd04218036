"""Start, end and move of the background server: no second one on a database, no worker without its server."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from homes import is_online, make_pool, worker_of_before

from meta_prefect.errors import ProcessError
from meta_prefect.local import lifeline
from meta_prefect.local.files import cannot_write
from meta_prefect.local.machine import this_machine
from meta_prefect.local.process import ProcessRecord, is_alive, start_detached, state_folder, stop, write_record
from meta_prefect.local.server import LocalServer, ensure_server, server_status, stop_server
from meta_prefect.local.server_record import ServerRecord, lifeline_file, server_file
from meta_prefect.local.worker import ensure_worker_process, host_id, worker_log, worker_name, worker_status

Until = Callable[[Callable[[], Any]], Any]
HOLD = (
    "import sys, pathlib; from meta_prefect.local.lifeline import *; print(hold(pathlib.Path(sys.argv[1])), flush=True)"
)
WATCH = """
import subprocess, sys
from pathlib import Path
from meta_prefect.local.guarded_worker import end_with_the_server
run = subprocess.Popen(["sleep", "100"], start_new_session=True)
print(run.pid, flush=True)
end_with_the_server(Path(sys.argv[1]))
"""


@contextmanager
def holder(path: Path) -> Generator[psutil.Process]:
    """A process that holds a lifeline."""
    command = [sys.executable, "-c", f"{HOLD}; sys.stdin.read()", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield psutil.Process(process.pid)
        process.kill()


def test_a_lifeline_is_held_for_a_life(tmp_path: Path) -> None:
    """A lifeline is held by one process at a time, and free as soon as that has been killed."""
    path = tmp_path / "running.lock"
    assert not lifeline.is_held(path)
    with holder(path) as process:
        assert lifeline.is_held(path)
        second = subprocess.run([sys.executable, "-c", HOLD, str(path)], capture_output=True, text=True, check=True)
        assert second.stdout == "False\n"
        process.kill()
        lifeline.wait_for_its_end(path)
        assert not lifeline.is_held(path)
    with holder(path):
        assert lifeline.is_held(path)


def test_a_worker_and_its_runs_end_with_the_server(tmp_path: Path, until: Until) -> None:
    """Once the server is killed, the worker that watches it and what it has started are killed too, and its log says why."""
    path = tmp_path / "running.lock"
    with holder(path) as server:
        log = tmp_path / "log"
        worker = start_detached([sys.executable, "-c", WATCH, str(path)], env=dict(os.environ), cwd=tmp_path, log=log)
        run = psutil.Process(int(until(lambda: log.read_text().strip())))
        assert is_alive(worker)
        server.kill()
        until(lambda: not is_alive(worker))
        until(lambda: not run.is_running() or run.status() == psutil.STATUS_ZOMBIE)
        assert log.read_text().endswith("The Prefect server has ended, and so does this worker.\n")


@pytest.mark.faults
def test_workers_end_with_their_server(home_with_database: Path, until: Until) -> None:
    """`server stop` stops the server's workers first and names them, and leaves others; a killed server takes its own along."""
    server = ensure_server()
    api = {"PREFECT_API_URL": server.url, "PREFECT_API_AUTH_STRING": server.auth_string or ""}
    pool = make_pool(server, "ending")
    first = ensure_worker_process(pool, api_environment=api)
    other = ensure_worker_process("elsewhere", api_environment={"PREFECT_API_URL": "http://127.0.0.1:9/api"})
    until(lambda: is_online(server, pool))

    stopped = stop_server()

    assert stopped is not None
    assert stopped.stopped_workers == (first.name,)
    assert not is_alive(first.record)
    assert is_alive(other.record)

    again = ensure_server()
    second = ensure_worker_process(pool, api_environment=api)
    until(lambda: "started" in worker_log(pool).lower())
    psutil.Process(again.record.pid).kill()
    until(lambda: not is_alive(second.record))
    assert "The Prefect server has ended" in worker_log(pool)
    assert is_alive(other.record)


def test_a_server_that_moves_leaves_no_worker_behind(home_with_database: Path, until: Until) -> None:
    """Where the former port is taken, the server starts at another one, says so, and stops the workers of the former first."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        former = f"http://127.0.0.1:{port}/api"
        gone = ServerRecord(pid=1, start_time=1.0, command=("gone",), log=Path("/log"), extra={"port": str(port)})
        write_record(server_file(), gone)
        old = worker_of_before(former)

        server = ensure_server()

    assert (server.started, server.former_url) == (True, former)
    assert server.url != former
    assert server.stopped_workers == (worker_name("of-before"),)
    assert not is_alive(old)
    assert server.auth_string is None


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EROFS, "Read-only file system")],
    ids=["a full disk", "read-only"],
)
def test_a_server_that_cannot_be_written_down_is_not_left_running(
    home: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """Where its record cannot be written, the server is ended again, and the error names the file and the reason."""
    started: list[ProcessRecord] = []

    def write(path: Path, record: ProcessRecord) -> None:
        started.append(record)
        raise cannot_write(path, error)

    monkeypatch.setattr("meta_prefect.local.server.write_record", write)
    with pytest.raises(ProcessError, match=rf"server\.json: cannot be written: {str(error.strerror).lower()}"):
        ensure_server()
    (record,) = started
    assert not is_alive(record)
    assert server_status() is None
    assert not lifeline.is_held(lifeline_file())


def test_a_worker_that_cannot_be_written_down_is_not_left_running(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a worker."""
    started: list[ProcessRecord] = []

    def write(path: Path, record: ProcessRecord) -> None:
        started.append(record)
        raise cannot_write(path, OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr("meta_prefect.local.worker.write_record", write)
    with pytest.raises(ProcessError, match=r"any-\w+\.json: cannot be written: no space left"):
        ensure_worker_process("any", api_environment={"PREFECT_API_URL": "http://127.0.0.1:9/api"})
    assert not is_alive(started[0])
    assert worker_status() == ()


@contextmanager
def forgotten(server: LocalServer) -> Generator[None]:
    """Take a server's record away for a while."""
    aside = server_file().rename(server_file().with_name("aside"))
    try:
        yield
    finally:
        aside.rename(server_file())


def test_a_forgotten_server_is_found_and_named(server: LocalServer) -> None:
    """A server whose record is gone is named with its process and port; no second one is started on its database."""
    port = server.record.port
    with forgotten(server):
        named = rf"prefect\.db: process {server.record.pid} \(.*\) on port {port} uses this database already"
        with pytest.raises(ProcessError, match=named):
            ensure_server()
        assert not server_file().exists()
    assert is_alive(server.record)


def test_a_forgotten_server_out_of_sight_is_found(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process with the database open can be seen, the lock that its server holds tells that there is one."""
    monkeypatch.setattr("meta_prefect.local.server.server_on", lambda _: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with forgotten(server), pytest.raises(ProcessError, match="in another container or on another machine, uses this"):
        ensure_server()


ELSEWHERE = """
import json, sys
from meta_prefect.errors import ProcessError
from meta_prefect.local.server import ensure_server, server_status, stop_server
def said(act):
    try:
        return act()
    except ProcessError as error:
        return str(error)
status = server_status()
found, stopped = said(ensure_server), said(stop_server)
pid = found if isinstance(found, str) else found.record.pid
print(json.dumps([status.alive, status.healthy, pid, stopped]))
"""


def elsewhere(home: Path, *more: str) -> list[Any]:
    """Ask for the server of a home from a PID namespace of its own, as from a container."""
    unshare = [
        shutil.which("unshare") or "unshare",
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
        *more,
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [*unshare, sys.executable, "-c", ELSEWHERE],
        env=environment | {"PREFECT_HOME": str(home)}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr:
        pytest.skip(f"no namespaces can be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("which", ["secured", "server"])
def test_a_server_is_found_from_another_pid_namespace(request: pytest.FixtureRequest, which: str) -> None:
    """In a container that shares network and home the server is seen to live and used; it is stopped only where it runs."""
    server: LocalServer = request.getfixturevalue(which)
    alive, healthy, pid, stopped = elsewhere(server.record.log.parents[2])
    assert (alive, healthy, pid) == (True, True, server.record.pid)
    assert "runs in another container or on another machine, and cannot be stopped from here" in stopped
    assert is_alive(server.record)


def test_a_server_out_of_reach_is_not_doubled(secured: LocalServer) -> None:
    """In a container with a network of its own the server is known to live, and no second one is started on its database."""
    alive, healthy, said, _ = elsewhere(secured.record.log.parents[2], "--net")
    assert (alive, healthy) == (True, False)
    assert "runs in another container or on another machine, and does not answer here" in said


def test_an_impostor_is_sent_no_auth_string(home: Path) -> None:
    """What listens where a server out of sight should, and cannot prove to be it, is sent a challenge and nothing else."""
    with socket.socket() as impostor, holder(lifeline_file()):
        impostor.bind(("127.0.0.1", 0))
        impostor.listen()
        far = this_machine().model_copy(update={"pid_namespace": "pid:[1]"})
        extra = {"port": str(impostor.getsockname()[1]), "auth_string": "user:secret-word"}
        record = ServerRecord(
            pid=os.getpid(), start_time=1.0, command=("far",), log=home / "log", extra=extra, machine=far
        )
        write_record(server_file(), record)
        status = server_status()
        received = impostor.accept()[0].recv(4096).decode()
    assert status is not None
    assert (status.alive, status.healthy) == (True, False)
    assert received.startswith("GET /meta-prefect/identity?challenge=")
    assert "authorization" not in received.lower()


def test_a_process_of_elsewhere_is_never_ours(home: Path) -> None:
    """A record of another machine, boot or namespace means no process here, whatever its pid and start time."""
    mine = psutil.Process()
    for change in ({"machine": "another"}, {"boot": "another"}, {"pid_namespace": "pid:[1]"}):
        far = this_machine().model_copy(update=change)
        record = ProcessRecord(
            pid=mine.pid, start_time=mine.create_time(), command=("x",), log=home / "log", machine=far
        )
        assert not is_alive(record)
        assert not stop(record, timeout=1)


@pytest.mark.parametrize("missing", ["name", "pool", "api_url", "host"])
def test_an_unsound_worker_record_is_named(home: Path, missing: str) -> None:
    """A file that means no worker is an error that names it and what it lacks."""
    extra = {"name": "n", "pool": "p", "api_url": "u", "host": host_id()}
    del extra[missing]
    file = state_folder("workers") / "p.json"
    write_record(file, ProcessRecord(pid=7, start_time=1.0, command=("x",), log=home / "log", extra=extra))
    with pytest.raises(ProcessError, match=rf"p\.json: .*extra: no {missing}\)\n  Delete it"):
        worker_status()
    file.unlink()
