"""Two environments on two Prefect servers: each command goes to the one that its environment names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from support import Api
from texts import WORK_FLOW

from deployer_flows import deploy_project
from meta_prefect.cli.bootstrap import Timetable, bootstrap
from meta_prefect.cli.environments import environments
from meta_prefect.cli.history import history
from meta_prefect.cli.hold import hold
from meta_prefect.cli.status import status
from meta_prefect.deploy import deploy
from meta_prefect.errors import ValidationFailed

FILE = """
    project: UNIQUE
    environments:
      dev:
      prod:
        api_url: PROD
        defaults: {active: true}
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: nightly, schedule: {cron: "0 9 * * *"}, holidays: false}
          overrides: {prod: {parameters: {n: 7}}}
"""
Files = Callable[..., Path]


def test_each_command_goes_to_the_server_of_its_environment(
    server: Api, prod_server: Api, project: Files, unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deploy, plan, status, history, hold and the list of environments; what is in prod is on no other server."""
    root = project(flow=WORK_FLOW, **{"meta_prefect.yaml": FILE.replace("PROD", prod_server.url)})
    name = f"{unique}/nightly-prod"
    said: list[str] = []

    deploy([str(root)], env="dev")
    deployed = deploy([str(root)], env="prod", say=said.append)
    planned = deploy([str(root)], env="prod", dry_run=True)

    # It is named before anything is written.
    assert said[0] == f"{unique} in prod: {prod_server.url}"
    assert (deployed.run_url or "").startswith(prod_server.ui_url)
    assert planned.plan is not None
    assert not planned.plan.has_changes
    there = prod_server.deployment(name)
    assert (there["parameters"], there["schedules"][0]["active"]) == ({"n": 7}, True)
    here = server.deployment(f"{unique}/nightly-dev")
    assert (here["parameters"], here["schedules"][0]["active"]) == ({}, False)
    assert (server.deployment(name), prod_server.deployment(f"{unique}/nightly-dev")) == (None, None)

    assert status(str(root), env="prod") == 0
    assert history(name, path=root, env="prod") == 0
    assert hold(name, because="a test", path=root, env="prod") == 0
    assert "created" in capsys.readouterr().out
    assert environments(root, output="json") == 0
    found = {one["environment"]: one for one in json.loads(capsys.readouterr().out)}
    assert {env: one["server"] for env, one in found.items()} == {"dev": server.url, "prod": prod_server.url}
    assert {env: (one["deployments"], one["state"]) for env, one in found.items()} == {
        "dev": (1, "in sync"), "prod": (1, "in sync")
    }  # fmt: skip
    assert found["prod"]["deployed_at"] is not None


def test_a_flow_that_is_called_refuses_another_server(
    server: Api, prod_server: Api, project: Files, unique: str
) -> None:
    """What is called in Python with the wrong API in force writes nothing, and names both."""
    root = project(flow=WORK_FLOW, **{"meta_prefect.yaml": FILE.replace("PROD", prod_server.url)})
    with pytest.raises(ValidationFailed, match=f"prod is on {prod_server.url}, and the Prefect API of this run is"):
        asyncio.run(cast("Any", deploy_project)(path=str(root), environment="prod"))
    assert server.deployment(f"{unique}/nightly-prod") is None


def test_each_server_gets_a_deployer_for_its_own_environments(
    server: Api, prod_server: Api, project: Files, unique: str
) -> None:
    """The forms offer what is on their server; redeploys and the reaping of previews are where their environments are."""
    file = FILE.replace("PROD", prod_server.url).replace("dev:\n", "dev:\n      pr-*: {expires: 3d}\n")
    root = project(flow=WORK_FLOW, **{"meta_prefect.yaml": file})

    assert bootstrap(root, timetable=Timetable(redeploy="0 5 * * *", redeploy_in="prod")) == 0

    deployers = {api: api.deployment(f"deploy-project/{unique}") for api in (server, prod_server)}
    offered = {
        api: deployer["parameter_openapi_schema"]["properties"]["environment"]["enum"]
        for api, deployer in deployers.items()
    }
    assert offered == {server: ["dev"], prod_server: ["prod"]}
    assert {api: len(deployer["schedules"]) for api, deployer in deployers.items()} == {server: 0, prod_server: 1}
    reaper = server.deployment(f"reap-previews/{unique}")
    assert [one["schedule"]["cron"] for one in reaper["schedules"]] == ["@hourly"]
    assert bootstrap(root, remove=True) == 0
    assert (server.deployment(f"reap-previews/{unique}"), prod_server.deployment(f"deploy-project/{unique}")) == (
        None,
        None,
    )
