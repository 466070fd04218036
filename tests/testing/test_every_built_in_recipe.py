"""An expert's tests of recipes, here of all that come with the package: no server, nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from deployer_flows import (
    docker_run_deployer,
    ecs_run_deployer,
    kubernetes_run_deployer,
    local_run_deployer,
    process_run_deployer,
    work_pool_deployer,
)
from meta_prefect.errors import MetaPrefectError
from meta_prefect.interfaces.components import WorkerPool
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.recipes import Recipe
from meta_prefect.testing import (
    Live,
    ReadyDeployment,
    changes_of,
    deployment_of,
    deployments_of,
    fires_of,
    job_of,
    plan_of,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
IMAGE = "registry.example/shop:1.4.2"


@flow
def ingest(source: str = "orders", rows: int = 10) -> str:
    """Ingest a source."""
    return source * rows


RECIPES: dict[str, tuple[Recipe, dict[str, Any]]] = {
    "process": (local_run_deployer, {}),
    "shared process": (process_run_deployer, {"work_pool": "team", "env_vars": {"STAGE": "blue"}}),
    "docker": (docker_run_deployer, {"image": IMAGE, "memory": 2, "env_vars": {"STAGE": "blue"}}),
    "kubernetes": (kubernetes_run_deployer, {"image": IMAGE, "memory": 2, "env_vars": {"STAGE": "blue"}}),
    "ecs": (ecs_run_deployer, {"image": IMAGE, "memory": 2, "env_vars": {"STAGE": "blue"}}),
    "pool": (work_pool_deployer, {"work_pool": "theirs", "pool_type": "kubernetes", "image": IMAGE}),
}
EACH = pytest.mark.parametrize("kind", RECIPES)
WHERE_THE_ENVIRONMENT_IS: dict[str, Callable[[Record], Record]] = {
    "process": lambda job: job["env"],
    "docker": lambda job: job["environment"],
    "kubernetes": lambda job: _pairs(job["spec"]["template"]["spec"]["containers"][0]["env"]),
    "ecs": lambda job: _pairs(job["run_task"]["overrides"]["containerOverrides"][0]["environment"]),
}


def _pairs(variables: list[Record]) -> Record:
    return {one["name"]: one["value"] for one in variables}


def made(kind: str = "kubernetes", live: Live | None = None, **variables: Any) -> ReadyDeployment:
    """The nightly deployment in prod by one of the recipes."""
    recipe, usual = RECIPES[kind]
    schedule = {"schedule": {"cron": "0 6 * * *", "timezone": "Europe/Berlin"}, "holidays": "DE"}
    wanted = recipe.with_variables(**{"name": "nightly", **schedule, **usual, **variables})
    return deployment_of(ingest, wanted, environment="prod", now=NOW, live=live)


@EACH
def test_the_deployment_is_named_tagged_and_described(kind: str) -> None:
    """Whatever runs it, it is called by purpose and environment, and carries its owner's mark."""
    deployment = made(kind)

    assert deployment.full_name == "ingest/nightly-prod"
    assert deployment.tags[:2] == ["meta-prefect=tests", "env=prod"]
    assert str(deployment.description).startswith("Ingest a source.")


@EACH
def test_it_runs_every_morning_but_on_holidays(kind: str) -> None:
    """The 25th and 26th of December are holidays in Germany."""
    runs = fires_of(made(kind), between=("2026-12-23", "2026-12-28"))

    assert [f"{run:%d %H:%M}" for run in runs] == ["23 06:00", "24 06:00", "27 06:00", "28 06:00"]


@EACH
def test_the_job_knows_its_environment(kind: str) -> None:
    """What Prefect's own worker would run has META_PREFECT__ENV, and the recipe's variables."""
    deployment = made(kind)
    worker_type = deployment.needs(WorkerPool)[0].type
    if worker_type == "docker" and find_spec("prefect_docker") is None:
        pytest.skip("prefect-docker is not installed")

    env = WHERE_THE_ENVIRONMENT_IS[worker_type](job_of(deployment))

    assert env["META_PREFECT__ENV"] == "prod"
    assert env.get("STAGE") == RECIPES[kind][1].get("env_vars", {}).get("STAGE")


