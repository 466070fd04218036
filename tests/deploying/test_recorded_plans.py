"""A plan that was looked at is applied exactly, or not at all; a deploy that was not finished is completed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Api

from meta_prefect.deploy import deploy
from meta_prefect.errors import DeployFailed, MovedError, TargetError, ValidationFailed

CODE = """
    import pathlib
    from prefect import flow
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import describer, versioneer

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        return n

    class sulking(FlowBuilderInterface):
        def update_deployment(self, deployment):
            return deployment

        def after_deployment(self, deployment):
            if pathlib.Path(__file__).with_name("sulk").exists():
                raise RuntimeError("no")
            with pathlib.Path(__file__).with_name("acted").open("a") as out:
                out.write(deployment.version if isinstance(deployment.version, str) else "?")

    counted = versioneer(strategy="increment") | local_process()
"""
FILE = {"meta_prefect.yaml": "project: UNIQUE\n"}
Project = Callable[..., Path]
Cli = Callable[..., subprocess.CompletedProcess[str]]


def code(project: Project, *lines: str) -> Path:
    """A project whose one module ends in some lines."""
    return project(**{"flows.py": CODE + "".join(f"    {line}\n" for line in lines)}, **FILE)


def plan_of(root: Path, **options: object) -> str:
    """Make a plan; returns the id of its run."""
    report = deploy([str(root)], dry_run=True, **options)  # type: ignore[arg-type]
    assert report.run_id is not None
    return report.run_id


def versions(server: Api, unique: str) -> dict[str, str]:
    """The live versions by deployment."""
    return {one["name"]: one["version"] for one in server.deployments_of(unique)}


def test_a_plan_is_applied_as_it_was_shown(server: Api, project: Project, unique: str, run_cli: Cli) -> None:
    """What the plan was asked comes with it: its selection, its versions; the command to type is printed by the plan."""
    root = code(project, "one = counted(work)", "two = counted(work)")
    planned = run_cli("plan", str(root), "--select", "*/one-*")
    command = planned.stdout.strip().splitlines()[-1].rpartition("meta-prefect ")[2].split()

    done = run_cli(*command, cwd=root)

    assert planned.returncode == 2, planned.stderr
    assert command[:2] == ["deploy", "--plan"]
    assert done.returncode == 0, done.stderr
    assert versions(server, unique) == {"one-dev": "1"}


def test_a_plan_is_refused_where_the_server_has_moved(server: Api, project: Project, unique: str) -> None:
    """Somebody changes a deployment after the plan was made: nothing is written, and it is named."""
    root = code(project, "one = counted(work)", "two = counted(work)")
    deploy([str(root)])
    code(project, "one = (counted | describer(text='new'))(work)", "two = counted(work)")
    run_id = plan_of(root)
    live = server.deployment(f"{unique}/two-dev")
    server.patch(f"/deployments/{live['id']}", paused=True)

    with pytest.raises(MovedError, match=f"deployment {unique}/two-dev has been changed on the server"):
        deploy([str(root)], plan=run_id)

    assert versions(server, unique) == {"one-dev": "1", "two-dev": "1"}


def test_a_plan_is_refused_where_the_project_has_changed(server: Api, project: Project, unique: str) -> None:
    """Somebody changes the code after the plan was made: another description, and one more deployment."""
    root = code(project, "one = counted(work)")
    run_id = plan_of(root)
    code(project, "one = (counted | describer(text='new'))(work)", "two = counted(work)")

    with pytest.raises(MovedError) as refused:
        deploy([str(root)], plan=run_id)

    assert f"deployment {unique}/one-dev is asked for otherwise by the project" in str(refused.value)
    assert f"deployment {unique}/two-dev is new" in str(refused.value)
    assert server.deployments_of(unique) == []


@pytest.mark.parametrize(
    ("run", "says"),
    [("nonsense", "'nonsense' is no flow run's id"), ("0" * 8 + "-0000-4000-8000-" + "0" * 12, "has made no plan")],
)
def test_a_plan_that_is_not_there(server: Api, project: Project, run: str, says: str) -> None:
    """An id that leads nowhere is an error that says where to get one."""
    with pytest.raises(TargetError, match=says):
        deploy([str(code(project, "one = counted(work)"))], plan=run)


def test_a_plan_for_another_environment_is_refused(server: Api, project: Project) -> None:
    """A plan for dev is not applied to prod."""
    root = code(project, "one = counted(work)")
    run_id = plan_of(root)

    with pytest.raises(ValidationFailed, match="is for the environment 'dev', not for 'prod'"):
        deploy([str(root)], plan=run_id, env="prod")


def test_what_a_plan_is_asked_cannot_be_changed_later(project: Project, run_cli: Cli) -> None:
    """Options that say what is deployed belong to the plan."""
    done = run_cli("deploy", str(code(project)), "--plan", "x", "--prune", "--select", "y")

    assert done.returncode == 1
    assert "--plan and --select, --prune do not go together" in done.stderr


def test_no_deletes_at_all_is_something_that_is_asked(project: Project, run_cli: Cli) -> None:
    """`--max-deletes 0` is not taken for an option that was left out."""
    done = run_cli("deploy", str(code(project)), "--plan", "x", "--max-deletes", "0")

    assert done.returncode == 1
    assert "--plan and --max-deletes do not go together" in done.stderr


def test_the_same_command_completes_what_failed(server: Api, project: Project, unique: str) -> None:
    """The same deploy again gives all the failed one's version, lets builders act that had not, and the next one counts on."""
    lines = ["one = counted(work)", "two = (sulking() | counted)(work)", "three = counted(work)"]
    root = code(project, *lines)
    deploy([str(root)])
    (root / "sulk").touch()
    with pytest.raises(DeployFailed):
        deploy([str(root)])
    half = versions(server, unique)
    (root / "sulk").unlink()

    report = deploy([str(root)])

    assert half == {"one-dev": "2", "two-dev": "2", "three-dev": "2"}
    assert versions(server, unique) == half
    assert {one.action for one in report.outcomes} == {"unchanged"}
    assert len((root / "acted").read_text()) == 2
    assert [one.version for one in deploy([str(root)]).outcomes] == ["3", "3", "3"]


