"""Stopping the server and workers of this host: what is cut off, and what is said of them afterwards."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from prefect import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.settings import PREFECT_SERVER_API_HOST, PREFECT_SERVER_API_PORT, temporary_settings

from meta_prefect.cli import app
from meta_prefect.cli.under_way import UnderWay, named, refuse_to_cut_off, under_way_on
from meta_prefect.errors import ProcessError
from meta_prefect.local.api import using_server
from meta_prefect.local.asked_settings import asked_port, asked_settings, unused_settings
from meta_prefect.local.endings import ending
from meta_prefect.local.in_use import in_use
from meta_prefect.local.ports import choose_port
from meta_prefect.local.process import ProcessRecord, is_alive, start_detached, state_folder, stop, write_record
from meta_prefect.local.server import LocalServer, ensure_server, server_status
from meta_prefect.local.worker import (
    _key,  # pyright: ignore[reportPrivateUsage]  # a process that stands for a worker has to be found as one
    host_id,
    stop_worker,
)

Until = Callable[[Callable[[], Any]], Any]
Said = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """What has been printed since the last time."""

    def read() -> str:
        out, err = capsys.readouterr()
        return out + err

    return read


def a_worker(pool: str) -> ProcessRecord:
    """A process that is remembered as this host's worker for a pool."""
    folder = state_folder("workers")
    extra = {"name": f"{pool}@here", "pool": pool, "api_url": "http://127.0.0.1:9/api", "host": host_id()}
    record = start_detached(
        [sys.executable, "-c", "import time; time.sleep(300)"],
        env={},
        cwd=folder,
        log=folder / f"{pool}.log",
        extra=extra,
    )
    write_record(folder / f"{_key(pool, extra['api_url'])}.json", record)
    return record


def killed(record: ProcessRecord, until: Until) -> None:
    """End a process without asking it."""
    psutil.Process(record.pid).kill()
    until(lambda: not is_alive(record))


def test_how_a_process_ended_is_known(tmp_path: Path, until: Until) -> None:
    """Stopped on purpose, ended by itself, and ended with the machine are three things; a later process is a new one."""
    sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
    first, second = (start_detached(sleep, env={}, cwd=tmp_path, log=tmp_path / "log") for _ in range(2))
    assert stop(first, 10)
    assert ending(first) == "stopped"
    killed(second, until)
    assert ending(second) == "died"
    assert ending(second.model_copy(update={"start_time": psutil.boot_time() - 60})) == "shut down"


def test_worker_status_tells_stopped_from_died(home: Path, said: Said, until: Until) -> None:
    """A worker that was stopped is no failure beside one that runs; one that ended by itself is, and its log is named."""
    one, other = a_worker("one"), a_worker("other")
    assert app.worker_status() == 0
    assert said().count(" runs (process ") == 2
    assert app.worker_stop("other") == 0
    assert said() == "stopped: other@here\n"
    assert app.worker_status() == 0
    assert "other@here was stopped (http://127.0.0.1:9/api)\n" in said()
    killed(one, until)
    assert app.worker_status() == 1
    assert f"one@here died (http://127.0.0.1:9/api, log {one.log})\n" in said()
    assert stop_worker() == ()
    assert not is_alive(other)


