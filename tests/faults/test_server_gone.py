"""A deploy that cannot come to its end says what it has written, soon, and nothing else; the next one completes it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty import FaultyServer
from support import wait_until

pytestmark = pytest.mark.faults

MANY = 40
NAMES = {f"n{number}-dev" for number in range(MANY)}
DUMPS = ("Traceback", "EventsWorker", "Error logging", "Still processing", "EventMessage")


@pytest.fixture
def root(code: Callable[..., Path]) -> Path:
    """A project of many deployments."""
    return code(*(f"n{number} = common(work)" for number in range(MANY)))


def in_the_middle(server: FaultyServer, root: Path, project: str) -> subprocess.Popen[str]:
    """A deploy that has written some of them."""
    deploy = server.launch_deploy(root)
    wait_until(lambda: len(server.api.deployments_of(project)) > 3, what="some are written", seconds=120)
    return deploy


def assert_said(said: str, project: str) -> None:
    """What is written, what is not, what to do, and nothing else."""
    assert f"created: {project}/n0-dev, " in said
    assert "not written, or just being written: " in said
    assert "Run the same command again" in said
    assert not [dump for dump in DUMPS if dump in said]


def test_a_server_that_does_not_come_back(faulty_server: FaultyServer, root: Path, unique: str) -> None:
    """The deploy ends within half a minute."""
    deploy = in_the_middle(faulty_server, root, unique)
    faulty_server.kill()
    began = time.monotonic()
    out, err = deploy.communicate(timeout=60)
    took = time.monotonic() - began
    faulty_server.start()

    assert (deploy.returncode, out) == (1, "")
    assert took < 30
    assert f"waiting for the Prefect API at {faulty_server.api.url} to answer" in err
    assert f"error: the Prefect API at {faulty_server.api.url} has not answered for 20 seconds" in err
    assert_said(err, unique)
    faulty_server.assert_converges(root, unique, NAMES)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c(faulty_server: FaultyServer, root: Path, unique: str) -> None:
    """It ends with the code of an interrupt, and the lock is free."""
    deploy = in_the_middle(faulty_server, root, unique)
    deploy.send_signal(signal.SIGINT)
    out, err = deploy.communicate(timeout=60)

    assert (deploy.returncode, out) == (130, "")
    assert err.startswith("interrupted\n")
    assert_said(err, unique)
    faulty_server.assert_converges(root, unique, NAMES)
