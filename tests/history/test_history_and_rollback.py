"""History and rollback against a real server."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api, unmarked

from deployer_flows import rollback
from meta_prefect.deploy import deploy
from meta_prefect.errors import ConflictError, DeployFailed, TargetError
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.ledger import LedgerPage
from meta_prefect.report import Report
from meta_prefect.server import connect

CODE = """
    from prefect import flow
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
    from meta_prefect.implementations.concurrency import run_limit, work_queue
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import describer, namer, renamed_from, tags_resolver, versioneer
    from meta_prefect.implementations.schedule import scheduler

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        return n

    class Elsewhere(FlowBuilderInterface):
        def update_deployment(self, deployment):
            deployment.work_pool_name = "UNIQUE"
            return deployment

    class Sulking(FlowBuilderInterface):
        def update_deployment(self, deployment):
            return deployment

        def after_deployment(self, deployment):
            raise RuntimeError("no")

    def at(version):
        return versioneer(version=version) | local_process()
"""
FILE = {"meta_prefect.yaml": "project: UNIQUE\n"}
Project = Callable[..., Path]
Cli = Callable[..., subprocess.CompletedProcess[str]]

STORED = (
    "version",
    "description",
    "tags",
    "parameters",
    "job_variables",
    "entrypoint",
    "pull_steps",
    "work_pool_name",
    "work_queue_name",
    "paused",
    "concurrency_options",
    "parameter_openapi_schema",
)
"""Fields that a rollback must bring back; schedules and the limit are read from where the server keeps them."""


def code(project: Project, *lines: str) -> Path:
    """A project whose one module ends in some lines."""
    return project(**{"flows.py": CODE + "".join(f"    {line}\n" for line in lines)}, **FILE)


def back(root: Path, deployment: str, to: str | None = None, *, dry_run: bool = False) -> Report:
    """Roll a deployment back."""
    return asyncio.run(rollback(deployment=deployment, to=to, path=str(root), dry_run=dry_run))


def pages(project: str, environment: str | None = None) -> list[LedgerPage]:
    """A project's ledger, newest page first."""

    async def read() -> list[LedgerPage]:
        async with connect(LocalHost()) as server:
            return [stored.page async for stored in server.read_ledger_pages((project,), environment)]

    return asyncio.run(read())


def written(project: str) -> list[tuple[str, str, str | None]]:
    """What a project's ledger says was done, newest page first: deployment, action, version."""
    return [(one.deployment, one.action, one.version) for page in pages(project) for one in page.entries]


def stored(server: Api, name: str) -> dict[str, Any]:
    """What a rollback must bring back of a deployment."""
    live = unmarked(server.deployment(name))
    schedules = {one["slug"]: (one["schedule"], one["active"], one["parameters"]) for one in live["schedules"]}
    limit = live["global_concurrency_limit"]
    return {
        **{key: live[key] for key in STORED},
        "schedules": schedules,
        "limit": limit["limit"] if limit else None,
    }


@pytest.fixture
def two_versions(server: Api, project: Project, unique: str) -> Path:
    """A project whose one deployment was deployed at version 1, and at version 2 with a limit."""
    code(project, "mine = at('1')(work)")
    root = project()
    deploy([str(root)])
    code(project, "mine = (at('2') | run_limit(limit=2, collision='CANCEL_NEW'))(work)")
    deploy([str(root)])
    return root


def test_a_rollback_restores_the_first_of_three_versions(
    server: Api, project: Project, unique: str, run_cli: Cli
) -> None:
    """After three deploys, rolling back to the first brings back all of its fields, but for an operator's pause."""
    name = f"{unique}/mine-dev"
    first = "scheduler(schedule={'slug': 'a', 'rrule': 'FREQ=DAILY;BYHOUR=9', 'timezone': 'Europe/Paris'})"
    limit = "run_limit(limit=2, collision='CANCEL_NEW', grace_period=120)"
    root = code(project, f"mine = (at('1') | {first} | {limit})(work)")
    deploy([str(root)])
    wanted = stored(server, name)
    assert wanted["concurrency_options"] == {"collision_strategy": "CANCEL_NEW", "grace_period_seconds": 120}
    server.patch(f"/deployments/{server.deployment(name)['id']}", paused=True)
    second = "scheduler(schedule=[{'slug': 'a', 'cron': '0 9 * * *'}, {'slug': 'b', 'cron': '0 10 * * *'}])"
    code(project, f"mine = (at('2') | {second} | describer(text='second') | work_queue(name='UNIQUE'))(work)")
    deploy([str(root)])
    code(project, "mine = (at('3') | scheduler(schedule=[]) | run_limit(limit=0) | tags_resolver(tags=['x']))(work)")
    deploy([str(root)])
    listed = run_cli("history", name, "--path", str(root))

    done = run_cli("rollback", name, "--to", "1", "--path", str(root))

    assert done.returncode == 0, done.stderr
    assert f"updated {name} version 1 (rolled back to version 1: " in done.stdout
    assert stored(server, name) == {**wanted, "paused": True}
    assert [line.split("  ")[1:3] for line in listed.stdout.splitlines()] == [
        ["version 3", "updated"],
        ["version 2", "updated"],
        ["version 1", "created"],
    ]
    printed = run_cli("history", name, "--path", str(root), "--output", "json")
    history = json.loads(printed.stdout)
    assert [(one["version"], one["action"]) for one in history] == [
        ("1", "rolled back"),
        ("3", "updated"),
        ("2", "updated"),
        ("1", "created"),
    ]
    changed = {field["path"]: (field.get("before"), field.get("after")) for field in history[0]["fields"]}
    assert changed["version"] == ("3", "1")
    assert "paused" not in changed
    assert changed["concurrency_limit"] == (None, 2)
    assert history[0]["run_url"].endswith(history[0]["run_id"])
    assert "@" in history[0]["by"]


