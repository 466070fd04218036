"""A recipe that comes with a package of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Api, wait_until

from meta_prefect.deploy import deploy

PACKAGE = '''
from meta_prefect import recipe
from meta_prefect.implementations.infra import local_process
from meta_prefect.implementations.metadata import namer, versioneer
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface


class Announce(FlowBuilderInterface):
    """Says what was deployed."""

    def update_deployment(self, deployment):
        deployment.tags.append("announced")
        return deployment

    def after_deployment(self, deployment):
        from prefect import get_run_logger

        get_run_logger().info("deployed %s", deployment.id)


@recipe
def acme_nightly(hour: int) -> FlowBuilderInterface:
    """Deploy as Acme does."""
    return namer(name=f"at-{hour}") | versioneer(version="1") | local_process() | Announce()
'''
FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - {recipe: acme_nightly, variables: {hour: 3}}
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with a recipe, as an installer leaves it: its code, and its metadata with the entry point."""
    site = tmp_path / "site"
    info = site / "acme_deploys-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_deploys.py").write_text(PACKAGE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-deploys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[meta_prefect.recipes]\nacme_nightly = acme_deploys:acme_nightly\n")
    monkeypatch.setattr("sys.path", [str(site), *sys.path])


def test_it_is_found_by_name_and_its_builder_acts_as_a_task(
    server: Api, installed: None, project: Callable[..., Path], unique: str
) -> None:
    """The project file names it without saying where it is; what its builder does afterwards is seen as a task."""
    flow = "from prefect import flow\n\n\n@flow(name='UNIQUE')\ndef work() -> None: ...\n"

    (outcome,) = deploy([str(project(flow=flow, **{"meta_prefect.yaml": FILE}))]).outcomes

    live = server.deployment(f"{unique}/at-3-dev")
    assert (outcome.action, outcome.recipe) == ("created", "acme_nightly")
    assert "announced" in live["tags"]
    query = {"task_runs": {"name": {"any_": [f"announce after {unique}/at-3-dev"]}}}
    assert wait_until(lambda: server.post("/task_runs/filter", **query), what="the task is recorded", seconds=30)