def test_a_changed_project_is_a_deploy_of_its_own(server: Api, project: Project, unique: str) -> None:
    """What was mended after a failure is the next version, for all."""
    root = code(project, "one = counted(work)", "two = (sulking() | counted)(work)")
    (root / "sulk").touch()
    with pytest.raises(DeployFailed):
        deploy([str(root)])
    (root / "sulk").unlink()
    code(project, "one = counted(work)", "two = (counted | describer(text='mended'))(work)")

    deploy([str(root)])

    assert versions(server, unique) == {"one-dev": "2", "two-dev": "2"}


def test_all_or_nothing_puts_everything_back(server: Api, project: Project, unique: str) -> None:
    """One part fails: what was created is gone, what was changed is as it was, and the report says so."""
    root = code(project, "one = counted(work)", "two = (sulking() | counted)(work)")
    deploy([str(root)])
    before = {one["name"]: one for one in server.deployments_of(unique)}
    changed = "({} | describer(text='new'))(work)"
    lines = [
        f"one = {changed.format('counted')}",
        "new = counted(work)",
        f"two = {changed.format('sulking() | counted')}",
    ]
    code(project, *lines)
    (root / "sulk").touch()

    with pytest.raises(DeployFailed) as failed:
        deploy([str(root)], on_error="atomic")

    after = {one["name"]: one for one in server.deployments_of(unique)}
    assert after.keys() == before.keys()
    for name, live in after.items():
        same = {key for key in live if key not in ("updated", "status", "last_polled")}
        assert {key: live[key] for key in same} == {key: before[name][key] for key in same}
    report = failed.value.report
    told = {one.deployment.partition("/")[2]: one.action for one in report.outcomes}
    assert told == {"one-dev": "put back", "new-dev": "put back", "two-dev": "failed"}
