"""Holding a deployment: who leaves it alone, who ends that, and where it shows."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deployer_projects import run_deployer
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from support import Api

from deployer_flows import check_drift, deploy_project, hold, prune, rollback
from meta_prefect.deploy import deploy
from meta_prefect.engine.observed import is_automatic
from meta_prefect.errors import ConflictError, TargetError
from meta_prefect.plan.holds import HOLD_TAG, Hold, hold_name, read_until
from meta_prefect.report import Report

Project = Callable[..., Path]
Cli = Callable[..., subprocess.CompletedProcess[str]]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CODE = """
    from prefect import flow
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import describer, versioneer
    from meta_prefect.implementations.schedule import scheduler

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        return n

    common = describer(text="TEXT") | versioneer(strategy="increment") | local_process()
    a = (common | scheduler(schedule={"cron": "0 9 * * *", "active": True}))(work)
    b = common(work)
"""


@pytest.fixture
def write(project: Project) -> Callable[[str], Path]:
    """Write a project of two deployments with a text in both."""
    return lambda text: project(**{"flows.py": CODE.replace("TEXT", text), "meta_prefect.yaml": "project: UNIQUE\n"})


@pytest.fixture
def deployed(server: Api, write: Callable[[str], Path]) -> Path:
    """The project, deployed once, and asked for otherwise since."""
    root = write("one")
    deploy([str(root)])
    return write("two")


def held(root: Path, name: str, **options: Any) -> Hold:
    asked: Any = {"deployment": name, "path": str(root), "because": "the vendor's API is down", **options}
    flow: Any = hold
    return asyncio.run(flow(**asked))


def actions(report: Report) -> dict[str, str]:
    return {one.deployment.partition("/")[2]: one.action for one in report.outcomes}


def automatically(root: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Deploy as a schedule does."""
    with monkeypatch.context() as patch:
        patch.setattr("meta_prefect.engine.context.is_automatic", lambda: True)
        return asyncio.run(deploy_project(path=str(root), only_changed=True, on_error="keep-going"))


def variable(server: Api, name: str) -> Any:
    return server.get(f"/variables/name/{hold_name(name)}")


def test_a_held_deployment_is_left_alone_by_everybody(
    server: Api, deployed: Path, write: Callable[[str], Path], unique: str, run_cli: Cli
) -> None:
    """Deploy, heal and prune write nothing of it; plan, status, report and history say who asked for that and why."""
    name, other = f"{unique}/a-dev", f"{unique}/b-dev"
    done = run_cli("hold", name, "--because", "the vendor's API is down", "--until", "3d", "--path", str(deployed))
    assert done.returncode == 0, done.stderr
    assert f"{name} is held by " in done.stdout
    before = server.deployment(name)
    (stored,) = [
        one
        for one in server.post("/variables/filter", variables={"tags": {"all_": [HOLD_TAG]}})
        if one["value"]["deployment"] == name
    ]
    assert stored["name"] == hold_name(name)

    planned = run_cli("plan", str(deployed))
    report = run_cli("deploy", str(deployed))

    assert planned.returncode == 2
    assert f"= deployment {name}: held by " in planned.stdout
    assert 'held back: description: "one" → "two"' in planned.stdout
    assert report.returncode == 0, report.stderr
    assert f"held {name}" in report.stdout
    assert "UTC: the vendor's API is down" in report.stdout
    assert report.stderr.count(f"to release: meta-prefect release {name}") == 1
    assert server.deployment(name)["updated"] == before["updated"]
    assert server.deployment(other)["description"] == "two"
    again = deploy([str(deployed)], dry_run=True, only_changed=True)
    assert again.plan is not None
    assert not again.plan.has_changes, "what is held is no change"
    status = run_cli("status", str(deployed), "--output", "json")
    assert status.returncode == 0
    (one,) = [one for one in json.loads(status.stdout)["deployments"] if one["deployment"] == name]
    assert (one["state"], "the vendor's API is down" in one["hold"]) == ("held", True)
    assert f"{name} is held by " in run_cli("history", name, "--path", str(deployed)).stderr
    server.patch(f"/deployments/{before['id']}", description="by hand")
    found = asyncio.run(check_drift(path=str(deployed), environment="dev", policy="heal"))
    assert found.in_sync
    assert server.deployment(name)["description"] == "by hand"
    (deployed / "flows.py").write_text((deployed / "flows.py").read_text().replace("a = (common", "_a = (common"))
    asyncio.run(prune(path=str(deployed), environment="dev", dry_run=False, force=True))
    assert server.deployment(name) is not None
    write("two")

    released = run_cli("release", name, "--path", str(deployed))

    assert released.returncode == 0, released.stderr
    assert f"released: {name} was held by " in released.stdout
    assert actions(deploy([str(deployed)])) == {"a-dev": "updated", "b-dev": "updated"}
    assert server.deployment(name)["description"] == "two"


