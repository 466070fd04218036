"""Process workers of this host, really started."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, PREFECT_WORKER_QUERY_SECONDS, temporary_settings
from prefect.workers.process import ProcessWorker

from meta_prefect.errors import NoApiConfiguredError, ProcessError
from meta_prefect.local.process import is_alive
from meta_prefect.local.server import LocalServer
from meta_prefect.local.worker import (
    ensure_worker_process,
    host_id,
    local_pool_name,
    stop_worker,
    worker_environment,
    worker_log,
    worker_name,
    worker_status,
)

Until = Callable[[Callable[[], Any]], Any]
NOWHERE = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}


@pytest.fixture
def client(server: LocalServer) -> Generator[SyncPrefectClient]:
    """Prefect's client of the session's server."""
    with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as prefect_client:
        yield prefect_client


@pytest.fixture
def pool(client: SyncPrefectClient, server: LocalServer) -> Generator[str]:
    """A process work pool on the session's server; its workers are stopped after the test."""
    template = ProcessWorker.get_default_base_job_template()
    created = client.create_work_pool(WorkPoolCreate(name="tests", type="process", base_job_template=template))
    yield created.name
    stop_worker(created.name)
    client.delete_work_pool(created.name)


def test_one_worker_per_pool_that_is_replaced_when_dead(
    client: SyncPrefectClient, server: LocalServer, pool: str, until: Until
) -> None:
    """A worker is started once, is online under its name, is found alive, and is replaced after a crash; it stops when asked."""
    api = {"PREFECT_API_URL": server.url}
    first = ensure_worker_process(pool, api_environment=api)
    assert (first.started, first.name, first.pool) == (True, worker_name(pool), pool)
    until(lambda: [worker.name for worker in client.read_workers_for_work_pool(pool)] == [first.name])
    until(lambda: "started" in worker_log(pool).lower())
    process = psutil.Process(first.record.pid)
    assert process.cwd() == process.environ()["PREFECT_HOME"]
    assert process.environ()["PREFECT_API_URL"] == server.url
    assert process.environ()["PREFECT_WORKER_QUERY_SECONDS"] == "2"

    again = ensure_worker_process(pool, api_environment=api)
    assert (again.started, again.record) == (False, first.record)

    process.kill()
    until(lambda: not is_alive(first.record))
    assert [worker.alive for worker in worker_status()] == [False]
    second = ensure_worker_process(pool, api_environment=api)
    assert second.started
    assert second.name == first.name
    assert second.record.pid != first.record.pid

    assert [worker.record for worker in stop_worker(pool)] == [second.record]
    assert not is_alive(second.record)
    assert stop_worker() == ()


def test_another_apis_worker_is_another_worker(home: Path) -> None:
    """A worker of the same pool's name on another Prefect API is not mistaken for this one."""
    one = ensure_worker_process("shared", api_environment=NOWHERE)
    other = ensure_worker_process("shared", api_environment={"PREFECT_API_URL": "http://127.0.0.1:10/api"})
    assert one.started
    assert other.started
    assert one.record.pid != other.record.pid
    assert {worker.api_url for worker in worker_status()} == {one.api_url, other.api_url}
    stop_worker()
    assert [worker.alive for worker in worker_status()] == [False, False]


def test_a_password_makes_no_other_worker_and_is_kept_nowhere(home: Path, until: Until) -> None:
    """The address of one server is that with another user as well, and without any; its worker alone gets the password."""
    access = {"PREFECT_API_URL": "http://ada:hunter2X@127.0.0.1:9/api"}
    one = ensure_worker_process("shared", api_environment=access)
    again = ensure_worker_process("shared", api_environment=NOWHERE)
    assert one.started
    assert (again.started, again.record) == (False, one.record)
    assert one.api_url == NOWHERE["PREFECT_API_URL"]
    until(lambda: psutil.Process(one.record.pid).environ().get("PREFECT_API_URL") == access["PREFECT_API_URL"])
    stop_worker()
    assert not any(b"hunter2X" in file.read_bytes() for file in home.rglob("*.json"))


def test_a_worker_needs_an_api(home: Path) -> None:
    """Without an API's address no worker is started."""
    with pytest.raises(NoApiConfiguredError, match="needs a Prefect API"):
        ensure_worker_process("any", api_environment={})
    assert worker_status() == ()


@pytest.mark.parametrize("act", [stop_worker, worker_log], ids=["stop", "log"])
def test_an_unknown_pool_is_named(home: Path, act: Callable[[str], object]) -> None:
    """Asking for a pool for which no worker was started is an error that names it."""
    with pytest.raises(ProcessError, match="no worker was started on this host for the work pool 'etl'"):
        act("etl")


def test_names_are_stable_and_legal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names depend on host and user alone, not on the environment, and hold nothing that Prefect refuses."""
    names = (host_id(), local_pool_name(), worker_name("etl"))
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    assert (host_id(), local_pool_name(), worker_name("etl")) == names
    assert re.fullmatch("[0-9a-f]{8}", names[0])
    assert names[1] == f"local-process-work-pool-{names[0]}"
    assert names[2].startswith("etl@")
    assert names[2].endswith(names[0])
    assert not re.search(r"[/%&><\s]", worker_name("a/b & <c>%"))


@pytest.mark.parametrize(
    ("environ", "api", "expected"),
    [
        pytest.param(
            {
                "PATH": "/bin",
                "MY_TOKEN": "t",
                "META_PREFECT__ENV": "prod",
                "PREFECT_API_URL": "old",
                "PREFECT_PROFILE": "p",
            },
            {"PREFECT_API_URL": "new"},
            {"PATH": "/bin", "MY_TOKEN": "t", "PREFECT_API_URL": "new", "PREFECT_PROFILE": "p"},
            id="from a shell",
        ),
        pytest.param(
            {
                "PATH": "/bin",
                "MY_TOKEN": "t",
                "META_PREFECT__ENV": "prod",
                "PREFECT__FLOW_RUN_ID": "0190",
                "PREFECT_API_URL": "old",
            },
            {"PREFECT_API_URL": "new", "PREFECT_API_AUTH_STRING": "u:p"},
            {"PATH": "/bin", "PREFECT_API_URL": "new", "PREFECT_API_AUTH_STRING": "u:p"},
            id="from inside a flow run",
        ),
    ],
)
def test_a_workers_environment(environ: dict[str, str], api: dict[str, str], expected: dict[str, str]) -> None:
    """A worker has what outlives a run, the API's settings over it, its home, and a short interval between queries."""
    ours = {"PREFECT_HOME": "/home/u/.prefect", "PREFECT_WORKER_QUERY_SECONDS": "2"}
    environment = worker_environment(environ, api, home=Path("/home/u/.prefect"), query_seconds=2.0)
    assert environment == expected | ours


def test_the_users_query_interval_counts(home: Path) -> None:
    """Who has set the interval between queries himself keeps it."""
    with temporary_settings({PREFECT_WORKER_QUERY_SECONDS: 7.5}):
        worker = ensure_worker_process("slow", api_environment=NOWHERE)
    assert psutil.Process(worker.record.pid).environ()["PREFECT_WORKER_QUERY_SECONDS"] == "7.5"
