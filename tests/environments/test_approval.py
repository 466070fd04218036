"""A deploy that a person approves: what was approved is what is applied; otherwise nothing is written, and the lock is free."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from production import locks
from support import Api, unmarked, wait_until
from texts import WORK_FLOW

from meta_prefect.cli.approve import approve
from meta_prefect.cli.bootstrap import bootstrap
from meta_prefect.cli.history import history
from meta_prefect.deploy import deploy
from meta_prefect.errors import MetaPrefectError, NotApproved, TargetError
from meta_prefect.plan.approval import why_not_by
from meta_prefect.project import ApprovalModel
from meta_prefect.report import Report

FILE = """
    project: UNIQUE
    environments: {prod: {approval: {within: 30m}}}
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: nightly, version: "1", parameters: {n: NUMBER}}
"""
Files = Callable[..., Path]
Started = Callable[[Path], "Future[Report]"]


@pytest.fixture
def started(server: Api, unique: str) -> Generator[Started]:
    """Begin a deploy to prod, which then waits; a test that fails leaves none waiting."""
    deploys: list[Future[Report]] = []

    def start(root: Path) -> Future[Report]:
        deploys.append(threads.submit(deploy, [str(root)], env="prod"))
        return deploys[-1]

    def ended() -> bool:
        for run in paused(server, unique):
            server.post(f"/flow_runs/{run['id']}/resume", run_input={"decision": "reject", "by": "the test"})
        return all(each.done() for each in deploys)

    with ThreadPoolExecutor(max_workers=2) as threads:
        yield start
        wait_until(ended, what="no deploy waits any more")


def paused(server: Api, project: str) -> list[Any]:
    """The runs of a project's deploys that are paused."""
    condition = {"tags": {"all_": [f"project={project}"]}, "state": {"type": {"any_": ["PAUSED"]}}}
    return server.post("/flow_runs/filter", flow_runs=condition)


def question(server: Api, run: Any) -> Any:
    """What stands above the form of a run that waits; Prefect writes it a moment after the run's state."""
    key = run["state"]["state_details"]["run_input_keyset"]["description"]
    return server.get(f"/flow_runs/{run['id']}/input/{key}")


def waiting(server: Api, project: str, *, but: str = "") -> Any:
    """The run of a project's deploy that waits for approval, by another question than one that was seen before."""

    def found() -> Any:
        runs = (run for run in paused(server, project) if run["state"]["state_details"]["pause_key"] != but)
        return next((run for run in runs if question(server, run)), None)

    return wait_until(found, what="a deploy waits")


def record(server: Api, name: str) -> Any:
    """A deployment as it was written; when its worker asked last is no part of that."""
    return {
        key: value for key, value in unmarked(server.deployment(name)).items() if key not in ("last_polled", "status")
    }


def written(project: Files, number: int) -> Path:
    """The project, asking for some number."""
    return project(flow=WORK_FLOW, **{"meta_prefect.yaml": FILE.replace("NUMBER", str(number))})