def test_an_automatic_hold_ends_with_an_explicit_deploy(
    server: Api, deployed: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scheduled deploys leave it alone; a plan says that a deploy ends the hold, and that deploy does."""
    name = f"{unique}/a-dev"
    held(deployed, name, scope="automatic")

    assert actions(automatically(deployed, monkeypatch)) == {"a-dev": "held", "b-dev": "updated"}
    planned = deploy([str(deployed)], dry_run=True)
    assert any(
        remark.startswith(f"{name} was held from scheduled and healing deploys by ") for remark in planned.remarks
    )
    assert variable(server, name) is not None

    report = deploy([str(deployed)])

    assert actions(report)["a-dev"] == "updated"
    assert any("that hold ends with this deploy" in remark for remark in report.remarks)
    assert variable(server, name) is None


def test_a_hold_that_has_run_out_counts_no_longer(
    server: Api, deployed: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its end everything is as without it, and the next deploy removes it."""
    name = f"{unique}/a-dev"
    held(deployed, name, until="1h")
    found = variable(server, name)
    server.patch(f"/variables/{found['id']}", value={**found["value"], "until": "2020-01-01T00:00:00Z"})

    report = automatically(deployed, monkeypatch)

    assert actions(report) == {"a-dev": "updated", "b-dev": "updated"}
    assert not any("held" in remark for remark in report.remarks)
    assert variable(server, name) is None


def test_a_rollback_is_not_undone_by_the_next_scheduled_deploy(
    server: Api, deployed: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback leaves a hold for scheduled deploys by default, one for all or none on request, and honours one for all."""
    name = f"{unique}/a-dev"
    deploy([str(deployed)])

    def back(**options: Any) -> Report:
        asked: Any = {"deployment": name, "to": "1", "path": str(deployed), **options}
        flow: Any = rollback
        return asyncio.run(flow(**asked))

    report = back()

    assert any(f"meta-prefect release {name}" in remark for remark in report.remarks)
    assert actions(automatically(deployed, monkeypatch))["a-dev"] == "held"
    assert server.deployment(name)["description"] == "one"
    assert variable(server, name)["value"]["because"] == "rolled back to version 1"
    assert actions(deploy([str(deployed)]))["a-dev"] == "updated"

    back(hold="all")

    assert actions(deploy([str(deployed)]))["a-dev"] == "held"
    with pytest.raises(ConflictError, match=r"held by .*\n.*--despite-hold"):
        back()
    assert back(despite_hold=True).outcomes[0].action == "unchanged"
    assert variable(server, name)["value"]["scope"] == "all"
    asyncio.run(hold(deployment=name, release=True, path=str(deployed)))

    back(hold="none")

    assert variable(server, name) is None
    assert actions(automatically(deployed, monkeypatch))["a-dev"] != "held"


def test_what_cannot_be_held_is_said(server: Api, deployed: Path, unique: str, run_cli: Cli) -> None:
    """A deployment that is not there or another project's, a time that is past, a hold that is not there: told in words."""
    name = f"{unique}/a-dev"
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"name": f"{unique}/nope"}, "this project never deployed one"),
        ({"until": "2020-01-01"}, "is past"),
        ({"until": "soon"}, "is no time; write '2026-12-01'"),
        ({"because": " "}, "a hold needs a reason"),
        ({"release": True}, "is not held"),
    )
    for given, says in cases:
        with pytest.raises(TargetError, match=says):
            held(deployed, given.pop("name", name), **given)
    server.patch(f"/deployments/{server.deployment(name)['id']}", tags=["meta-prefect=other"])
    with pytest.raises(ConflictError, match="belongs to the project 'other'"):
        held(deployed, name)
    done = run_cli("release", name, cwd=deployed)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)


