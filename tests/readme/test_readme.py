"""The README's examples work as they stand there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from meta_prefect.deploy import validate
from meta_prefect.project import read_project

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
PYTHON = [text for language, name, text in BLOCKS if language == "python" and not name]
Project = Callable[..., Path]


def block(name: str) -> str:
    """The text of the block that stands for a file."""
    (text,) = [text for _, title, text in BLOCKS if title == name]
    return text


def test_the_first_example_is_the_sample_project() -> None:
    """What the README shows is what its command deploys, to the letter."""
    folder = README.parent / "tests" / "projects" / "first_flow"
    assert block("flow.py") == (folder / "flow.py").read_text()
    assert block("meta_prefect.yaml") == (folder / "meta_prefect.yaml").read_text()


def test_the_recipe_deploys_the_flows_below_it(project: Project) -> None:
    """The recipe of the README makes the two deployments of the flow that is shown with it."""
    report = validate([str(project(**{"recipes.py": block("recipes.py"), "flows.py": block("flows.py")}))])
    assert {outcome.deployment for outcome in report.outcomes} == {"ingest/nightly-dev", "ingest/early-dev"}


@pytest.mark.parametrize("text", PYTHON)
def test_python_examples_are_deployable(project: Project, text: str) -> None:
    """Each example without a file name is a module whose flows can be deployed."""
    report = validate([str(project(**{"example.py": text}))])
    assert report.outcomes


def test_the_project_file_shown_is_valid(project: Project) -> None:
    """The annotated project file holds no key that does not exist."""
    (text,) = [text for language, name, text in BLOCKS if language == "yaml" and not name]
    shown = read_project(project(**{"meta_prefect.yaml": text}))
    assert (shown.name, shown.recipes) == ("sales-reports", ("my_team.recipes",))


def test_the_project_for_the_composed_system_is_deployable(project: Project) -> None:
    """The project file that goes with the compose file deploys the first example to the composed workers' pool."""
    report = validate(
        [str(project(**{"meta_prefect.yaml": block("compose-project.yaml"), "flow.py": block("flow.py")}))]
    )
    assert [outcome.deployment for outcome in report.outcomes] == ["add-two-numbers-flow/nightly-dev"]


def test_the_project_for_a_cluster_is_deployable(project: Project) -> None:
    """The entry with an image to build and a worker to ensure is sound, beside a Dockerfile."""
    folder = project(**{"meta_prefect.yaml": block("cluster-project.yaml"), "flow.py": block("flow.py")})
    (folder / "Dockerfile").write_text("FROM meta-prefect:0.1.0\nCOPY . .\n")
    report = validate([str(folder)])
    assert [outcome.deployment for outcome in report.outcomes] == ["add-two-numbers-flow/nightly-dev"]


@pytest.mark.parametrize(
    "command",
    [
        "deploy",
        "plan",
        "validate",
        "recipes",
        "schema",
        "server status",
        "server stop",
        "worker status",
        "worker logs",
        "worker manifests",
    ],
)
def test_each_command_has_help_and_a_line_in_the_readme(command: str) -> None:
    """Every command says what it is for, here and in its help."""
    done = subprocess.run(
        [sys.executable, "-m", "meta_prefect.cli", *shlex.split(command), "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert f"Usage: meta-prefect {command}" in done.stdout
    first, *rest = command.split()
    assert re.search(rf"`meta-prefect {first}.*{''.join(rest)}", README.read_text())
