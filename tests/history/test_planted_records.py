"""Ledger pages and plans that no run of the deployer has written, on a real server."""

from __future__ import annotations

import asyncio
import copy
import subprocess
import textwrap
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support import Api

from deployer_flows import rollback
from meta_prefect.deploy import deploy
from meta_prefect.errors import MetaPrefectError, TargetError
from meta_prefect.plan import provenance

Cli = Callable[..., subprocess.CompletedProcess[str]]
CODE = """
    from prefect import flow
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import describer, versioneer

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        return n

    mine = (describer(text="TEXT") | versioneer(strategy="increment") | local_process())(work)
"""


@pytest.fixture(autouse=True)
def clocks_that_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """One server has one clock."""
    monkeypatch.setattr(provenance, "SLACK", timedelta(0))


def write(root: Path, text: str) -> Path:
    """A project, named after its folder, of one deployment with a text in it."""
    root.mkdir(exist_ok=True)
    (root / "flows.py").write_text(textwrap.dedent(CODE).replace("TEXT", text).replace("UNIQUE", root.name))
    (root / "meta_prefect.yaml").write_text(f"project: {root.name}\n")
    return root


def deployed_twice(root: Path) -> Path:
    """The same, deployed twice, with a change."""
    for text in ("one", "two"):
        deploy([str(write(root, text))])
    return root


@pytest.fixture
def deployed(server: Api, tmp_path: Path, unique: str) -> Path:
    """A project that was deployed twice."""
    return deployed_twice(tmp_path / unique)


