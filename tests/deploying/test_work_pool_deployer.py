"""A flow in a work pool that somebody else keeps, with everything that an entry of a ``prefect.yaml`` can say."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from planning import left_to_do
from support import Api, run_deployment

from meta_prefect.deploy import deploy
from meta_prefect.engine.plan_input import read_plan_input
from meta_prefect.engine.status import project_status
from meta_prefect.errors import ValidationFailed
from meta_prefect.local.host import LocalHost
from meta_prefect.local.worker import stop_worker
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.project import read_project
from meta_prefect.server import connect

Project = Callable[..., Path]
FLOW = """
    import os
    from pathlib import Path

    from prefect import flow, get_run_logger

    @flow(name="UNIQUE")
    def work(n: int = 1, s: str = "") -> None:
        '''Work.'''
        made = Path("made.txt").read_text().strip() if Path("made.txt").exists() else ""
        told = (os.environ.get("META_PREFECT__ENV"), os.environ.get("PURPOSE"), n, s, made)
        get_run_logger().info("told %r", told)
"""
EVERYTHING = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: work_pool_deployer
          variables:
            name: everything
            name_pattern: "{env} {name}"
            work_pool: UNIQUE
            work_queue: fast
            job_variables: {stream_output: false, env: {PURPOSE: nightly}}
            parameters: {n: 3, s: "{{ not.a.template }}"}
            enforce_parameter_schema: false
            tags: [Production, V3]
            description: "**Ours.**"
            version: v7
            paused: true
            concurrency_limit: {limit: 3, collision_strategy: CANCEL_NEW, grace_period_seconds: 90}
            entrypoint: elsewhere/flow.py:work
            schedules:
              - {cron: "0 9 * * 1-5", timezone: Europe/Berlin, slug: nine, active: false, parameters: {n: 9}}
              - {interval: 3600, anchor_date: 2026-01-05T09:00:00+00:00, slug: hourly}
            holidays: false
            pull:
              - prefect.deployments.steps.git_clone: {id: clone, repository: "https://git.example/a.git", branch: main}
              - prefect.deployments.steps.pip_install_requirements: {directory: "{{ clone.directory }}"}
              - prefect.deployments.steps.run_shell_script: {script: "echo {{ $HOME }}", directory: "{{ clone.directory }}"}
"""
IN_A_FOLDER = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: work_pool_deployer
          variables:
            name: stepped
            work_pool: UNIQUE
            parameters: {n: 5}
            job_variables: {env: {PURPOSE: tried}}
            pull:
              - prefect.deployments.steps.set_working_directory: {id: code, directory: FOLDER}
              - prefect.deployments.steps.run_shell_script: {id: said, script: "echo built"}
              - prefect.deployments.steps.run_shell_script:
                  script: |
                    echo begun
                    echo {{ said.stdout }} > made.txt
                  directory: "{{ code.directory }}"
                  shell: true
"""


IN_A_CLONE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: work_pool_deployer
          variables:
            name: stepped
            work_pool: UNIQUE
            parameters: {n: 5}
            job_variables: {env: {PURPOSE: tried}}
            pull:
              - prefect.deployments.steps.git_clone: {id: code, repository: "file://FOLDER"}
              - prefect.deployments.steps.run_shell_script: {id: said, script: "cat word.txt", directory: "{{ code.directory }}"}
              - prefect.deployments.steps.run_shell_script:
                  script: echo {{ said.stdout }} > made.txt
                  directory: "{{ code.directory }}"
                  shell: true
"""


@pytest.fixture
def pool(server: Api, unique: str) -> str:
    """A work pool that somebody has made by hand, as `prefect work-pool create --type process` does."""
    server.post("/work_pools/", name=unique, type="process", base_job_template=asyncio.run(_own_template()))
    return unique


async def _own_template() -> dict[str, Any]:
    async with connect(LocalHost()) as api:
        return await api.base_job_template("process")


def deployed(server: Api, root: Path, name: str) -> Any:
    """Deploy; the same again finds nothing to do."""
    deploy([str(root)])
    assert left_to_do(root) == []
    return server.deployment(name)


def test_each_field_arrives_as_it_is_written(server: Api, project: Project, unique: str, pool: str) -> None:
    """What the entry says is on the server, and the pool is as it was."""
    before = server.get(f"/work_pools/{pool}")["base_job_template"]
    root = project(**{"flow.py": FLOW, "meta_prefect.yaml": EVERYTHING})

    made = deployed(server, root, f"{unique}/dev everything")

    steps = "prefect.deployments.steps."
    expected = {
        "version": "v7",
        "description": "**Ours.**",
        "work_pool_name": unique,
        "work_queue_name": "fast",
        "parameters": {"n": 3, "s": "{{ not.a.template }}"},
        "enforce_parameter_schema": False,
        "paused": True,
        "entrypoint": "elsewhere/flow.py:work",
        "concurrency_options": {"collision_strategy": "CANCEL_NEW", "grace_period_seconds": 90},
        "job_variables": {
            "stream_output": False,
            "env": {"PURPOSE": "nightly", "META_PREFECT__ENV": "dev"},
        },
        "pull_steps": [
            {f"{steps}git_clone": {"id": "clone", "repository": "https://git.example/a.git", "branch": "main"}},
            {f"{steps}pip_install_requirements": {"directory": "{{ clone.directory }}"}},
            {f"{steps}run_shell_script": {"script": "echo {{ $HOME }}", "directory": "{{ clone.directory }}"}},
        ],
    }
    assert {key: made[key] for key in expected} == expected
    assert sorted(made["tags"]) == sorted(["Production", "V3", "env=dev", f"meta-prefect={unique}"])
    assert made["global_concurrency_limit"]["limit"] == 3
    schedules = {one["slug"]: one for one in made["schedules"]}
    nine, hourly = schedules["nine"], schedules["hourly"]
    assert (nine["active"], nine["parameters"], nine["schedule"]["cron"]) == (False, {"n": 9}, "0 9 * * 1-5")
    assert nine["schedule"]["timezone"] == "Europe/Berlin"
    assert (hourly["active"], hourly["schedule"]["interval"]) == (False, 3600)
    assert server.get(f"/work_pools/{pool}")["base_job_template"] == before


