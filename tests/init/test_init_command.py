"""`meta-prefect init` as somebody meets it who has flows, or a prefect.yaml, and no project file yet."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from meta_prefect.cli import main
from meta_prefect.deploy import deploy, validate
from meta_prefect.errors import ValidationFailed
from meta_prefect.project import read_project

FLOWS = '''
from prefect import flow


@flow
def etl(limit: int = 1) -> None:
    """Move orders."""


@flow(name="Weekly Report")
def weekly() -> None:
    pass
'''
NOWHERE = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
Project = Callable[..., Path]


@pytest.fixture
def flows(project: Project) -> Path:
    """A folder with two flows."""
    return project(**{"flows.py": FLOWS})


def init(root: Path, *options: str) -> int:
    """Type the command."""
    with pytest.raises(SystemExit) as ended:
        main(["init", str(root), *options])
    return int(ended.value.code or 0)


def test_flows_alone_become_a_project_that_can_be_deployed(
    flows: Path, unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An entry for each flow, a name for the project, a schema for the editor, and the command that comes next."""
    assert init(flows) == 0

    told = capsys.readouterr().out
    made = read_project(flows)
    assert (made.name, [entry.flow for entry in made.entries]) == (unique, ["etl", "Weekly Report"])
    assert told.splitlines()[-1] == f"Next: meta-prefect plan {flows}"
    first, *_ = (flows / "meta_prefect.yaml").read_text().splitlines()
    schema = json.loads((flows / first.partition("$schema=")[2]).read_text())
    assert "local_run_deployer variables" in schema["$defs"]
    assert [one.deployment for one in validate([str(flows)]).outcomes] == [
        "etl/default-dev",
        "Weekly Report/default-dev",
    ]


def test_the_source_is_not_run(project: Project, tmp_path: Path) -> None:
    """What can be read from the source is not imported: modules of flows may take seconds, or do something."""
    trace = tmp_path / "trace"
    root = project(**{"flows.py": FLOWS + f"\nopen({str(trace)!r}, 'w')\n"})
    assert init(root) == 0
    assert not trace.exists()


