"""`meta-prefect validate`: all checks that need no server, for people, programs and pull requests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
NOWHERE = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
BROKEN = "project: UNIQUE\ndeployments:\n  UNIQUE:\n    - recipe: local_run_deploier\n"


@pytest.fixture
def broken(project: Callable[..., Path]) -> Path:
    """A project with a recipe that does not exist, in line 4."""
    flow = "from prefect import flow\n\n\n@flow(name='UNIQUE')\ndef work() -> None: ...\n"
    return project(flow=flow, **{"meta_prefect.yaml": BROKEN})


def test_a_sound_project_is_valid_without_any_server(one_flow: Path, run_cli: Cli) -> None:
    """Nothing is contacted: with an API that does not answer a sound project is valid."""
    done = run_cli("validate", str(one_flow), env=NOWHERE)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "valid: 1 deployment in dev\n"


def test_json_tells_file_line_and_mend(broken: Path, run_cli: Cli) -> None:
    """A program gets each mistake with its place and its hint."""
    done = run_cli("validate", str(broken), "--output", "json", env=NOWHERE)

    (error,) = json.loads(done.stdout)["errors"]
    assert done.returncode == 1
    assert (error["file"], error["line"]) == ("meta_prefect.yaml", 4)
    assert error["message"] == "there is no recipe 'local_run_deploier'"
    assert error["hint"] == "Did you mean 'local_run_deployer'?"


TEMPLATES = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: kubernetes_run_deployer
          variables:
            name: nightly
            image: "{{ build_image.image }}"
            env_vars:
              TOKEN: "{{ $TOKEN }}"
              RUN: "{{ ctx.flow_run.name }}"
"""


def test_templates_that_only_another_tool_would_fill_are_no_values(project: Callable[..., Path], run_cli: Cli) -> None:
    """Each is told with its line and what to write instead; what is filled in a run stays."""
    flow = "from prefect import flow\n\n\n@flow(name='UNIQUE')\ndef work() -> None: ...\n"
    root = project(flow=flow, **{"meta_prefect.yaml": TEMPLATES})

    done = run_cli("validate", str(root), "--output", "json", env=NOWHERE)

    errors = json.loads(done.stdout)["errors"]
    assert done.returncode == 1
    assert [error["line"] for error in errors] == [7, 9]
    assert "Let the recipe build the image" in errors[0]["hint"]
    assert "`{{ prefect.blocks.secret.NAME }}` for a secret" in errors[1]["hint"]


POOLS = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: docker_run_deployer
          variables: {name: docker, image: "shop:1"}
        - recipe: work_pool_deployer
          variables: {name: push, work_pool: x, pool_type: "ecs:push", job_variables: {whatever: 1}}
        - recipe: work_pool_deployer
          variables: {name: cloud-run, work_pool: y, pool_type: cloud-run, job_variables: {regin: eu}}
"""


def test_job_variables_are_checked_without_a_server(project: Callable[..., Path], run_cli: Cli) -> None:
    """Prefect brings templates of many types along; of one that only a server knows nothing is said."""
    flow = "from prefect import flow\n\n\n@flow(name='UNIQUE')\ndef work() -> None: ...\n"
    root = project(flow=flow, **{"meta_prefect.yaml": POOLS})

    done = run_cli("validate", str(root), "--output", "json", env=NOWHERE)

    (error,) = json.loads(done.stdout)["errors"]
    assert error["line"] == 9
    assert ("'regin'" in error["message"], error["hint"]) == (
        True,
        "Did you mean 'region'? `allow: unknown_job_variables` lets it through as it is.",
    )


FROM_ENVIRONMENT = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: kubernetes_run_deployer
          variables:
            name: $env:PURPOSE
            image: shop:1
            unique: $env:ONE_RUN
            env_vars:
              REGION: $env:REGION
              API_TOKEN: $env:WHATEVER
"""


def test_values_may_come_from_the_environment_of_a_deploy(project: Callable[..., Path], run_cli: Cli) -> None:
    """What is not set is told with its line; what would be a secret is refused, and its value shown nowhere."""
    flow = "from prefect import flow\n\n\n@flow(name='UNIQUE')\ndef work() -> None: ...\n"
    root = project(flow=flow, **{"meta_prefect.yaml": FROM_ENVIRONMENT})
    env = {**NOWHERE, "PURPOSE": "nightly", "ONE_RUN": "true", "WHATEVER": "hush"}

    done = run_cli("validate", str(root), "--output", "json", env=env)

    errors = json.loads(done.stdout)["errors"]
    assert done.returncode == 1
    assert [(error["line"], error["message"]) for error in errors] == [
        (10, "the environment variable REGION is not set"),
        (11, "'$env:WHATEVER' would write a secret into the deployment, for all to read"),
    ]
    assert "hush" not in done.stdout + done.stderr
    project(**{"meta_prefect.yaml": FROM_ENVIRONMENT.replace("              API_TOKEN: $env:WHATEVER\n", "")})
    sound = run_cli("validate", str(root), "--output", "json", env={**env, "REGION": ""})
    assert json.loads(sound.stdout)["deployments"] == [f"{root.name}/nightly-dev"]
    wrong = run_cli("validate", str(root), env={**env, "REGION": "", "ONE_RUN": "perhaps"})
    assert "meta_prefect.yaml:8" in wrong.stderr


def test_github_shows_it_beside_the_line(broken: Path, run_cli: Cli) -> None:
    """A pull request gets an annotation at the line that is wrong."""
    done = run_cli("validate", str(broken), "--output", "github", env=NOWHERE)

    assert done.returncode == 1
    assert done.stdout.startswith("::error file=meta_prefect.yaml,line=4")
    assert "%0A" in done.stdout


def test_an_empty_folder_is_told_what_to_write(tmp_path: Path, run_cli: Cli) -> None:
    """Where there is no project file and no decorated flow, the message says what either would be."""
    done = run_cli("deploy", str(tmp_path))

    assert done.returncode == 1
    assert "nothing to deploy" in done.stderr
    assert "meta_prefect.yaml" in done.stderr
