"""What is no longer in a project is named by a plan, and deleted on demand only, without losing what runs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from support import Api, wait_until

from meta_prefect.deploy import deploy
from meta_prefect.errors import DeployFailed, ValidationFailed
from meta_prefect.report import Report

CODE = """
    from prefect import flow
    from meta_prefect.implementations.concurrency import work_queue
    from meta_prefect.implementations.infra import local_process, work_pool
    from meta_prefect.implementations.metadata import versioneer
    from meta_prefect.implementations.notification import then_run
    from meta_prefect.implementations.schedule import scheduler

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        return n

    common = versioneer(version="7") | local_process()
    stays = common(work)
"""
FILE = {"meta_prefect.yaml": "project: UNIQUE\n"}
Project = Callable[..., Path]


def code(project: Project, *lines: str) -> Path:
    """A project whose one module holds a deployment that stays, and some lines."""
    return project(**{"flows.py": CODE + "".join(f"    {line}\n" for line in lines)}, **FILE)


def many(names: Iterable[str]) -> list[str]:
    """Lines with one deployment each."""
    return [f"{name} = common(work)" for name in names]


def actions(report: Report) -> dict[str, str]:
    """What happened to each deployment, by its name."""
    return {one.deployment.partition("/")[2]: one.action for one in report.outcomes}


def test_a_plan_names_what_is_gone_and_only_pruning_deletes_it(server: Api, project: Project, unique: str) -> None:
    """Without --prune an orphan is named and stays; with it, the dry run says what the deploy then does."""
    deploy([str(code(project, "goes = common(work)"))])
    root = code(project)

    left = deploy([str(root)])
    planned = deploy([str(root)], dry_run=True, prune=True)
    before = server.deployment(f"{unique}/goes-dev")
    done = deploy([str(root)], prune=True)

    assert before is not None
    assert any("no longer in the project" in remark and f"{unique}/goes-dev" in remark for remark in left.remarks)
    assert actions(planned) == {"stays-dev": "unchanged", "goes-dev": "to delete"}
    assert actions(done) == {"stays-dev": "unchanged", "goes-dev": "deleted"}
    assert planned.plan is not None
    assert planned.plan.has_changes is True
    assert server.deployment(f"{unique}/goes-dev") is None
    assert server.deployment(f"{unique}/stays-dev") is not None


def test_what_only_an_orphan_used_goes_along(server: Api, project: Project, unique: str) -> None:
    """Its automation and its queue are deleted, scheduled runs are cancelled; pool and finished runs stay."""
    goes = "goes = (common | work_queue(name='UNIQUE') | then_run(deployment='UNIQUE/stays-dev'))(work)"
    deploy([str(code(project, goes))])
    live = server.deployment(f"{unique}/goes-dev")
    runs = f"/deployments/{live['id']}/create_flow_run"
    waiting = server.post(
        runs, state={"type": "SCHEDULED", "state_details": {"scheduled_time": "2100-01-01T00:00:00Z"}}
    )
    done = server.post(runs, state={"type": "COMPLETED"})

    deploy([str(code(project))], prune=True)

    named = {"automations": {"name": {"any_": [f"{unique}-goes-dev: run {unique}-stays-dev"]}}}
    assert server.post("/automations/filter", **named) == []
    assert server.get(f"/work_pools/{live['work_pool_name']}/queues/{unique}") is None
    assert server.get(f"/work_pools/{live['work_pool_name']}") is not None
    assert server.get(f"/flow_runs/{waiting['id']}")["state"]["type"] == "CANCELLED"
    assert server.get(f"/flow_runs/{done['id']}")["state"]["type"] == "COMPLETED"


def test_a_queue_that_another_deployment_uses_stays(server: Api, project: Project, unique: str) -> None:
    """Only what nobody else uses is deleted."""
    shared = "{} = (common | work_queue(name='UNIQUE'))(work)"
    deploy([str(code(project, shared.format("goes"), shared.format("also")))])
    pool = server.deployment(f"{unique}/also-dev")["work_pool_name"]

    deploy([str(code(project, shared.format("also")))], prune=True)

    assert server.get(f"/work_pools/{pool}/queues/{unique}") is not None


def test_a_queue_of_somebody_else_s_pool_stays(server: Api, project: Project, unique: str) -> None:
    """Whoever keeps the pool may have made the queue too."""
    server.post("/work_pools/", name=unique, type="process")
    server.post(f"/work_pools/{unique}/queues", name="theirs")
    goes = "goes = (versioneer(version='7') | work_pool(name='UNIQUE') | work_queue(name='theirs'))(work)"
    deploy([str(code(project, goes))])

    deploy([str(code(project))], prune=True)

    assert server.deployment(f"{unique}/goes-dev") is None
    assert server.get(f"/work_pools/{unique}/queues/theirs") is not None


def test_runs_that_are_under_way_finish_first(
    server: Api, project: Project, unique: str, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Pruning waits for a running run, with the deployment paused."""
    deploy([str(code(project, *many(["one", "two"])))])
    root = code(project)
    runs: dict[str, Any] = {}
    for name in ("one", "two"):
        live = server.deployment(f"{unique}/{name}-dev")
        runs[name] = server.post(f"/deployments/{live['id']}/create_flow_run", state={"type": "RUNNING"})
    command = ["deploy", str(root), "--prune"]

    waiting = Thread(target=run_cli, args=command)
    waiting.start()
    wait_until(lambda: server.deployment(f"{unique}/one-dev")["paused"], what="the deployment is paused")
    assert server.deployment(f"{unique}/two-dev")["paused"] is False
    server.post(f"/flow_runs/{runs['one']['id']}/set_state", state={"type": "COMPLETED"}, force=True)
    wait_until(lambda: server.deployment(f"{unique}/one-dev") is None, what="it is deleted once its run has finished")
    server.post(f"/flow_runs/{runs['two']['id']}/set_state", state={"type": "COMPLETED"}, force=True)
    waiting.join(timeout=60)
    assert server.deployment(f"{unique}/two-dev") is None