def test_a_second_rollback_undoes_the_first(server: Api, two_versions: Path, unique: str) -> None:
    """Without a version, the last one before the current is restored; after a rollback that is where it came from."""
    name = f"{unique}/mine-dev"
    before = stored(server, name)

    (first,) = back(two_versions, name).outcomes
    between = stored(server, name)
    (second,) = back(two_versions, name).outcomes

    assert (first.action, first.version) == ("updated", "1")
    assert (between["version"], between["limit"], between["concurrency_options"]) == ("1", None, None)
    assert second.version == "2"
    assert stored(server, name) == before
    (again,) = back(two_versions, name, "2").outcomes
    assert again.action == "unchanged"
    assert [action for _, action, _ in written(unique)] == ["rolled back", "rolled back", "updated", "created"]


def test_a_dry_run_says_what_would_go_back(server: Api, two_versions: Path, unique: str, run_cli: Cli) -> None:
    """A dry run shows each field's before and after, writes nothing and records nothing."""
    name = f"{unique}/mine-dev"
    live = server.deployment(name)

    done = run_cli("rollback", name, "--dry-run", cwd=two_versions)

    assert done.returncode == 0, done.stderr
    assert "concurrency_limit: 2 → null" in done.stdout
    assert "1 to update in dev" in done.stdout
    assert server.deployment(name)["updated"] == live["updated"]
    assert len(pages(unique)) == 2


def test_a_rollback_leaves_the_history_as_a_page(server: Api, two_versions: Path, unique: str) -> None:
    """Whoever has no terminal finds the versions of a deployment in what a dry run leaves, each with a link to its run."""
    back(two_versions, f"{unique}/mine-dev", dry_run=True)

    page = server.get(f"/artifacts/history-{unique}-{unique}-mine-dev/latest")["data"]

    *_, newest, oldest = page.splitlines()
    assert "| 2 | updated |" in newest
    assert "| 1 | created |" in oldest
    assert "/runs/flow-run/" in newest


def test_a_deleted_deployment_comes_back(server: Api, two_versions: Path, unique: str) -> None:
    """A deployment that somebody deleted is created again from the ledger, with its limit."""
    name = f"{unique}/mine-dev"
    was = stored(server, name)
    server.delete(f"/deployments/{server.deployment(name)['id']}")

    (outcome,) = back(two_versions, name, "2").outcomes

    assert outcome.action == "created"
    assert stored(server, name) == was


def test_the_command_line_refuses_without_a_traceback(two_versions: Path, unique: str, run_cli: Cli) -> None:
    """An unknown deployment or version ends with 1 and a line that names the known ones."""
    for command, says in (
        (["history", f"{unique}/mine-dve"], f"Did you mean '{unique}/mine-dev'?"),
        (["rollback", f"{unique}/mine-dev", "--to", "9"], "Known: 2, 1."),
    ):
        done = run_cli(*command, cwd=two_versions)

        assert done.returncode == 1
        assert says in done.stderr
        assert "Traceback" not in done.stderr


def test_a_deployment_that_went_to_another_project_is_refused(server: Api, two_versions: Path, unique: str) -> None:
    """Our ledger knows the deployment, but it is another project's by now: it stays as it is."""
    name = f"{unique}/mine-dev"
    server.patch(f"/deployments/{server.deployment(name)['id']}", tags=["meta-prefect=other"])
    live = server.deployment(name)

    with pytest.raises(ConflictError, match="belongs to the project 'other'"):
        back(two_versions, name)

    assert server.deployment(name)["updated"] == live["updated"]


def test_a_pool_that_is_gone_is_refused(server: Api, project: Project, unique: str) -> None:
    """A version whose work pool no longer exists is an error before anything is written."""
    server.post("/work_pools/", name=unique, type="process")
    root = code(project, "mine = (versioneer(version='1') | Elsewhere())(work)")
    deploy([str(root)])
    code(project, "mine = at('2')(work)")
    deploy([str(root)])
    server.delete(f"/work_pools/{unique}")

    with pytest.raises(TargetError, match=f"at version 1 it ran in the work pool '{unique}', which is gone"):
        back(root, f"{unique}/mine-dev")


