"""How Prefect reads a prefect.yaml."""

from __future__ import annotations

import inspect
from pathlib import Path

from prefect.cli.deploy import _config, _core  # pyright: ignore[reportPrivateUsage] - pinned here
from prefect.deployments.runner import RunnerDeployment

from meta_prefect.prefect_internals import prefect_yaml
from meta_prefect.prefect_internals.as_prefect_would import REPLACED


def test_prefect_s_model_of_the_file_says_what_it_refuses(tmp_path: Path) -> None:
    """Otherwise `init` takes over a file of which Prefect deploys nothing, without a word."""
    file = tmp_path / "prefect.yaml"
    file.write_text("deployments:\n  - name: x\n    entrypoint: flow.py:etl\n    parameters: many\n")
    assert ("deployments", 0, "parameters") in {error["loc"][:3] for error in prefect_yaml.errors_in(file)}


def test_what_prefect_deploy_would_store_can_be_asked() -> None:
    """Otherwise `init` cannot prove that its file deploys what the prefect.yaml did, or something is written meanwhile."""
    assert vars(_core).keys() >= REPLACED.keys()
    asked = inspect.signature(vars(_core)["_run_single_deploy"]).parameters
    assert list(asked)[:4] == ["deploy_config", "actions", "options", "client"]
    assert asked.keys() >= {"console", "is_interactive"}
    assert "console" in inspect.signature(vars(_config)["_load_deploy_configs_and_actions"]).parameters
    assert "schedules" in inspect.signature(RunnerDeployment.apply).parameters