PROJECT = """
project: shop
deployments:
  ingest:
    - {recipe: process_run_deployer, variables: {name: nightly, work_pool: team}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with that flow."""
    (tmp_path / "flows.py").write_text("from prefect import flow\n\n\n@flow\ndef ingest(rows: int = 1): ...\n")
    (tmp_path / "meta_prefect.yaml").write_text(PROJECT)
    return tmp_path


def test_deployed_once_all_is_as_wanted(project: Path) -> None:
    """A second deploy finds nothing to do, whatever the server rewrites; what somebody has changed by hand is found."""
    entries = [
        {"recipe": recipe.recipe_name, "variables": {"name": f"by {kind}", **usual}}
        for kind, (recipe, usual) in RECIPES.items()
    ]
    (project / "meta_prefect.yaml").write_text(json.dumps({"project": "shop", "deployments": {"ingest": entries}}))
    deployed = deployments_of(project).values()
    by_hand = {"ingest/by ecs-dev": {"description": "Mine."}}

    assert changes_of(plan_of(project, live=Live(*deployed))) == []
    assert changes_of(plan_of(project, live=Live(*deployed, changed=by_hand))) == [
        "update deployment ingest/by ecs-dev: description, version"
    ]


def _runs_on_christmas_day(deployment: ReadyDeployment) -> None:
    assert not fires_of(deployment, between=("2026-12-25", "2026-12-25"))


MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "the pool is of another type": (
        lambda _: made(live=Live(pools={"kubernetes": "process"})),
        "cannot change its type",
    ),
    "a job variable that nobody knows": (
        lambda _: made(job_variables={"memroy_limit": "2Gi"}),
        "has no job variable 'memroy_limit'",
    ),
    "a job variable of another type": (lambda _: made(job_variables={"env": "STAGE=blue"}), "is not of type 'object'"),
    "a variable that the pool of others lacks": (
        lambda _: made(
            live=Live(
                pools={"kubernetes": {"type": "kubernetes", "base_job_template": {"variables": {"properties": {}}}}}
            )
        ),
        "work pool 'kubernetes' has no job variable 'image'",
    ),
    "a run on a holiday": (lambda _: _runs_on_christmas_day(made(holidays=False)), "2026, 12, 25"),
    "an image of any version": (lambda _: made(image="registry.example/shop:latest"), "which version runs in prod"),
    "a parameter that the flow has not": (lambda _: made(parameters={"sorce": "x"}), "no parameter 'sorce'"),
    "a parameter of another type": (lambda _: made(parameters={"rows": "many"}), "is not of type 'integer'"),
    "a variable that the recipe has not": (lambda _: made(memroy=1), "Did you mean 'memory'?"),
    "a unit that nobody reads": (lambda _: made(memory="12GB"), "Did you mean 'Gi'?"),
    "a secret that is not saved": (
        lambda _: made(live=Live(), env_vars={"TOKEN": "{{ prefect.blocks.secret.token }}"}),
        "token",
    ),
    "a schedule that never fires": (
        lambda _: made(schedule={"cron": "0 6 30 2 *", "timezone": "UTC"}),
        "never",
    ),
    "a deployment of others": (
        lambda root: plan_of(root, live=Live(deployment_of(ingest, _ours(), project="finance"))),
        "finance",
    ),
}


def _ours() -> Any:
    return process_run_deployer.with_variables(name="nightly", work_pool="team")


@pytest.mark.parametrize(("mistake", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_planted_mistake_is_caught(project: Path, mistake: Callable[[Path], object], told: str) -> None:
    """Before anything is deployed, and in words that name it."""
    with pytest.raises((MetaPrefectError, AssertionError)) as caught:
        mistake(project)
    assert told in str(caught.value)
