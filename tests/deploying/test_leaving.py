"""What refers to deployments, or was made for them: checked before a deploy writes, and removed with what wanted it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api

from meta_prefect.deploy import deploy
from meta_prefect.errors import ValidationFailed

CODE = """
    from prefect import flow
    from meta_prefect.implementations.concurrency import work_queue
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import versioneer
    from meta_prefect.implementations.notification import then_run

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        return n

    common = versioneer(version="7") | local_process()
"""
Project = Callable[..., Path]


def code(project: Project, **deployments: str) -> Path:
    """A project whose deployments have these builders."""
    lines = [f"    {name} = (common{builders and f' | {builders}'})(work)\n" for name, builders in deployments.items()]
    return project(**{"flows.py": CODE + "".join(lines), "meta_prefect.yaml": "project: UNIQUE\n"})


def automations(server: Api, unique: str) -> list[str]:
    """The names of a project's automations."""
    found = server.post("/automations/filter", automations={"tags": {"any_": [f"meta-prefect={unique}"]}})
    return sorted(one["name"] for one in found)


def made_by_hand(server: Api, name: str, deployment_id: str) -> Any:
    """An automation that an operator made."""
    trigger = {"type": "event", "posture": "Reactive", "expect": [f"{name}.done"], "threshold": 1, "within": 0}
    action = {"type": "run-deployment", "source": "selected", "deployment_id": deployment_id}
    return server.post("/automations/", name=name, trigger=trigger, actions=[action])


def test_another_target_takes_the_place_of_the_former(server: Api, project: Project, unique: str) -> None:
    """Where `then_run` names another deployment, one automation is there and not two; a part of the project is enough."""
    deploy([str(code(project, one="then_run(deployment='UNIQUE/two-dev')", two="", three=""))])
    root = code(project, one="then_run(deployment='UNIQUE/three-dev')", two="", three="")

    report = deploy([str(root), f"{unique}/one-dev"])

    assert automations(server, unique) == [f"{unique}-one-dev: run {unique}-three-dev"]
    assert (f"automation {unique}-one-dev: run {unique}-two-dev", "removed") in report.components


def test_what_a_deleted_deployment_had_goes(server: Api, project: Project, unique: str) -> None:
    """Deleted by hand and in code, so that nothing is left to prune: the next deploy removes what was made for it."""
    deploy([str(code(project, one="then_run(deployment='UNIQUE/two-dev') | work_queue(name='UNIQUE')", two=""))])
    pool = server.deployment(f"{unique}/two-dev")["work_pool_name"]
    server.delete(f"/deployments/{server.deployment(f'{unique}/one-dev')['id']}")

    deploy([str(code(project, two=""))])

    assert automations(server, unique) == []
    assert server.get(f"/work_pools/{pool}/queues/{unique}") is None


def test_a_queue_that_is_an_operator_s_stays(server: Api, project: Project, unique: str) -> None:
    """One that was there before, one whose description somebody has changed, and one in which runs wait, are not removed."""
    root = code(project, one="work_queue(name='UNIQUE-a')", two="work_queue(name='UNIQUE-b')", three="")
    deploy([str(root)])
    pool = server.deployment(f"{unique}/three-dev")["work_pool_name"]
    server.post(f"/work_pools/{pool}/queues", name=f"{unique}-c")
    code(
        project,
        one="work_queue(name='UNIQUE-a')",
        two="work_queue(name='UNIQUE-b')",
        three="work_queue(name='UNIQUE-c')",
    )
    deploy([str(root)])
    server.patch(f"/work_pools/{pool}/queues/{unique}-a", description="Ours.")
    waiting = server.post(f"/deployments/{server.deployment(f'{unique}/two-dev')['id']}/create_flow_run")

    code(project, one="", two="", three="")
    report = deploy([str(root)])

    assert all(server.get(f"/work_pools/{pool}/queues/{unique}-{name}") for name in "abc")
    assert (f"work queue {pool}/{unique}-b", "in use again, and left alone") in report.components
    server.delete(f"/flow_runs/{waiting['id']}")
    deploy([str(root)])
    assert server.get(f"/work_pools/{pool}/queues/{unique}-b") is None


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("deployment='UNIQUE/twi-dev'", "Did you mean 'UNIQUE/two-dev'?"),
        ("deployment='UNIQUE-nowhere/x'", "there is no deployment 'UNIQUE-nowhere/x' to run"),
        ("deployment='UNIQUE/two-dev', parameters={'m': 1}", "'UNIQUE/two-dev' takes no parameter 'm'"),
    ],
)
def test_what_is_run_is_checked_before_anything_is_written(
    server: Api, project: Project, unique: str, target: str, says: str
) -> None:
    """A deployment that is not there and is not made, and a parameter that it does not take; one of this deploy is fine."""
    with pytest.raises(ValidationFailed) as refused:
        deploy([str(code(project, one=f"then_run({target})", two=""))], dry_run=True)

    assert says.replace("UNIQUE", unique) in str(refused.value)
    assert server.deployments_of(unique) == []


def test_validating_says_what_only_a_server_knows(
    project: Project, unique: str, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Whether another project's deployment is there is a note without a server."""
    done = run_cli("validate", str(code(project, one="then_run(deployment='another/x')")))

    assert done.returncode == 0
    assert (
        f"runs 'another/x', which is not of this project: a plan says whether it is there: {unique}/one-dev"
        in done.stderr
    )


def test_what_something_refers_to_is_not_deleted(server: Api, project: Project, unique: str) -> None:
    """Neither pruned nor replaced while an automation would run it: the project's own or an operator's."""
    deploy([str(code(project, one="then_run(deployment='UNIQUE/two-dev')", two=""))])
    root = code(project, one="then_run(deployment='UNIQUE/two-dev')")
    with pytest.raises(
        ValidationFailed, match=f"{unique}/two-dev: it cannot be deleted, as the automation {unique}-one"
    ):
        deploy([str(root)], prune=True)

    code(project, one="")
    by_hand = made_by_hand(server, unique, server.deployment(f"{unique}/two-dev")["id"])
    with pytest.raises(ValidationFailed, match=f"it cannot be deleted, as the automation '{unique}' refers to it"):
        deploy([str(root)], prune=True)
    server.delete(f"/automations/{by_hand['id']}")
    deploy([str(root)], prune=True)

    assert server.deployment(f"{unique}/two-dev") is None
    assert automations(server, unique) == []
