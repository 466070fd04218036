"""Several files, one project: two parts with modules of the same names are one plan, and each part can be deployed alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from planning import left_to_do
from support import Api

from meta_prefect.deploy import deploy, validate
from meta_prefect.errors import ValidationFailed

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
SAMPLE = Path(__file__).parents[1] / "projects" / "monorepo"


@pytest.fixture
def monorepo(tmp_path: Path, unique: str) -> Path:
    """The sample, under a name of its own."""
    root = shutil.copytree(SAMPLE, tmp_path / unique)
    for file in root.rglob("*"):
        if file.suffix in (".py", ".yaml"):
            text = file.read_text()
            for own in ("project: monorepo", "invoice:", "dispatch:"):
                text = text.replace(own, own.replace("monorepo", unique).replace(":", f"-{unique}:", own[-1] == ":"))
            for flow in ("invoice", "dispatch"):
                text = (
                    text.replace("@flow(log", f'@flow(name="{flow}-{unique}", log') if f"def {flow}" in text else text
                )
            file.write_text(text)
    return root


def test_the_parts_are_one_plan(server: Api, monorepo: Path, unique: str) -> None:
    """Each flow runs from its part's own folder; the recipe of the project's file serves all; owners are tags."""
    report = deploy([str(monorepo)])

    assert {one.deployment for one in report.outcomes} == {
        f"invoice-{unique}/billing-dev",
        f"dispatch-{unique}/shipping-dev",
    }
    for full_name, team in (
        (f"invoice-{unique}/billing-dev", "billing"),
        (f"dispatch-{unique}/shipping-dev", "shipping"),
    ):
        live = server.deployment(full_name)
        assert live["entrypoint"] == "flows.py:" + full_name.partition("-")[0]
        (step,) = live["pull_steps"]
        assert step == {"prefect.deployments.steps.set_working_directory": {"directory": str(monorepo / team)}}
        assert {f"meta-prefect={unique}", f"owner={team}-team", "env=dev"} <= set(live["tags"])
    assert left_to_do(monorepo) == []


def test_a_part_is_deployed_alone_from_its_folder(server: Api, monorepo: Path, unique: str) -> None:
    """It stays a part of the project, the others are left as they are, and nothing is pruned for being elsewhere."""
    report = deploy([str(monorepo / "billing")])

    assert [one.deployment for one in report.outcomes] == [f"invoice-{unique}/billing-dev"]
    assert f"meta-prefect={unique}" in server.deployment(f"invoice-{unique}/billing-dev")["tags"]
    with pytest.raises(ValidationFailed, match="whole project, in"):
        deploy([str(monorepo / "billing")], prune=True)
    (monorepo / "shipping" / "meta_prefect.yaml").write_text("nonsense: 1\n")
    assert len(validate([str(monorepo / "billing" / "flows.py")]).outcomes) == 1


def test_two_parts_cannot_make_one_deployment(monorepo: Path, unique: str) -> None:
    """The error names both files."""
    for team in ("billing", "shipping"):
        (monorepo / team / "flows.py").write_text(
            'from prefect import flow\n\n\n@flow(name="one")\ndef one() -> None: ...\n'
        )
        entry = "deployments: {one: [{recipe: team_deployer, variables: {name: same}}]}\n"
        (monorepo / team / "meta_prefect.yaml").write_text(entry)
    with pytest.raises(ValidationFailed) as failed:
        validate([str(monorepo)])
    assert "shipping/meta_prefect.yaml:1:21: deployments.one[0]: gives the deployment 'one/same-dev'" in str(
        failed.value
    )
    assert "so does billing/meta_prefect.yaml:1:21" in str(failed.value)


def test_a_broken_module_is_named_with_its_part(monorepo: Path) -> None:
    """Both the entry and the line of the module, as paths from the project's folder."""
    (monorepo / "shipping" / "helpers.py").write_text("TEAM = 1 / 0\n")
    with pytest.raises(ValidationFailed) as failed:
        validate([str(monorepo)])
    assert str(failed.value).startswith("shipping/meta_prefect.yaml:4:7: deployments.")
    assert "shipping/helpers.py:1: TEAM = 1 / 0" in str(failed.value)


@pytest.mark.parametrize(("folder", "known"), [("", ["team_deployer"]), ("billing", ["own_deployer", "team_deployer"])])
def test_the_schema_of_a_part_knows_its_own_recipes_too(
    monorepo: Path, run_cli: Cli, folder: str, known: list[str]
) -> None:
    """Editors get for each file what may be named in it."""
    own = (monorepo / "recipes.py").read_text().replace("team_deployer", "own_deployer")
    (monorepo / "billing" / "recipes.py").write_text(own)
    file = monorepo / "billing" / "meta_prefect.yaml"
    file.write_text(f"recipes: [recipes]\n{file.read_text()}")

    printed = json.loads(run_cli("schema", "--path", str(monorepo / folder)).stdout)
    named = printed["$defs"]["EntryModel"]["properties"]["recipe"]["examples"]
    assert [name for name in named if name in ("own_deployer", "team_deployer")] == known
    assert ("project" in printed["properties"]) == (not folder)


SHARED_RECIPE = """
from meta_prefect import recipe
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface


@recipe
def team_deployer(name: str) -> FlowBuilderInterface:
    from blocks import marked

    return marked(name)
"""
LATE_IMPORT = """
from meta_prefect.implementations.infra import local_process
from meta_prefect.implementations.metadata import namer
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface


class mark(FlowBuilderInterface):
    def update_deployment(self, deployment):
        from marks import MARK

        deployment.description = MARK
        return deployment


def marked(name):
    return namer(name=name) | local_process() | mark()
"""


def test_a_shared_recipe_imports_from_where_it_stands(server: Api, monorepo: Path, unique: str) -> None:
    """Whether it imports early or late: the modules of the project's own folder, not those of the flow's part."""
    files = {
        "recipes.py": SHARED_RECIPE,
        "blocks.py": LATE_IMPORT,
        "marks.py": "MARK = 'shared'\n",
        "billing/marks.py": "",
    }
    for name, text in files.items():
        (monorepo / name).write_text(text)
    deploy([str(monorepo)])
    assert server.deployment(f"invoice-{unique}/billing-dev")["description"] == "shared"
