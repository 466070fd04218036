"""Deploys of an unchanged project do not import its flows; whatever checks a project does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Api

from meta_prefect.deploy import deploy, validate
from meta_prefect.report import Report

pytestmark = pytest.mark.usefixtures("process_that_begins_now")

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
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the flow's module leaves a mark whenever it is imported. The test's projects do not count as temporary."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "ran"


def actions(report: Report) -> set[str]:
    """What happened to the deployments."""
    return {outcome.action for outcome in report.outcomes}


def test_an_unchanged_project_is_deployed_without_importing_its_flows(
    server: Api, project: Callable[..., Path], ran: Path, unique: str
) -> None:
    """Plans and deploys use what an earlier one learned; a change of a default is seen and deployed."""
    root = project(flow=FLOW.replace("RAN", str(ran)), **{"meta_prefect.yaml": FILE})

    first = deploy([str(root)])
    again = deploy([str(root)], only_changed=True)
    planned = deploy([str(root)], dry_run=True, only_changed=True)

    assert [actions(one) for one in (first, again, planned)] == [{"created"}, {"unchanged"}, {"unchanged"}]
    assert ran.read_text() == "x"

    flow = root / "flow.py"
    flow.write_text(flow.read_text().replace("y: int = 1", "y: int = 2"))
    changed = deploy([str(root)], only_changed=True)

    assert actions(changed) == {"updated"}
    assert "parameter_openapi_schema" in changed.outcomes[0].detail
    schema = server.deployment(f"{unique}/one-dev")["parameter_openapi_schema"]
    assert schema["properties"]["y"]["default"] == 2
    assert actions(deploy([str(root)], only_changed=True)) == {"unchanged"}
    assert ran.read_text() == "xx"


def test_a_check_always_imports(project: Callable[..., Path], ran: Path) -> None:
    """Whoever asks whether a project is sound wants its modules to be run."""
    root = project(flow=FLOW.replace("RAN", str(ran)), **{"meta_prefect.yaml": FILE})

    for _ in range(2):
        validate([str(root)])

    assert ran.read_text() == "xx"


def test_the_setting_turns_it_off(
    server: Api, project: Callable[..., Path], ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With META_PREFECT__REMEMBER_FLOWS=false every deploy imports."""
    monkeypatch.setenv("META_PREFECT__REMEMBER_FLOWS", "false")
    root = project(flow=FLOW.replace("RAN", str(ran)), **{"meta_prefect.yaml": FILE})

    for _ in range(2):
        deploy([str(root)], dry_run=True)

    assert ran.read_text() == "xx"