def test_only_what_was_written_is_recorded(server: Api, project: Project, unique: str) -> None:
    """A deploy records the deployments that it wrote, even one whose builder failed afterwards; no write, no page."""
    root = code(project, "one = at('1')(work)")
    deploy([str(root)])
    deploy([str(root)])
    assert written(unique) == [(f"{unique}/one-dev", "created", "1")]
    code(project, "one = at('1')(work)", "two = (at('1') | Sulking())(work)")

    with pytest.raises(DeployFailed):
        deploy([str(root)])

    assert written(unique) == [(f"{unique}/two-dev", "created", "1"), (f"{unique}/one-dev", "created", "1")]


def test_a_renamed_deployment_is_recorded_twice(server: Api, project: Project, unique: str) -> None:
    """The new name was created, and the old one deleted: its last record can be read in the history."""
    root = code(project, "old = at('1')(work)")
    deploy([str(root)])
    code(project, "new = (at('1') | renamed_from(name='old'))(work)")
    deploy([str(root)])

    assert written(unique) == [
        (f"{unique}/new-dev", "created", "1"),
        (f"{unique}/old-dev", "deleted", "1"),
        (f"{unique}/old-dev", "created", "1"),
    ]


def test_a_page_says_who_deployed_what(server: Api, two_versions: Path, unique: str) -> None:
    """A page is an artifact of the recipe's run, in words and as data, with the deploy that it belongs to."""
    newest, first = pages(unique)
    assert newest.run_id is not None
    assert newest.deploy_id != first.deploy_id
    assert (newest.environment, newest.recipe) == ("dev", "decorated_flow_deployer")
    run = server.get(f"/flow_runs/{newest.run_id}")
    (artifact,) = server.post(
        "/artifacts/filter", artifacts={"key": {"any_": [newest.key]}, "flow_run_id": {"any_": [run["id"]]}}
    )
    assert f"`{unique}/mine-dev` updated, version 2" in artifact["description"]


def test_projects_and_environments_have_ledgers_of_their_own(server: Api, project: Project, unique: str) -> None:
    """A project whose name begins like another one's is kept apart from it, and one environment from the next."""
    root = code(project, "mine = at('1')(work)")
    deploy([str(root)])
    deploy([str(root)], env="prod")
    (root / "meta_prefect.yaml").write_text(f"project: {unique}-prod\n")
    (root / "flows.py").write_text((root / "flows.py").read_text().replace("mine =", "other ="))
    deploy([str(root)], env="dev")

    assert [page.environment for page in pages(unique)] == ["prod", "dev"]
    assert [page.environment for page in pages(unique, "prod")] == ["prod"]
    assert [page.entries[0].deployment for page in pages(f"{unique}-prod")] == [f"{unique}/other-dev"]


def test_a_long_ledger_is_read_in_pages(server: Api, two_versions: Path, unique: str) -> None:
    """More pages than the API returns at once are all read, newest first."""
    (_, first) = pages(unique)
    data = first.model_dump(mode="json")
    for number in range(200):
        server.post("/artifacts/", type="ledger", key=first.key, data={**data, "deploy_id": str(number)})

    read = pages(unique)

    assert [page.deploy_id for page in read[:200]] == [str(number) for number in reversed(range(200))]
    assert len(read) == 202


def test_no_api_no_history(tmp_path: Path, run_cli: Cli) -> None:
    """Where no Prefect API is configured, both commands say so; neither starts a server to look."""
    (tmp_path / "meta_prefect.yaml").write_text("project: nobody\n")
    for command in (["history", "a/b"], ["rollback", "a/b", "--dry-run"]):
        done = run_cli(*command, cwd=tmp_path, env={"PREFECT_API_URL": "", "PREFECT_HOME": str(tmp_path)})

        assert done.returncode == 1
        assert "no Prefect API" in done.stderr


KILLED = """
    import os
    import signal
    from pathlib import Path

    from prefect import flow
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import describer, versioneer
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

    class Deadly(FlowBuilderInterface):
        def update_deployment(self, deployment):
            return deployment

        def after_deployment(self, deployment):
            if Path(__file__).with_name("kills").exists():
                os.kill(os.getpid(), signal.SIGKILL)

    @flow(name="UNIQUE")
    def work() -> None: ...

    mine = (describer(text="TEXT") | versioneer(strategy="increment") | local_process() | Deadly())(work)
"""


@pytest.mark.faults
def test_a_version_that_a_killed_deploy_wrote_can_be_restored(
    server: Api, project: Project, unique: str, run_cli: Cli
) -> None:
    """A deploy is killed once it has written version 2, the next one completes it, another makes 3: back is 2, by name too."""

    def write(text: str) -> Path:
        return project(**{"flows.py": KILLED.replace("TEXT", text)}, **FILE)

    name = f"{unique}/mine-dev"
    deploy([str(write("one"))])
    root = write("two")
    (root / "kills").touch()
    assert run_cli("deploy", str(root)).returncode == -9
    (root / "kills").unlink()
    assert server.deployment(name)["version"] == "2"
    deploy([str(root)])
    deploy([str(write("three"))])
    assert server.deployment(name)["version"] == "3"

    (outcome,) = back(root, name).outcomes

    assert (outcome.version, server.deployment(name)["description"]) == ("2", "two")
    (named,) = back(root, name, "2").outcomes
    assert named.action == "unchanged"