CHANGES: list[tuple[str, str, str]] = [
    ("work_queue: fast", "work_queue: slow", "work_queue_name"),
    ("{PURPOSE: nightly}", "{PURPOSE: hourly}", "job_variables.env.PURPOSE"),
    ("parameters: {n: 3,", "parameters: {n: 4,", "parameters.n"),
    ("schema: false", "schema: true", "enforce_parameter_schema"),
    ("[Production, V3]", "[Production]", "tags"),
    ("**Ours.**", "Theirs.", "description"),
    ("version: v7", "version: v8", "version"),
    ("paused: true", "paused: false", "paused"),
    ("limit: 3", "limit: 4", "concurrency_limit"),
    ("CANCEL_NEW", "ENQUEUE", "collision_strategy"),
    ("seconds: 90", "seconds: 91", "grace_period_seconds"),
    ("elsewhere/flow.py", "here/flow.py", "entrypoint"),
    ("parameters: {n: 9}", "parameters: {n: 8}", "schedules.nine.parameters.n"),
    ("active: false", "active: true", "schedules.nine.active"),
    ("branch: main", "branch: next", "pull_steps.0.prefect.deployments.steps.git_clone.branch"),
]


def test_a_plan_and_the_status_show_each_change(server: Api, project: Project, unique: str, pool: str) -> None:
    """Whatever of it changes in the file, exactly that field is shown, as an update and as pending."""
    root = project(**{"flow.py": FLOW, "meta_prefect.yaml": EVERYTHING})
    deploy([str(root)])

    async def status() -> list[str]:
        async with connect(LocalHost()) as api:
            found = await project_status(
                read_plan_input(read_project(root, required=False), root, None, DeployOptions()), api
            )
        return [one.path for one in found.deployments[0].fields if one.kind == "pending"]

    for before, after, shown in CHANGES:
        assert EVERYTHING.count(before) == 1, before
        project(**{"meta_prefect.yaml": EVERYTHING.replace(before, after)})
        plan = deploy([str(root)], dry_run=True).plan
        assert plan is not None
        (change,) = [one for one in plan.changes if one.kind == "deployment"]
        assert (before, [field.path for field in change.fields]) == (before, [shown])
        assert (before, asyncio.run(status())) == (before, [shown.partition(".0.")[0]])


@pytest.fixture
def worker(pool: str) -> Generator[None]:
    """A worker that somebody runs for the pool."""
    asyncio.run(LocalHost().start_worker(pool))
    yield
    stop_worker(pool)


def committed(root: Path) -> None:
    """Make the folder a Git repository with all that is in it."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=root, check=True)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("file", [pytest.param(IN_A_FOLDER, id="folder"), pytest.param(IN_A_CLONE, id="clone")])
def test_a_run_takes_the_steps(server: Api, project: Project, unique: str, tmp_path: Path, file: str) -> None:
    """Each step gets what the ones before it gave; the run starts in the folder, with its parameters and environment."""
    text = file.replace("FOLDER", str(tmp_path / unique))
    root = project(**{"flow.py": FLOW, "word.txt": "built\n", "meta_prefect.yaml": text})
    committed(root)
    made = deployed(server, root, f"{unique}/stepped-dev")

    state, logs = run_deployment(server, made, s="x")

    assert state["type"] == "COMPLETED", logs
    assert "told ('dev', 'tried', 5, 'x', 'built')" in logs


def test_a_pool_that_is_not_there(server: Api, project: Project, unique: str) -> None:
    """Nothing is written, unless the entry says of what type it is to be."""
    file = IN_A_FOLDER.replace("FOLDER", "/tmp")  # noqa: S108 - any folder
    root = project(**{"flow.py": FLOW, "meta_prefect.yaml": file})
    with pytest.raises(ValidationFailed) as failed:
        deploy([str(root)])
    assert f"{unique}" in str(failed.value)
    assert server.deployment(f"{unique}/stepped-dev") is None

    project(
        **{"meta_prefect.yaml": file.replace("work_pool: UNIQUE", "work_pool: UNIQUE\n            pool_type: process")}
    )
    deployed(server, root, f"{unique}/stepped-dev")
    assert server.get(f"/work_pools/{unique}")["type"] == "process"


def test_a_pool_that_another_recipe_makes(server: Api, project: Project, unique: str) -> None:
    """The pool is there before its queue and its deployment are, though the recipe that makes it stands behind."""
    root = project(
        **{
            "flow.py": FLOW,
            "meta_prefect.yaml": """
                project: UNIQUE
                deployments:
                  UNIQUE:
                    - {recipe: work_pool_deployer, variables: {name: taking, work_pool: UNIQUE, work_queue: fast}}
                    - {recipe: process_run_deployer, variables: {name: making, work_pool: UNIQUE}}
            """,
        }
    )

    made = deployed(server, root, f"{unique}/taking-dev")

    assert (made["work_pool_name"], made["work_queue_name"]) == (unique, "fast")
    assert server.deployment(f"{unique}/making-dev")["work_pool_name"] == unique
