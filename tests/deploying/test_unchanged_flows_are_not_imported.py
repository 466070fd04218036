"""What a deploy does not write it does not import, and what it writes is imported before."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Api

from meta_prefect.deploy import deploy, validate
from meta_prefect.errors import ValidationFailed
from meta_prefect.report import Report

FLOW = """
    from prefect import flow

    with open("RAN", "a") as mark:
        mark.write("x")

    @flow(name="UNIQUE")
    def add(x: int, y: int = 1) -> int:
        '''Add two numbers.'''
        return x + y
"""
FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: one}
        - recipe: local_run_deployer
          variables: {name: two}
"""


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """Where the flow's module leaves a mark whenever it is imported."""
    return tmp_path / "ran"


def actions(report: Report) -> set[str]:
    """What happened to the deployments."""
    return {outcome.action for outcome in report.outcomes}


def test_what_is_unchanged_is_not_imported(
    server: Api,
    project: Callable[..., Path],
    run_cli: Callable[..., subprocess.CompletedProcess[str]],
    ran: Path,
    tmp_path: Path,
    unique: str,
) -> None:
    """Nothing is remembered for that; a change is imported and then deployed, or refused where it cannot be imported."""
    root = project(flow=FLOW.replace("RAN", str(ran)), **{"meta_prefect.yaml": FILE})

    first = deploy([str(root)])
    again = deploy([str(root)], only_changed=True)
    assert [actions(one) for one in (first, again)] == [{"created"}, {"unchanged"}]

    shutil.copytree(root, tmp_path / "copy")
    shutil.rmtree(root)
    shutil.move(tmp_path / "copy", root)
    home = {"PREFECT_HOME": str(tmp_path / "home"), "META_PREFECT__START_WORKER": "false"}
    elsewhere = run_cli("deploy", str(root), "--only-changed", "--dry-run", env=home)
    assert "2 unchanged" in elsewhere.stdout, elsewhere.stdout + elsewhere.stderr
    assert ran.read_text() == "x"

    flow = root / "flow.py"
    flow.write_text(flow.read_text().replace("y: int = 1", "y: int = 2"))
    changed = deploy([str(root)], only_changed=True)
    assert actions(changed) == {"updated"}
    assert "parameter_openapi_schema" in changed.outcomes[0].detail
    schema = server.deployment(f"{unique}/one-dev")["parameter_openapi_schema"]
    assert schema["properties"]["y"]["default"] == 2
    assert ran.read_text() == "xx"

    flow.write_text(flow.read_text().replace("y: int = 2", "y: int = 3") + "\n1 / 0\n")
    with pytest.raises(ValidationFailed, match="division"):
        deploy([str(root)], only_changed=True)
    assert ran.read_text() == "xxx"


def test_a_check_always_imports(project: Callable[..., Path], ran: Path) -> None:
    """Whoever asks whether a project is sound wants its modules to be run."""
    root = project(flow=FLOW.replace("RAN", str(ran)), **{"meta_prefect.yaml": FILE})

    validate([str(root)])

    assert ran.read_text() == "x"
