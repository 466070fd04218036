"""How commands end that do not come to their end: by Ctrl-C, by a reader that goes away, by a server that does not answer."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api

from meta_prefect.cli.ending import Journal

Cli = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-m", "meta_prefect.cli"]


@pytest.mark.parametrize("module", ["cyclopts", "meta_prefect.project.reading", "prefect.context"])
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_the_program_is_loaded(one_flow: Path, module: str) -> None:
    """Whatever is being imported at that moment, there is no traceback, and it is said that nothing was written."""
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", *COMMAND[1:], "plan", str(one_flow)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr as lines:
        loaded = next((line for line in lines if line.rpartition("|")[2].strip() == module), None)
        assert loaded is not None, f"it loads {module}"
        process.send_signal(signal.SIGINT)
        said = [line for line in lines if not line.startswith("import time:")]
    assert (process.wait(timeout=60), said) == (130, ["interrupted\n", "Nothing was written.\n"])


def test_what_was_written_is_said_by_result() -> None:
    """Names by what became of them, some of them where there are many, and what to type."""
    journal = Journal()
    assert journal.lines() == ["Nothing was written."]
    journal.plan(["etl/a", "etl/b", *(f"etl/n{number}" for number in range(12))])
    for name, done in (("work pool p", "created"), ("etl/a", "created"), ("etl/b", "updated")):
        journal.wrote(name, done)
    created, updated, left, advice = journal.lines()
    assert (created, updated) == ("created: etl/a, work pool p", "updated: etl/b")
    assert left.startswith("not written, or just being written: etl/n0, ")
    assert left.endswith("etl/n9 and 2 more")
    assert "same command again" in advice


@pytest.mark.parametrize(("arguments", "says"), [
    (("plan", "{}", "nonsense"), "matches 'nonsense'"),
    (("validate", "/nowhere/at/all"), "no file or folder"),
    (("history", "no/such", "--path", "{}"), "no/such"),
    (("schedule", "preview", "--cron", "nonsense"), "nonsense"),
    (("plan", "{}", "--nonsense"), "--nonsense"),
])  # fmt: skip
def test_an_error_is_an_object_where_json_is_asked_for(
    server: Api, one_flow: Path, run_cli: Cli, arguments: tuple[str, ...], says: str
) -> None:
    """Standard output holds the errors, as `validate` prints them, so that programs need not read what is for people."""
    done = run_cli(*(argument.format(one_flow) for argument in arguments), "--output", "json", cwd=one_flow)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 1
    assert says in found["errors"][0]["message"]
    assert {"message", "where", "hint", "file", "line", "column"} == found["errors"][0].keys()
    assert ("valid" in found) == (arguments[0] == "validate")


@pytest.mark.parametrize("arguments", [("recipes", "local_run_deployer"), ("schema",), ("--help",)])
def test_a_reader_that_goes_away_is_no_error(arguments: tuple[str, ...]) -> None:
    """As with `… | head`: nothing is said, and the code is that of a program that a closed pipe ends."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, *arguments], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(write)
    assert (done.stderr, done.returncode) == ("", 141)


def test_a_server_that_takes_requests_and_answers_none(one_flow: Path, run_cli: Cli) -> None:
    """After a few seconds it is said for what is waited, then for how long, and soon that there is no answer."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/api"
        done = run_cli("status", str(one_flow), env={"PREFECT_API_URL": url})
    waiting, still, error, *_ = done.stderr.splitlines()
    assert done.returncode == 1
    assert waiting == f"waiting for the Prefect API at {url} to answer …"
    assert still.startswith(f"the Prefect API at {url} has not answered for 10 seconds; still waiting")
    assert error == f"error: the Prefect API at {url} does not answer within 15 seconds"