@pytest.fixture(scope="module")
def shared(server: Api, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was deployed twice, for tests that write nothing."""
    return deployed_twice(tmp_path_factory.mktemp("planted") / f"t{uuid.uuid4().hex[:10]}")


def artifacts(server: Api, kind: str, unique: str) -> list[Any]:
    """A project's artifacts of a kind, newest first."""
    condition = {"type": {"any_": [kind]}, "key": {"like_": f"%{unique}%"}}
    return server.post("/artifacts/filter", artifacts=condition, sort="CREATED_DESC")


def plant(server: Api, like: Any, data: Any, run_id: str | None) -> str:
    """Make an artifact, as anybody may who may write artifacts; returns its id."""
    made = server.post("/artifacts/", type=like["type"], key=like["key"], data=data, flow_run_id=run_id)
    return made["id"]


def page_of_version_9(like: Any, run_id: str | None, **after: Any) -> Any:
    """The data of a page that says that version 9 was live."""
    data = copy.deepcopy(like["data"])
    data["run_id"] = run_id
    data["entries"][0]["version"] = "9"
    data["entries"][0]["after"].update(version="9", **after)
    return data


def running(server: Api, flow: str) -> str:
    """A run of a flow that has begun; returns its id."""
    flow_id = server.post("/flows/", name=flow)["id"]
    return server.post("/flow_runs/", flow_id=flow_id, state={"type": "RUNNING"})["id"]


def back(root: Path, name: str, **options: Any) -> Any:
    asked: Any = {"deployment": name, "path": str(root), **options}
    flow: Any = rollback
    return asyncio.run(flow(**asked))


@pytest.mark.parametrize(
    ("whose", "says"),
    [
        ("nobody's", "not written by the run that it names"),
        ("another run's", "not written by the run that it names"),
        ("a flow's", "not written by a run of the deployer"),
        ("a finished deploy's", "not made while the run that it names lasted"),
        ("a deleted run's", "its run is gone, so nothing confirms it"),
    ],
)
def test_a_planted_page_is_not_rolled_back_to(server: Api, shared: Path, run_cli: Cli, whose: str, says: str) -> None:
    """A page that the server's own records do not confirm is shown with the reason, and no rollback goes there."""
    unique = shared.name
    wanted = artifacts(server, "ledger", unique)[-1]  # the first page
    genuine = wanted["flow_run_id"]
    foreign = running(server, unique)
    artifact_of, named = {
        "nobody's": (None, None),
        "another run's": (genuine, foreign),
        "a flow's": (foreign, foreign),
        "a finished deploy's": (genuine, genuine),
        "a deleted run's": (foreign, foreign),
    }[whose]
    if whose == "a deleted run's":
        server.delete(f"/flow_runs/{foreign}")
    planted = plant(server, wanted, page_of_version_9(wanted, named), artifact_of)
    name = f"{unique}/mine-dev"
    before = server.deployment(name)

    with pytest.raises(TargetError, match=f"version 9 is {says}") as failure:
        back(shared, name, to="9")

    assert server.deployment(name)["updated"] == before["updated"]
    assert ("--unconfirmed" in str(failure.value)) == (whose == "a deleted run's")
    if whose == "a flow's":
        assert f"(does not count: {says}" in run_cli("history", name, "--path", str(shared)).stdout
    (outcome,) = back(shared, name, dry_run=True).outcomes
    assert outcome.version == "1", "the last version that counts before the present one"
    server.delete(f"/artifacts/{planted}")


def test_a_page_that_was_changed_afterwards_does_not_count(server: Api, deployed: Path, unique: str) -> None:
    """A genuine page that somebody has changed since its run ended is none any more."""
    (newest, oldest) = artifacts(server, "ledger", unique)
    data = page_of_version_9(oldest, oldest["flow_run_id"])
    server.patch(f"/artifacts/{oldest['id']}", data=data)

    with pytest.raises(TargetError, match="version 9 is changed after the run that it names had ended"):
        back(deployed, f"{unique}/mine-dev", to="9")
    assert newest["data"]["entries"][0]["version"] == "2"


def test_what_lost_its_run_can_be_restored_on_request(server: Api, deployed: Path, unique: str) -> None:
    """After a retention has deleted the runs, a rollback needs a word, and a status still knows what was deployed."""
    (newest, oldest) = artifacts(server, "ledger", unique)
    for one in (newest, oldest):
        server.delete(f"/flow_runs/{one['flow_run_id']}")
    name = f"{unique}/mine-dev"

    with pytest.raises(TargetError, match="its run is gone"):
        back(deployed, name, to="1")
    (outcome,) = back(deployed, name, to="1", unconfirmed=True).outcomes

    assert (outcome.action, outcome.version) == ("updated", "1")
    assert server.deployment(name)["description"] == "one"


SHELL = [{"prefect.deployments.steps.run_shell_script": {"script": "touch /tmp/pwned"}}]
TWO_TAGS = ["env=dev", "meta-prefect=somebody"]


@pytest.mark.parametrize(
    ("after", "says"),
    [
        ({"pull_steps": SHELL}, "run_shell_script' is of no kind that this deployment is otherwise known to have had"),
        ({"entrypoint": "../evil.py:work"}, "lies outside of the project's folder"),
        ({"entrypoint": "/etc/evil.py:work"}, "lies outside of the project's folder"),
        ({"entrypoint": "gone.py:work"}, "there is no file 'gone.py'"),
        ({"entrypoint": None}, "is not an entrypoint"),
        ({"job_variables": {"comand": "sh"}}, "has no job variable 'comand'"),
        ({"job_variables": {"env": {"A": "{{ prefect.blocks.secret.not-there }}"}}}, "and there is none"),
        ({"parameters": {"n": "many"}}, "is not of type 'integer'"),
        ({"tags": TWO_TAGS}, "it would belong to 'somebody'"),
        ({"tags": ["env=prod", "meta-prefect=UNIQUE"]}, "it would be for ['env=prod']"),
        ({"work_pool_name": "no-such-pool/../x"}, "which is gone"),
    ],
    ids=range(11),
)
def test_what_a_rollback_writes_passes_the_checks_of_a_deploy(
    server: Api, shared: Path, after: dict[str, Any], says: str
) -> None:
    """Even a page that was planted while a deploy is under way leads to nothing that a deploy would not write."""
    unique = shared.name
    (newest, *_) = artifacts(server, "ledger", unique)
    run_id = running(server, "deploy-project")
    after = {
        key: [tag.replace("UNIQUE", unique) for tag in value] if key == "tags" else value
        for key, value in after.items()
    }
    planted = plant(server, newest, page_of_version_9(newest, run_id, **after), run_id)
    name = f"{unique}/mine-dev"
    before = server.deployment(name)

    with pytest.raises(MetaPrefectError) as failure:
        back(shared, name, to="9")

    server.delete(f"/artifacts/{planted}")
    assert says in str(failure.value)
    assert server.deployment(name)["updated"] == before["updated"]


def test_a_planted_plan_sets_no_version(server: Api, deployed: Path, unique: str) -> None:
    """A plan that says how a deploy goes on counts only where the deployer wrote it, and never by more than one."""
    root = write(deployed, "three")
    deploy([str(root)], dry_run=True)
    (planned, *_) = artifacts(server, "deploy-plan", unique)
    name = f"{unique}/mine-dev"
    for run_id in (None, running(server, unique), running(server, "deploy-project")):
        data = {**planned["data"], "stage": "started", "versions": {name: "10000"}, "run_id": run_id}
        plant(server, planned, data, run_id)

    (outcome,) = deploy([str(root)]).outcomes

    assert (outcome.action, outcome.version) == ("updated", "3")


def test_unsound_pages_are_named_and_the_rest_goes_on(server: Api, deployed: Path, unique: str, run_cli: Cli) -> None:
    """History and rollback name what cannot be read, with its id and how to remove it, and do their work.

    Status does its work as well; it reads what was applied last where that is kept apart from the pages.
    """
    (newest, *_) = artifacts(server, "ledger", unique)
    run_id = newest["flow_run_id"]
    ids = [
        plant(server, newest, {**newest["data"], "at": "9999-12-31T23:59:59-05:00"}, run_id),
        plant(server, newest, page_of_version_9(newest, run_id, schedules=[1, 2]), run_id),
        plant(server, newest, "garbage", run_id),
    ]
    name = f"{unique}/mine-dev"

    for command in (["history", name, "--path", str(deployed)], ["status", str(deployed)]):
        done = run_cli(*command)

        assert done.returncode in (0, 2), done.stderr
        assert "Traceback" not in done.stderr
        named = [done.stderr.count(f"to remove it: prefect artifact delete --id {one}") for one in ids]
        assert named == [command[0] == "history"] * len(ids)
    report = back(deployed, name)
    assert report.outcomes[0].version == "1"
    assert any(ids[1] in remark for remark in report.remarks)
