"""Amounts, images and variables that no infrastructure takes: refused by a deploy before anything is written."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from support import Api

from meta_prefect.deploy import deploy
from meta_prefect.errors import MetaPrefectError

FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def add(x: int = 1, y: int = 2) -> int:
        return x + y
"""

DECORATED = """
    from prefect import flow

    from meta_prefect.implementations.infra import process
    from meta_prefect.implementations.run_settings import job_variables

    @process(work_pool="UNIQUE")
    @job_variables(values=VARIABLES)
    @flow(name="UNIQUE")
    def add(x: int = 1, y: int = 2) -> int:
        return x + y
"""


def entry(recipe: str, variables: str) -> str:
    """A project file with one entry."""
    text = f"""
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: {recipe}
          variables: {{name: nightly, work_pool: UNIQUE, {variables}}}
    """
    return textwrap.dedent(text)


ENTRIES = [
    pytest.param("kubernetes_run_deployer", "cpu: 0", "CPU must be above 0, not 0", id="no CPU"),
    pytest.param("kubernetes_run_deployer", "memory: 12GB", "unknown unit 'GB'. Did you mean 'Gi'?", id="unit"),
    pytest.param("kubernetes_run_deployer", 'memory: "12"', "has no unit: write '12Gi'", id="no unit"),
    pytest.param("kubernetes_run_deployer", "memroy: 12Gi", "Did you mean 'memory'?", id="misspelt"),
    pytest.param("ecs_run_deployer", "cpu: 3", "Fargate has no tasks with 3 CPUs", id="Fargate"),
    pytest.param("docker_run_deployer", "image: shop, memory: 1g", "Did you mean 'Gi'?", id="docker"),
    pytest.param("process_run_deployer", "memory: 12Gi", "no variable 'memory'", id="memory of a process"),
    pytest.param("kubernetes_run_deployer", "build: {}", "`build` needs `image`", id="image to build"),
    pytest.param("kubernetes_run_deployer", "image: 'shop:1', build: {}", "write the image without a tag", id="tag"),
    pytest.param("kubernetes_run_deployer", "worker: ensured", "'find' or 'ensure'", id="worker"),
]


def refused(root: Path, server: Api, unique: str, told: str, env: str | None = None) -> None:
    """Deploy, be refused, and find nothing on the server."""
    with pytest.raises(MetaPrefectError) as refusal:
        deploy([str(root)], env=env)
    assert told in str(refusal.value)
    assert server.deployments_of(unique) == []
    assert server.get(f"/work_pools/{unique}") is None


@pytest.mark.parametrize(("recipe", "variables", "told"), ENTRIES)
def test_an_entry_that_no_infrastructure_takes(
    server: Api, project: Any, unique: str, recipe: str, variables: str, told: str
) -> None:
    """The message holds the value, and the nearest right one; neither deployment nor pool is written."""
    refused(project(flow=FLOW, **{"meta_prefect.yaml": entry(recipe, variables)}), server, unique, told)


@pytest.mark.parametrize("recipe", ["kubernetes_run_deployer", "ecs_run_deployer", "docker_run_deployer"])
def test_an_image_without_a_tag_in_production(server: Api, project: Any, unique: str, recipe: str) -> None:
    """Which version runs there is never left to chance."""
    root = project(flow=FLOW, **{"meta_prefect.yaml": entry(recipe, "image: registry.example/shop")})
    refused(root, server, unique, "does not say which version runs in prod", env="prod")


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        pytest.param({"memory": "12Gi"}, "has no job variable 'memory'", id="memory"),
        pytest.param({"working_di": "/srv"}, "Did you mean 'working_dir'?", id="misspelt"),
        pytest.param({"stream_output": "perhaps"}, "stream_output: 'perhaps' is not of type 'boolean'", id="type"),
    ],
)
def test_job_variables_that_a_process_pool_does_not_know(
    server: Api, project: Any, unique: str, variables: dict[str, str], told: str
) -> None:
    """Prefect would ignore them without a word."""
    refused(project(flow=DECORATED.replace("VARIABLES", repr(variables))), server, unique, told)