def test_flows_that_carry_builders_are_left_out(project: Project) -> None:
    """They are deployed without an entry, and would be twice."""
    built = FLOWS.replace("@flow(name", "@versioneer()\n@flow(name").replace(
        "from prefect import flow",
        "from prefect import flow\nfrom meta_prefect.implementations.metadata import versioneer",
    )
    root = project(**{"flows.py": built})
    assert init(root) == 0
    assert [entry.flow for entry in read_project(root).entries] == ["etl"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--recipe", "local_run_deploye"], "Did you mean 'local_run_deployer'?"),
        (["--recipe", "process_run_deployer"], "needs work_pool"),
        (["--set", "nonsense"], "sets nothing"),
        (["--set", "bogus=1"], "no variable 'bogus'"),
        (["--set", "schedule=61 * * * *"], "61"),
        (["--project", "My Project"], "Write 'my-project'."),
        (["--flow", "x*"], "Give --from-server as well."),
        (["--from-server", "--from-flows"], "several sources"),
        (["--from", "/nowhere/prefect.yaml"], "/nowhere/prefect.yaml"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    flows: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says which option, and what to write instead."""
    assert init(flows, *options) == 1

    said = capsys.readouterr().err
    assert told in " ".join(said.split())
    assert "Traceback" not in said
    assert [one.name for one in flows.iterdir()] == ["flows.py"]


def test_a_project_file_is_not_overwritten(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second time it says what to do instead."""
    assert init(flows) == 0
    before = (flows / "meta_prefect.yaml").read_text()

    assert init(flows, "--project", "other") == 1
    assert "not overwritten" in capsys.readouterr().err
    assert (flows / "meta_prefect.yaml").read_text() == before


def test_a_dry_run_prints_and_writes_nothing(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What would be written can be looked at first."""
    assert init(flows, "--dry-run", "--work-pool", "big") == 0

    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["deployments"]["etl"][0]["variables"]["work_pool"] == "big"
    assert [one.name for one in flows.iterdir()] == ["flows.py"]


def test_where_there_is_nothing_to_deploy_yet_the_flows_and_the_way_on_are_named(flows: Path) -> None:
    """`deploy` and `plan` in such a folder say how it begins."""
    with pytest.raises(ValidationFailed) as refused:
        deploy([str(flows)], dry_run=True)
    assert "Flows here: etl, Weekly Report. Begin with `meta-prefect init`" in str(refused.value.errors[0])


PREFECT_YAML = """
name: The Shop
pull:
- prefect.deployments.steps.git_clone:
    id: clone
    repository: https://git.example/shop.git
    access_token: '{{ prefect.blocks.secret.git }}'
- prefect.deployments.steps.pip_install_requirements:
    directory: '{{ clone.directory }}'
    requirements_file: requirements.txt
deployments:
- name: 1 first
  entrypoint: flows.py:etl
  schedule: null
  work_pool: {name: 2gb, job_variables: {}}
- name: second
  entrypoint: flows.py:etl
  parameters: {limit: 2}
  work_pool: {name: 8gb}
- name: third
  entrypoint: flows.py:weekly
  job_variables: {memory: 1}
  schedules: [{cron: 0 3 * * *, slug: third}]
  work_pool: {name: 2gb}
"""


def test_a_prefect_yaml_is_found_by_itself(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three deployments with the same two steps make a short file and a recipe; what never had an effect is said."""
    (flows / "prefect.yaml").write_text(PREFECT_YAML)

    assert init(flows) == 0

    told = capsys.readouterr().out
    assert "3 of 3 deployments" in told
    assert "had no effect until now" in told
    assert f"Next: meta-prefect plan {flows} --adopt" in told
    text = (flows / "meta_prefect.yaml").read_text()
    assert "# prefect.yaml:" in text
    assert (read_project(flows).name, read_project(flows).recipes) == ("the-shop", ("recipes",))
    names = [one.deployment for one in validate([str(flows)]).outcomes]
    assert names == ["etl/1 first", "etl/second", "Weekly Report/third"]


def test_flows_can_be_meant_though_there_is_a_prefect_yaml(flows: Path) -> None:
    """One that nobody uses any more does not stand in the way."""
    (flows / "prefect.yaml").write_text(PREFECT_YAML)
    assert init(flows, "--from-flows") == 0
    assert {entry.recipe for entry in read_project(flows).entries} == {"local_run_deployer"}


def typed(command: Sequence[str], answers: Sequence[str]) -> tuple[int, str]:
    """Run a command on a terminal, and answer each of its questions."""
    ours, terminal = pty.openpty()
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True)
    os.close(terminal)
    shown, left = "", list(answers)
    while True:
        assert select.select([ours], [], [], 120)[0], shown
        try:
            piece = os.read(ours, 4096).decode(errors="replace")
        except OSError:  # what a terminal says whose program has ended
            break
        shown += piece
        if shown.endswith("] ") and left:
            os.write(ours, left.pop(0).encode() + b"\n")
    os.close(ours)
    return process.wait(timeout=60), shown


def test_on_a_terminal_it_asks(flows: Path) -> None:
    """Where runs happen, the project's name, and whether to write; an empty answer takes what is proposed."""
    command = [sys.executable, "-m", "meta_prefect.cli", "init", str(flows)]

    code, shown = typed(command, ["big", "sales", "n"])
    assert (code, (flows / "meta_prefect.yaml").exists()) == (1, False), shown
    code, shown = typed(command, ["", "Sales Reports", ""])

    assert code == 0, shown
    made = read_project(flows)
    assert (made.name, {entry.recipe for entry in made.entries}) == ("sales-reports", {"local_run_deployer"})
