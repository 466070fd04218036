"""Previews: environments that begin paused and are taken down again, with all that a deploy has left of them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from support import Api, wait_until

from deployer_flows import destroy, prune, reap_previews
from meta_prefect.cli.environments import environments
from meta_prefect.deploy import deploy
from meta_prefect.engine.plan_input import read_expiry, read_plan_input
from meta_prefect.errors import ValidationFailed
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.project import read_project
from meta_prefect.state.lock import ourselves

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
    one = (common | work_queue(name="UNIQUE"))(work)
    two = (common | then_run(deployment="UNIQUE/stays-dev"))(work)
    stays = common(work)
"""
Files = Callable[..., Path]


@pytest.fixture
def root(project: Files) -> Path:
    """A project whose deployments need a queue and an automation."""
    return project(**{"flows.py": CODE, "meta_prefect.yaml": "project: UNIQUE\n"})


def left_of(server: Api, project: str, environment: str) -> list[str]:
    """The names of everything that carries the marks of a project and environment."""
    tags = {"tags": {"all_": [f"meta-prefect={project}", f"env={environment}"]}}
    deployments = server.post("/deployments/filter", deployments=tags)
    automations = server.post("/automations/filter", automations=tags)
    queues = server.post("/work_queues/filter", limit=200)
    marked = [one for one in queues if f"Made by Meta-Prefect for {project} in {environment}." in one["description"]]
    variables = server.post("/variables/filter", variables={"name": {"like_": f"%{project}-{environment}%"}})
    return [one["name"] for one in (*deployments, *automations, *marked, *variables)]


def expire(server: Api, project: str, environment: str) -> None:
    """Let the time of a preview be over."""
    condition = {"name": {"like_": f"meta-prefect-preview-{project}-{environment}-%"}}
    (variable,) = server.post("/variables/filter", variables=condition)
    server.patch(f"/variables/{variable['id']}", value={**variable["value"], "expires": "2026-01-01T00:00:00Z"})


def test_what_has_expired_goes_and_nothing_else(
    server: Api, root: Path, unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A preview begins paused; the reaper leaves nothing of one that has expired, be it half gone, and all of the others."""
    deploy([str(root)], env="dev")
    for environment in ("pr-1", "pr-2", "pr-3"):
        deploy([str(root)], env=environment, expires="3d")
    made = server.deployment(f"{unique}/one-pr-1")
    (automation,) = server.post(
        "/automations/filter", automations={"tags": {"all_": [f"meta-prefect={unique}", "env=pr-1"]}}
    )
    assert (made["paused"], automation["enabled"]) == (True, False)
    assert server.deployment(f"{unique}/one-dev")["paused"] is False
    # Somebody looks at it: what he switches on stays so.
    server.patch(f"/deployments/{made['id']}", paused=False)
    deploy([str(root)], env="pr-1", expires="3d")
    assert server.deployment(f"{unique}/one-pr-1")["paused"] is False
    # A deploy that was killed may leave a part of it, and its lock.
    for name in ("one", "two"):
        server.delete(f"/deployments/{server.deployment(f'{unique}/{name}-pr-2')['id']}")
    dead = ourselves().model_copy(update={"started": 1.0})
    server.post("/variables/", name=f"meta-prefect-lock-{unique}-pr-2", value=dead.model_dump(mode="json"))
    for environment in ("pr-1", "pr-2"):
        expire(server, unique, environment)
    before = sorted(left_of(server, unique, "pr-3"))

    assert environments(root) == 0
    listed = {line.partition(" ")[0]: line for line in capsys.readouterr().out.splitlines()}
    gone = asyncio.run(cast("Any", reap_previews)(path=str(root)))

    assert listed.keys() == {"dev", "pr-1", "pr-2", "pr-3"}
    assert "expires in 3d" in listed["pr-3"]
    assert "expired" in listed["pr-2"]
    assert gone == ["pr-1", "pr-2"]
    assert (left_of(server, unique, "pr-1"), left_of(server, unique, "pr-2")) == ([], [])
    assert sorted(left_of(server, unique, "pr-3")) == before
    assert server.deployment(f"{unique}/one-dev") is not None

    # Pruning takes along what only the pruned ones used, as taking down does.
    (root / "flows.py").unlink()
    (root / "meta_prefect.yaml").write_text(f"project: {unique}\ndeployments: {{}}\n")
    asyncio.run(cast("Any", prune)(path=str(root), environment="pr-3", dry_run=False))
    assert [one for one in left_of(server, unique, "pr-3") if "meta-prefect-preview" not in one] == []


@pytest.mark.thorough
@pytest.mark.timeout(1500)
def test_of_previews_half_of_them_killed_nothing_is_left(server: Api, root: Path, unique: str) -> None:
    """Not a deployment, automation, queue, lock or record, wherever the deploys that made them were killed."""
    names = [f"pr-{number}" for number in range(int(os.environ.get("META_PREFECT_TEST_PREVIEWS", "6")))]
    deploy([str(root)], env="dev")
    for number, environment in enumerate(names):
        if number % 2 == 0:
            deploy([str(root)], env=environment, expires="3d")
            continue
        command = [
            sys.executable,
            "-m",
            "meta_prefect.cli",
            "deploy",
            str(root),
            "--env",
            environment,
            "--expires",
            "3d",
        ]
        killed = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # The one later, the other sooner: with its lock and record alone, or with some of its deployments.
        least = 2 + number % 3
        wait_until(partial(has_begun, server, unique, environment, least), what="it has begun", seconds=120)
        killed.kill()
        killed.wait()
    for environment in names:
        expire(server, unique, environment)

    gone = asyncio.run(cast("Any", reap_previews)(path=str(root)))

    assert sorted(gone) == sorted(names)
    assert {environment: left_of(server, unique, environment) for environment in names} == {name: [] for name in names}


def has_begun(server: Api, project: str, environment: str, least: int) -> bool:
    """Whether there are as many things of a preview; before its record is there, it is none yet."""
    found = left_of(server, project, environment)
    return len(found) >= least and any(one.startswith("meta-prefect-preview-") for one in found)


def test_what_is_protected_or_not_there_is_not_taken_down(server: Api, project: Files, unique: str) -> None:
    """An environment that the file names is protected; of one that is not there the nearest is named."""
    file = "project: UNIQUE\nenvironments: {prod: , 'pr-*': }\n"
    described = project(**{"flows.py": CODE, "meta_prefect.yaml": file})
    del server
    take_down = cast("Any", destroy)
    with pytest.raises(ValidationFailed, match=r"environments\.prod: prod is protected, and is not taken down"):
        asyncio.run(take_down(path=str(described), environment="prod", dry_run=False))
    with pytest.raises(ValidationFailed, match=f"nothing of project {unique} is in 'pr-9'"):
        asyncio.run(take_down(path=str(described), environment="pr-9", dry_run=False))


@pytest.mark.parametrize(
    ("environment", "expires", "says"),
    [
        ("prod", "3d", "environments.prod: prod is protected, and does not expire"),
        ("pr-1", "soon", "expires: 'soon' is no length of time\n  Write '12h', '3d' or '2w'."),
    ],
)
def test_what_cannot_expire_is_refused(project: Files, environment: str, expires: str, says: str) -> None:
    """One message, with what to write."""
    root = project(**{"flows.py": CODE, "meta_prefect.yaml": "project: UNIQUE\nenvironments: {prod: , 'pr-*': }\n"})
    with pytest.raises(ValidationFailed) as failed:
        read_plan_input(
            read_project(root, required=False), root, environment, DeployOptions(expires=read_expiry(expires))
        )
    assert says in str(failed.value)