def as_json(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a program reads: nothing but an object on standard output."""
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_a_program_reads_what_became_of_workers(home: Path, capsys: pytest.CaptureFixture[str], until: Until) -> None:
    """The states of workers are results: they stand on standard output, as an object where that is asked for."""
    assert app.worker_status(output="json") == 1
    assert as_json(capsys) == {"workers": []}
    one, other = a_worker("one"), a_worker("other")
    killed(one, until)
    assert app.worker_status() == 1
    out, err = capsys.readouterr()
    assert ("one@here died" in out, err) == (True, "")
    assert app.worker_status(output="json") == 1
    common = {"api_url": "http://127.0.0.1:9/api"}
    assert as_json(capsys)["workers"] == [
        {
            **common,
            "name": "one@here",
            "pool": "one",
            "running": False,
            "pid": None,
            "log": str(one.log),
            "ended": "died",
        },
        {
            **common,
            "name": "other@here",
            "pool": "other",
            "running": True,
            "pid": other.pid,
            "log": str(other.log),
            "ended": None,
        },
    ]
    assert app.worker_stop(output="json") == 0
    assert as_json(capsys) == {"stopped": ["other@here"]}


def test_a_program_reads_that_there_is_no_server(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has the keys of one that there is, so that a program need not ask for each."""
    assert app.server_status(output="json") == 1
    told = as_json(capsys)
    assert (told.pop("running"), told.pop("healthy"), told.pop("workers_left")) == (False, False, [])
    assert told == dict.fromkeys(("url", "ui_url", "pid", "log", "ended", "database"))
    assert app.server_stop(output="json") == 0
    assert as_json(capsys) == {"stopped": None, "workers": []}
    assert app.server_status() == 1
    assert capsys.readouterr() == ("No Prefect server runs in the background on this host.\n", "")


def test_a_program_reads_where_the_server_is(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Its address and process, without what opens it."""
    assert app.server_status(output="json") == 0
    told = as_json(capsys)
    assert (told["running"], told["healthy"], told["ended"]) == (True, True, None)
    assert (told["url"], told["ui_url"], told["pid"]) == (server.url, server.ui_url, server.record.pid)


@pytest.fixture
def asked() -> int:
    """A port that somebody asks for."""
    return choose_port(Path("/somewhere"), None, asked=4300)


async def delete_run(run_id: UUID, server: LocalServer) -> None:
    """Delete a run again."""
    with using_server(server):
        async with get_client() as client:
            await client.delete_flow_run(run_id)


async def a_run(flow_name: str, run_name: str, server: LocalServer) -> UUID:
    """Make a run that is under way on a server."""
    with using_server(server):
        async with get_client() as client:
            flow_id = await client.create_flow_from_name(flow_name)
            answer = await client._client.post(  # pyright: ignore[reportPrivateUsage]  # Prefect takes Flow objects only
                "/flow_runs/", json={"flow_id": str(flow_id), "name": run_name}
            )
            run_id = UUID(answer.raise_for_status().json()["id"])
            await client.set_flow_run_state(run_id, State[None](type=StateType.RUNNING), force=True)
            return run_id


@pytest.mark.faults
def test_a_deploy_is_not_cut_off_unless_that_is_forced(home_with_database: Path, said: Said, asked: int) -> None:
    """A server takes the port that it is asked for, stops under a deploy only if that is forced, and names what it ends."""
    with temporary_settings({PREFECT_SERVER_API_PORT: asked}):
        server = ensure_server()
        assert asked_port() == asked
    assert server.url == f"http://127.0.0.1:{asked}/api"
    asyncio.run(a_run("deploy-project", "deploy sales to prod", server))
    asyncio.run(a_run("etl", "brave-otter", server))

    def command(*arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            app.main(["server", *arguments])
        return int(str(ended.value.code))

    assert command("stop") == 1
    assert "error: a deploy is under way on this server: deploy sales to prod\n" in said()
    assert is_alive(server.record)
    assert command("stop", "--force") == 0
    assert said() == f"stopped: {server.ui_url}\nnote: still under way: deploy sales to prod, brave-otter\n"
    assert command("status") == 1
    assert said().startswith(f"The Prefect server was stopped ({server.ui_url}).\n")
    status = server_status()
    assert status is not None
    assert not status.alive


def test_a_server_knows_what_is_under_way(server: LocalServer) -> None:
    """Runs of the deployer are told from runs of the user's flows; a stop is refused because of the first alone."""
    assert under_way_on(server) == UnderWay()
    runs = [asyncio.run(a_run("deploy-project", "deploy sales to prod", server))]
    runs.append(asyncio.run(a_run("etl", "brave-otter", server)))
    try:
        found = under_way_on(server)
    finally:
        for run in runs:
            asyncio.run(delete_run(run, server))
    assert found == UnderWay(deploys=("deploy sales to prod",), others=("brave-otter",))
    with pytest.raises(
        ProcessError, match="a deploy is under way on this server: deploy sales to prod\n  Wait for it; or"
    ):
        refuse_to_cut_off(found)
    refuse_to_cut_off(UnderWay(others=found.others))
    with in_use():
        busy = under_way_on(server)
    with pytest.raises(ProcessError, match="under way on this server: a command of this host has just begun one\n"):
        refuse_to_cut_off(busy)
    assert under_way_on(server) == UnderWay()
    assert named(tuple("abcdefghijkl")) == "a, b, c, d, e, f, g, h, i, j and 2 more"


NOT_USED: dict[str, tuple[dict[str, str], list[str]]] = {
    "nothing": ({}, []),
    "the port that it has": ({"PREFECT_SERVER_API_PORT": "4200"}, []),
    "clients": ({"PREFECT_SERVER_EPHEMERAL_ENABLED": "True"}, []),
    "what it does anyway": ({"PREFECT_SERVER_ANALYTICS_ENABLED": "False", "PREFECT_SERVER_API_HOST": "127.0.0.1"}, []),
    "another port": (
        {"PREFECT_SERVER_API_PORT": "4399"},
        ["PREFECT_SERVER_API_PORT=4399 is not used: the server keeps the address that it had before (4200)"],
    ),
    "another host": (
        {"PREFECT_SERVER_API_HOST": "0.0.0.0"},  # noqa: S104
        ["PREFECT_SERVER_API_HOST=0.0.0.0 is not used: the server listens on 127.0.0.1 alone"],
    ),
    "secrets": (
        {"PREFECT_SERVER_DATABASE_PASSWORD": "hunter2", "PREFECT_SERVER_API_BASE_PATH": "/x"},
        [
            "not used by the server on this host, which has settings of its own: "
            "PREFECT_SERVER_API_BASE_PATH, PREFECT_SERVER_DATABASE_PASSWORD. "
            "To use them, start a server with `meta-prefect server start` and point PREFECT_API_URL at it."
        ],
    ),
}


@pytest.mark.parametrize(("made", "expected"), NOT_USED.values(), ids=NOT_USED)
def test_settings_that_are_not_used_are_named(made: dict[str, str], expected: list[str]) -> None:
    """What somebody has set for a server and this one does not use is said, never with a value that may be a secret."""
    ours = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    assert unused_settings(made, ours, 4200, started=True) == expected


def test_a_port_that_is_taken_is_said_to_be(asked: int) -> None:
    """Where somebody else has the port that was asked for, another one is taken, and that is the reason."""
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", asked))
        other.listen()
        assert choose_port(Path("/somewhere"), None, asked) != asked
        made = {"PREFECT_SERVER_API_PORT": str(asked)}
        (told,) = unused_settings(made, {}, 4200, started=False)
    assert told == f"PREFECT_SERVER_API_PORT={asked} is not used: that port is taken (4200)"


def test_settings_are_found_wherever_they_are_made() -> None:
    """Settings of a server count, however they are made; those of clients do not."""
    with temporary_settings({PREFECT_SERVER_API_HOST: "0.0.0.0"}):  # noqa: S104
        assert asked_settings()["PREFECT_SERVER_API_HOST"] == "0.0.0.0"  # noqa: S104
    assert "PREFECT_API_URL" not in asked_settings()
