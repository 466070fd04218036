"""Each way in which a promotion ends without success: production is as it was, record by record, and nobody holds its turn."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from production import git, locks, record, waiting
from support import Api

from meta_prefect.cli.approve import approve
from meta_prefect.cli.promote import promote
from meta_prefect.deploy import deploy
from meta_prefect.errors import NotApproved

CODE = """
from prefect import flow


@flow(name="failing-promotions")
def work(n: int = 1, does: str = "nothing") -> int:
    if does == "fail":
        raise ValueError("the disk is full")
    return n
"""
FILE = """
project: failing-promotions
environments:
  dev:
  prod: {api_url: PROD, approval: {within: 30m}, smoke: {parameters: {does: DOES}, timeout: 5m}, defaults: {active: true}}
deployments:
  failing-promotions:
    - recipe: local_run_deployer
      variables: {name: nightly, parameters: {n: NUMBER}, schedule: {cron: "0 9 * * *"}, holidays: false}
"""
PROJECT, NAME = "failing-promotions", "failing-promotions/nightly-prod"
Promotion = Callable[[], "Future[int]"]

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]


def committed(root: Path, prod: Api, number: int, does: str = "nothing") -> None:
    """Commit another state of the project, and deploy it to dev."""
    file = FILE.replace("PROD", prod.url).replace("DOES", does).replace("NUMBER", str(number))
    (root / "meta_prefect.yaml").write_text(file)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", f"{number}, {does}")
    deploy([str(root)], env="dev")


@pytest.fixture(scope="module")
def root(server: Api, prod_server: Api, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been promoted once."""
    del server
    root = tmp_path_factory.mktemp(PROJECT)
    git(root, "init", "-q", "-b", "main")
    (root / "flow.py").write_text(CODE)
    committed(root, prod_server, 1)
    with ThreadPoolExecutor() as threads:
        done = threads.submit(promote, str(root), source="dev", to="prod")
        approve(waiting(prod_server, PROJECT)["id"], path=root, env="prod", by="grace")
        assert done.result(timeout=300) == 0
    return root


@pytest.fixture
def begun(root: Path) -> Generator[Promotion]:
    """Begin a promotion."""
    with ThreadPoolExecutor() as threads:
        yield lambda: threads.submit(promote, str(root), source="dev", to="prod")


def test_rejected(prod_server: Api, root: Path, begun: Promotion) -> None:
    """The reason is the run's."""
    before = record(prod_server, NAME)
    committed(root, prod_server, 2)
    ends = begun()
    run = waiting(prod_server, PROJECT)
    approve(run["id"], reject=True, comment="not on a Friday", path=root, env="prod", by="grace")
    with pytest.raises(NotApproved, match="rejected by grace: not on a Friday"):
        ends.result(timeout=180)
    assert (record(prod_server, NAME), locks(prod_server, PROJECT)) == (before, [])


def test_moved_while_it_waited(prod_server: Api, root: Path, begun: Promotion) -> None:
    """What was approved is not applied to another state: it is asked again, and what somebody has done there stays."""
    made = prod_server.deployment(NAME)
    committed(root, prod_server, 3)
    ends = begun()
    run = waiting(prod_server, PROJECT)
    prod_server.patch(f"/deployments/{made['id']}", description="somebody's")
    moved = record(prod_server, NAME)
    approve(run["id"], path=root, env="prod", by="grace")
    again = waiting(prod_server, PROJECT, but=run["state"]["state_details"]["pause_key"])
    approve(again["id"], reject=True, path=root, env="prod", by="grace")
    with pytest.raises(NotApproved, match="rejected by grace"):
        ends.result(timeout=180)
    assert (record(prod_server, NAME), locks(prod_server, PROJECT)) == (moved, [])
    prod_server.patch(f"/deployments/{made['id']}", description=made["description"])


def test_killed_while_it_waited(prod_server: Api, root: Path, begun: Promotion) -> None:
    """Nothing was written; the next promotion is asked about and applied as any other."""
    before = record(prod_server, NAME)
    committed(root, prod_server, 4)
    command = [sys.executable, "-m", "meta_prefect.cli", "promote", str(root), "--from", "dev", "--to", "prod"]
    killed = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run = waiting(prod_server, PROJECT)
    killed.kill()
    killed.wait()
    assert (record(prod_server, NAME), locks(prod_server, PROJECT)) == (before, [])
    prod_server.delete(f"/flow_runs/{run['id']}")
    ends = begun()
    approve(waiting(prod_server, PROJECT)["id"], path=root, env="prod", by="grace")
    assert ends.result(timeout=300) == 0
    assert prod_server.deployment(NAME)["parameters"] == {"n": 4}


def test_a_smoke_run_that_fails_there(
    prod_server: Api, root: Path, begun: Promotion, capsys: pytest.CaptureFixture[str]
) -> None:
    """Approved, tried, put back: the command ends with 1 and quotes the run."""
    before = record(prod_server, NAME)
    committed(root, prod_server, 5, does="fail")
    ends = begun()
    approve(waiting(prod_server, PROJECT)["id"], path=root, env="prod", by="grace")
    assert ends.result(timeout=300) == 1
    told = capsys.readouterr()
    assert "the disk is full" in " ".join((told.out + told.err).split())
    assert (record(prod_server, NAME), locks(prod_server, PROJECT)) == (before, [])
    condition: dict[str, Any] = {"tags": {"all_": ["meta-prefect-smoke"]}, "state": {"type": {"any_": ["FAILED"]}}}
    assert len(prod_server.post("/flow_runs/filter", flow_runs=condition, flows={"name": {"any_": [PROJECT]}})) == 1
