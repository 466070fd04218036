"""What operators and other deployments have to do with a deploy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api, run_deployment, wait_until

from meta_prefect.deploy import deploy
from meta_prefect.errors import MetaPrefectError, ValidationFailed

CODE = """
    from prefect import flow
    from meta_prefect.implementations.concurrency import work_queue
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import namer, renamed_from, versioneer
    from meta_prefect.implementations.notification import notify, then_run
    from meta_prefect.implementations.schedule import scheduler

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        return n

    common = versioneer(version="7") | local_process()
"""
FILE = {"meta_prefect.yaml": "project: UNIQUE\n"}
Project = Callable[..., Path]


def code(project: Project, *lines: str) -> Path:
    """A project whose one module ends in some lines."""
    return project(**{"flows.py": CODE + "".join(f"    {line}\n" for line in lines)}, **FILE)


def test_what_operators_set_is_kept(server: Api, project: Project, unique: str) -> None:
    """A pause, a limit and an activation that the recipe does not set survive deploys, which change nothing."""
    root = code(project, "mine = (common | scheduler(schedule='0 9 * * *'))(work)")
    deploy([str(root)])
    live = server.deployment(f"{unique}/mine-dev")
    server.patch(f"/deployments/{live['id']}", paused=True, concurrency_limit=3)
    server.patch(f"/deployments/{live['id']}/schedules/{live['schedules'][0]['id']}", active=False)
    touched = server.deployment(f"{unique}/mine-dev")

    (outcome,) = deploy([str(root)]).outcomes

    after = server.deployment(f"{unique}/mine-dev")
    assert outcome.action == "unchanged"
    assert after["updated"] == touched["updated"]
    assert after["paused"] is True
    assert after["schedules"][0]["active"] is False
    assert after["global_concurrency_limit"]["limit"] == 3


def test_scheduled_runs_survive_what_does_not_change(server: Api, project: Project, unique: str) -> None:
    """A deploy that changes one deployment leaves the scheduled runs of the other ones as they are."""
    one = "one = (common | scheduler(schedule='0 9 * * *'))(work)"
    root = code(project, one, "two = (common | scheduler(schedule='0 10 * * *'))(work)")
    deploy([str(root)])

    def runs(name: str) -> set[str]:
        query = {"deployments": {"name": {"any_": [name]}}, "flows": {"name": {"any_": [unique]}}}
        return {run["id"] for run in server.post("/flow_runs/filter", **query)}

    before = wait_until(lambda: runs("one-dev"), what="scheduled runs", seconds=60)
    code(project, one, "two = (common | scheduler(schedule='0 11 * * *'))(work)")

    report = deploy([str(root)])

    assert {outcome.deployment: outcome.action for outcome in report.outcomes} == {
        f"{unique}/one-dev": "unchanged",
        f"{unique}/two-dev": "updated",
    }
    assert runs("one-dev") >= before


def test_schedules_change_one_by_one(server: Api, project: Project, unique: str) -> None:
    """A schedule that stays keeps its id, one that is gone from the code is removed, a new one is added."""
    both = "{'slug': 'a', 'cron': '0 1 * * *'}, {'slug': 'b', 'cron': '0 2 * * *'}"
    root = code(project, f"mine = (common | scheduler(schedule=[{both}]))(work)")
    deploy([str(root)])
    first = {one["slug"]: one["id"] for one in server.deployment(f"{unique}/mine-dev")["schedules"]}
    other = "{'slug': 'b', 'cron': '0 2 * * *'}, {'slug': 'c', 'cron': '0 3 * * *'}"
    code(project, f"mine = (common | scheduler(schedule=[{other}]))(work)")

    deploy([str(root)])

    second = {one["slug"]: one["id"] for one in server.deployment(f"{unique}/mine-dev")["schedules"]}
    assert second.keys() == {"b", "c"}
    assert second["b"] == first["b"]


def test_an_emptied_list_removes_the_schedules(server: Api, project: Project, unique: str) -> None:
    """A builder that says there are no schedules removes those on the server."""
    root = code(project, "mine = (common | scheduler(schedule='0 9 * * *'))(work)")
    deploy([str(root)])
    code(project, "mine = (common | scheduler(schedule=[]))(work)")

    deploy([str(root)])

    assert server.deployment(f"{unique}/mine-dev")["schedules"] == []


def test_a_renamed_deployment_keeps_what_operators_set(server: Api, project: Project, unique: str) -> None:
    """The deployment of the old name is replaced by one of the new name, paused as it was."""
    root = code(project, "old = common(work)")
    deploy([str(root)])
    server.patch(f"/deployments/{server.deployment(f'{unique}/old-dev')['id']}", paused=True)
    code(project, "new = (common | renamed_from(name='old'))(work)")

    (outcome,) = deploy([str(root)]).outcomes

    assert outcome.action == "created"
    assert server.deployment(f"{unique}/old-dev") is None
    assert server.deployment(f"{unique}/new-dev")["paused"] is True
    (again,) = deploy([str(root)]).outcomes
    assert again.action == "unchanged"


@pytest.mark.parametrize(
    ("tags", "says"), [([], "Meta-Prefect does not manage"), (["meta-prefect=somebody-else"], "'somebody-else'")]
)
def test_deployments_of_others_are_not_taken_over(
    server: Api, project: Project, unique: str, tags: list[str], says: str
) -> None:
    """A live deployment of the same name that belongs to nobody, or to another project, is an error and stays as it is."""
    flow = server.post("/flows/", name=unique)
    foreign = server.post("/deployments/", name="mine-dev", flow_id=flow["id"], tags=tags, description="theirs")
    root = code(project, "mine = common(work)")

    with pytest.raises(MetaPrefectError, match=says):
        deploy([str(root)])

    assert server.deployment(f"{unique}/mine-dev")["updated"] == foreign["updated"]


def test_a_queue_of_its_own(server: Api, project: Project, unique: str) -> None:
    """A deployment that asks for a work queue gets it, with its limit, in its pool."""
    root = code(project, "mine = (common | work_queue(name='UNIQUE', limit=2))(work)")

    deploy([str(root)])

    live = server.deployment(f"{unique}/mine-dev")
    queue = server.get(f"/work_pools/{live['work_pool_name']}/queues/{unique}")
    assert live["work_queue_name"] == unique
    assert queue["concurrency_limit"] == 2


def test_one_deployment_runs_after_another(server: Api, project: Project, unique: str) -> None:
    """A run of the first deployment, once it has completed, sets off a run of the second; a redeploy changes nothing of that."""
    root = code(project, "first = (common | then_run(deployment='UNIQUE/second-dev'))(work)", "second = common(work)")
    deploy([str(root)])
    automations = server.post(
        "/automations/filter", automations={"name": {"any_": [f"{unique}-first-dev: run {unique}-second-dev"]}}
    )

    again = deploy([str(root)])

    assert again.components == ()
    assert len(automations) == 1
    run_deployment(server, server.deployment(f"{unique}/first-dev"))
    query: dict[str, Any] = {
        "deployments": {"name": {"any_": ["second-dev"]}},
        "flows": {"name": {"any_": [unique]}},
    }
    assert wait_until(lambda: server.post("/flow_runs/filter", **query), what="the second one runs", seconds=60)


def test_an_automation_that_runs_what_is_not_there_is_named_once(server: Api, project: Project, unique: str) -> None:
    """Before anything is written, with its name in the error once."""
    root = code(project, "mine = (common | then_run(deployment='UNIQUE/gone'))(work)")

    with pytest.raises(ValidationFailed) as refused:
        deploy([str(root)])

    assert str(refused.value).count(f"automation {unique}-mine-dev: run {unique}-gone") == 1
    assert server.deployments_of(unique) == []


def test_a_notification_needs_a_block_that_exists(server: Api, project: Project, unique: str) -> None:
    """A notification block that does not exist is an error before anything is written."""
    root = code(project, "mine = (common | notify(block='slack-webhook/UNIQUE'))(work)")

    with pytest.raises(MetaPrefectError, match=f"there is no block 'slack-webhook/{unique}'"):
        deploy([str(root)])

    assert server.deployments_of(unique) == []


def test_a_notification_is_hung_on_the_deployment(server: Api, project: Project, unique: str) -> None:
    """With its block there, a notification becomes one automation, which a second deploy leaves alone."""
    block_type = server.get("/block_types/slug/slack-webhook")
    (schema,) = server.post("/block_schemas/filter", block_schemas={"block_type_id": {"any_": [block_type["id"]]}})[:1]
    server.post(
        "/block_documents/",
        name=unique,
        block_type_id=block_type["id"],
        block_schema_id=schema["id"],
        data={"url": "http://127.0.0.1:9/hook"},
    )
    root = code(project, "mine = (common | notify(block='slack-webhook/UNIQUE'))(work)")

    first = deploy([str(root)])
    again = deploy([str(root)])

    name = f"{unique}-mine-dev: notify slack-webhook-{unique}"
    assert (f"automation {name}", "created") in first.components
    assert again.components == ()
    assert len(server.post("/automations/filter", automations={"name": {"any_": [name]}})) == 1