def test_what_was_approved_is_what_is_applied(
    server: Api, project: Files, unique: str, started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    """Approved by the form of the UI; a server that moves meanwhile is planned and asked about anew; rejected, all stays."""
    name = f"{unique}/nightly-prod"
    planned = deploy([str(written(project, 1))], env="prod", dry_run=True)
    assert planned.remarks[0] == "a deploy to prod waits for approval, 30m at most"
    first = started(written(project, 1))
    run = waiting(server, unique)
    assert (server.deployment(name), locks(server, unique)) == (None, [])
    assert name in json.dumps(question(server, run))
    # Whoever fills in the form of the UI sends this.
    bad = server.post(f"/flow_runs/{run['id']}/resume", run_input={"decision": "perhaps", "by": "ada"})
    assert bad["status"] == "REJECT"
    answer = {"decision": "approve", "by": "ada", "comment": "as discussed"}
    server.post(f"/flow_runs/{run['id']}/resume", run_input=answer)
    assert "approved by ada: as discussed" in first.result(timeout=120).remarks

    moving = started(written(project, 2))
    run = waiting(server, unique)
    made = server.deployment(name)
    server.patch(f"/deployments/{made['id']}", description="somebody's")
    assert approve(run["id"], path=written(project, 2)) == 0
    again = waiting(server, unique, but=run["state"]["state_details"]["pause_key"])
    assert server.deployment(name)["parameters"] == {"n": 1}
    assert approve(again["id"], path=written(project, 2), by="grace") == 0
    assert moving.result(timeout=120).count() == "1 updated"
    assert server.deployment(name)["parameters"] == {"n": 2}

    before = record(server, name)
    rejected = started(written(project, 3))
    run = waiting(server, unique)
    assert approve(run["id"], reject=True, comment="not on a Friday", by="ada", path=written(project, 3)) == 0
    with pytest.raises(NotApproved, match="rejected by ada: not on a Friday; nothing was written"):
        rejected.result(timeout=120)
    assert (record(server, name), locks(server, unique)) == (before, [])
    assert server.get(f"/flow_runs/{run['id']}")["state"]["type"] == "FAILED"
    with pytest.raises(TargetError, match="does not wait for approval: it is Failed"):
        approve(run["id"], path=written(project, 3))

    capsys.readouterr()
    assert history(name, path=written(project, 3)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "approved by grace" in lines[0]
    assert "approved by ada: as discussed" in lines[1]


@pytest.mark.thorough
def test_a_deployer_holds_no_process_while_it_waits(server: Api, project: Files, unique: str) -> None:
    """Its run is suspended; approved, Prefect starts it anew, and it applies the plan that was approved."""
    root = written(project, 1)
    assert bootstrap(root) == 0
    deployer = server.deployment(f"deploy-project/{unique}")
    server.post(f"/deployments/{deployer['id']}/create_flow_run", parameters={"environment": "prod"})
    run = waiting(server, unique)
    assert run["state"]["name"] == "Suspended"
    assert approve(run["id"], by="grace", path=root) == 0
    name = f"{unique}/nightly-prod"
    wait_until(lambda: server.deployment(name), what="it goes on", seconds=180)
    path = f"/flow_runs/{run['id']}"
    state = wait_until(lambda: (now := server.get(path)["state"])["type"] == "COMPLETED" and now, what="it ends")
    assert state["message"].startswith("1 created in prod")


@pytest.mark.thorough
def test_too_late_is_no(server: Api, project: Files, unique: str, started: Started) -> None:
    """Nobody answers within the time: the deploy fails in these words, nothing is written, the lock is free."""
    root = written(project, 1)
    file = root / "meta_prefect.yaml"
    file.write_text(file.read_text().replace("within: 30m", "within: 1m"))
    late = started(root)
    run = waiting(server, unique)
    with pytest.raises(NotApproved, match="nobody approved within 1m; nothing was written"):
        late.result(timeout=180)
    assert (server.deployment(f"{unique}/nightly-prod"), locks(server, unique)) == (None, [])
    assert "nobody approved within 1m" in server.get(f"/flow_runs/{run['id']}")["state"]["message"]
    with pytest.raises(TargetError, match="does not wait for approval"):
        approve(run["id"], path=root)


@pytest.mark.parametrize(
    ("by", "name", "may"),
    [
        ((), "ada@host", True),
        (("data-platform",), "ada@host", False),
        (("data-platform",), "Ada", False),
        (("data-platform",), "grace", True),
    ],
)
def test_who_starts_a_deploy_does_not_approve_it_where_somebody_else_is_to(
    by: tuple[str, ...], name: str, may: bool
) -> None:
    """As far as names tell."""
    assert (why_not_by(name, "ada@host (user)", ApprovalModel(by=by)) is None) is may


def test_an_answer_waits_until_prefect_has_written_the_form(server: Api, project: Files) -> None:
    """A run is paused a moment before its form is there; whoever answers within it is not refused."""
    root = written(project, 1)
    keys = {part: f"approval-early-{part}" for part in ("description", "response", "schema")}
    flow = server.post("/flows/", name="early")
    details = {"pause_key": "approval-early", "run_input_keyset": keys}
    run = server.post("/flow_runs/", flow_id=flow["id"], state={"type": "PAUSED", "state_details": details})
    with ThreadPoolExecutor() as threads:
        answered = threads.submit(approve, run["id"], path=root)
        with pytest.raises(TimeoutError):
            answered.result(timeout=1)
        server.post(f"/flow_runs/{run['id']}/input", key=keys["schema"], value=json.dumps({"type": "object"}))
        assert answered.result(timeout=30) == 0
    assert server.get(f"/flow_runs/{run['id']}/input/{keys['response']}")["decision"] == "approve"


def test_only_a_run_that_waits_is_answered(server: Api, project: Files) -> None:
    """A run that is none, or waits for something else, is named."""
    del server
    for run, says in (
        ("yesterday's", "is no flow run's id"),
        ("00000000-0000-4000-8000-000000000000", "there is no run"),
    ):
        with pytest.raises(MetaPrefectError, match=says):
            approve(run, path=written(project, 1))