def test_force_does_not_wait(server: Api, project: Project, unique: str) -> None:
    """With force a run that is under way is left to itself."""
    deploy([str(code(project, "goes = common(work)"))])
    live = server.deployment(f"{unique}/goes-dev")
    run = server.post(f"/deployments/{live['id']}/create_flow_run", state={"type": "RUNNING"})

    deploy([str(code(project))], prune=True, force=True)

    assert server.deployment(f"{unique}/goes-dev") is None
    assert server.get(f"/flow_runs/{run['id']}")["state"]["type"] == "RUNNING"


def test_deployments_of_others_are_left_alone(server: Api, project: Project, unique: str) -> None:
    """Nobody's deployment of an equal name on another flow stays, and so do another project's and another environment's."""
    deploy([str(code(project, "goes = common(work)"))])
    root = code(project)
    other = server.post("/flows/", name=f"{unique}-other")
    ours = server.post("/flows/", name=unique)
    foreign = [
        server.post("/deployments/", name="goes-dev", flow_id=other["id"], tags=["env=dev"]),
        server.post("/deployments/", name="x", flow_id=ours["id"], tags=["env=dev", f"meta-prefect={unique}-other"]),
        server.post("/deployments/", name="y", flow_id=ours["id"], tags=["env=prod", f"meta-prefect={unique}"]),
    ]

    report = deploy([str(root)], prune=True)

    assert actions(report) == {"stays-dev": "unchanged", "goes-dev": "deleted"}
    for one in foreign:
        assert server.get(f"/deployments/{one['id']}")["updated"] == one["updated"]


def test_suspiciously_many_deletions_are_refused(server: Api, project: Project, unique: str) -> None:
    """Four of five are more than a fifth and more than three: nothing is written, unless the number is allowed."""
    names = ["a", "b", "c", "d"]
    deploy([str(code(project, *many(names)))])
    root = code(project, "new = common(work)")

    with pytest.raises(ValidationFailed, match="4 of 5 deployments would be deleted, and 3 is the most"):
        deploy([str(root)], prune=True)
    assert server.deployment(f"{unique}/new-dev") is None
    report = deploy([str(root)], prune=True, max_deletes=4)

    assert [action for action in actions(report).values() if action == "deleted"] == ["deleted"] * 4


@pytest.mark.parametrize(
    ("options", "file", "says"),
    [
        ({"select": ["stays*"]}, FILE, "pruning and a selection do not go together"),
        ({}, {"meta_prefect.yaml": "recipes: []\n"}, "such a project is not pruned"),
    ],
    ids=["a selection", "a name that another folder may have"],
)
def test_pruning_is_refused_where_it_could_be_wrong(
    server: Api, project: Project, options: dict[str, Any], file: dict[str, str], says: str
) -> None:
    """What is gone must be told from what is not asked for, and what is ours from what looks like it."""
    root = project(**{"flows.py": CODE}, **file)

    with pytest.raises(ValidationFailed, match=says):
        deploy([str(root)], prune=True, **options)


def test_nothing_is_pruned_once_something_has_failed(server: Api, project: Project, unique: str) -> None:
    """Deleting comes last: a deploy that failed has not deleted anything, and says so."""
    deploy([str(code(project, "goes = common(work)"))])
    failing = """
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

    class sulking(FlowBuilderInterface):
        def update_deployment(self, deployment):
            return deployment

        def after_deployment(self, deployment):
            raise RuntimeError("no")

    bad = (common | sulking())(work)
    """
    root = project(**{"flows.py": CODE + failing}, **FILE)

    with pytest.raises(DeployFailed) as failed:
        deploy([str(root)], prune=True)

    assert "nothing was pruned, as something has failed" in failed.value.report.remarks
    assert server.deployment(f"{unique}/goes-dev") is not None