def test_an_unsound_hold_stops_nobody_and_is_named(server: Api, deployed: Path, unique: str) -> None:
    """A variable that carries the tag and is no hold is named with the way to remove it; it holds nothing."""
    name = f"meta-prefect-hold-{unique}"
    made = server.post("/variables/", name=name, value={"deployment": f"{unique}/a-dev"}, tags=[HOLD_TAG])

    report = deploy([str(deployed)])

    server.delete(f"/variables/{made['id']}")
    assert set(actions(report).values()) == {"updated"}
    assert any(f"to remove it: prefect variable unset {name}" in remark for remark in report.remarks)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("3d", NOW + timedelta(days=3)),
        ("90m", NOW + timedelta(minutes=90)),
        (" 2 W ", NOW + timedelta(weeks=2)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T18:00+01:00", datetime(2026, 12, 1, 17, tzinfo=UTC)),
        ("2026-12-01T18:00", datetime(2026, 12, 1, 18, tzinfo=UTC)),
    ],
)
def test_until_when_a_hold_lasts(text: str, end: datetime) -> None:
    """A length, a date or a time says when a hold ends."""
    assert read_until(text, NOW) == end


@pytest.mark.parametrize("text", ["", "soon", "0d", "-3d", "2026-11-01", "9999-12-31T23:59-05:00", "3d 4h"])
def test_times_that_are_none(text: str) -> None:
    """Anything else, and what is past, is refused."""
    with pytest.raises(ValueError, match=r"is no time|is past"):
        read_until(text, NOW)


def test_names_of_variables_are_their_own() -> None:
    """Deployments whose names differ only in what a variable's name cannot hold have variables of their own."""
    names = [
        hold_name(one) for one in ("a-b/c", "a/b-c", "A-b/c", "a_b/c", "ä-b/c", "x" * 400 + "/a", "x" * 400 + "/b")
    ]

    assert len(set(names)) == len(names)
    assert all(len(one) <= 255 and set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for one in names)


@pytest.mark.faults
def test_an_operator_holds_and_releases_in_the_prefect_ui(
    server: Api, deployed: Path, unique: str, run_cli: Cli
) -> None:
    """The deployer has a deployment that holds, with a switch to release; its runs say who it was."""
    name = f"{unique}/a-dev"
    assert run_cli("bootstrap", str(deployed)).returncode == 0

    state, log = run_deployer(server, "hold", unique, deployment=name, because="a look", until="2d", told="is held by")

    assert state["type"] == "COMPLETED", log
    assert re.fullmatch(rf"{name} is held by .+ until .+ UTC: a look", state["message"])
    assert variable(server, name)["value"]["because"] == "a look"
    assert actions(deploy([str(deployed)]))["a-dev"] == "held"
    state, log = run_deployer(server, "hold", unique, deployment=name, release=True, told="released: ")
    assert (state["type"], state["message"].split(" by ")[0]) == ("COMPLETED", f"{name} is no longer held"), log
    assert variable(server, name) is None


@pytest.mark.parametrize(
    ("run", "automatic"),
    [
        ({"auto_scheduled": True}, True),
        ({"created_by": {"type": "AUTOMATION", "display_value": "watch"}}, True),
        ({"created_by": {"type": "USER", "display_value": "ada"}}, False),
        ({}, False),
    ],
    ids=["a schedule", "an automation", "a user", "a terminal"],
)
def test_who_starts_a_deploy(run: dict[str, Any], automatic: bool) -> None:
    """What a schedule or an automation started was asked for by nobody; anything else is an explicit deploy."""
    found = FlowRun.model_validate({"flow_id": "00000000-0000-0000-0000-000000000001", **run})

    with FlowRunContext.model_construct(flow_run=found, start_time=NOW):
        assert is_automatic() is automatic
