"""What several deployments have in common is said once: as an anchor, or as a recipe where it is worth one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from meta_prefect.init.beginning import Beginning, NewFiles, new_files
from meta_prefect.init.entries import POOL_RECIPE, NewEntry
from meta_prefect.init.sharing import families
from meta_prefect.local.host import LocalHost
from meta_prefect.server import NoServer

STEPS = [
    {
        "prefect.deployments.steps.git_clone": {
            "id": "clone",
            "repository": "https://git.example/shop.git",
            "branch": "main",
        }
    },
    {
        "prefect.deployments.steps.run_shell_script": {
            "script": "make\nmake install\n",
            "directory": "{{ clone.directory }}",
        }
    },
]
FLOW = "from prefect import flow\n\n\n@flow\ndef etl(limit: int = 1) -> None:\n    pass\n"


def files(root: Path, variables: list[dict[str, Any]], *, with_recipes: bool = True) -> NewFiles:
    """The files of a project with an entry for each of these variables."""
    root.mkdir(exist_ok=True)
    (root / "flow.py").write_text(FLOW)
    entries = tuple(NewEntry("etl", POOL_RECIPE, {"work_pool": "p", **one}) for one in variables)
    beginning = Beginning(root, "shop", "a test", entries, ("dev",), with_recipes=with_recipes)
    return asyncio.run(new_files(beginning, NoServer(LocalHost())))


def test_many_that_repeat_their_pull_steps_become_a_short_file_and_a_recipe(tmp_path: Path) -> None:
    """Twenty-four deployments with the same two steps take five lines each, and the recipe holds the steps once."""
    made = files(tmp_path, [{"name": f"n{i}", "pull": STEPS, "parameters": {"limit": i}} for i in range(24)])

    document = yaml.safe_load(made.texts["meta_prefect.yaml"])
    assert document["recipes"] == ["recipes"]
    assert document["deployments"]["etl"][3] == {
        "recipe": "shop_deployer",
        "variables": {"name": "n3", "parameters": {"limit": 3}},
    }
    assert made.texts["recipes.py"].count("git_clone") == 1
    assert (made.proof.errors, len(made.proof.missing)) == ((), 24)


def test_what_a_recipe_makes_is_what_the_entries_would_have_made(tmp_path: Path) -> None:
    """The same deployments come of the short file, of anchors, and of entries that repeat everything."""
    variables = [{"name": f"n{i}", "pull": STEPS, "tags": ["a"], "parameters": {"limit": i}} for i in range(4)]

    short = files(tmp_path / "recipe", variables)
    anchored = files(tmp_path / "anchors", variables, with_recipes=False)

    assert list(anchored.texts) == [".meta_prefect/schema.json", "meta_prefect.yaml"]
    expected = [{"work_pool": "p", **one} for one in variables]
    entries = yaml.safe_load(anchored.texts["meta_prefect.yaml"])["deployments"]["etl"]
    assert [one["variables"] for one in entries] == expected
    assert "*shared" in anchored.texts["meta_prefect.yaml"]
    assert short.proof.missing == anchored.proof.missing


def test_a_recipes_module_that_is_there_stays_and_another_name_is_taken(tmp_path: Path) -> None:
    """Nobody's recipes.py is touched, whatever is in it."""
    (tmp_path / "recipes.py").write_text("raise RuntimeError\n")

    made = files(tmp_path, [{"name": f"n{i}", "pull": STEPS} for i in range(3)])

    assert "deployment_recipes.py" in made.texts
    assert yaml.safe_load(made.texts["meta_prefect.yaml"])["recipes"] == ["deployment_recipes"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param([{"name": "a", "x": 1}, {"name": "a", "x": 2}], [], id="a name is nobody's in common"),
        pytest.param(
            [{"x": 1, "y": 1}, {"x": 1, "y": 1}, {"z": 1}], [({"x": 1, "y": 1}, (0, 1))], id="others stay as they are"
        ),
        pytest.param(
            [{"x": 1, "y": True}, {"x": 1, "y": 1}, {"x": 1, "y": 1}],
            [({"x": 1, "y": 1}, (1, 2))],
            id="true is not 1",
        ),
        pytest.param(
            [{"x": 1, "y": 1, "z": i} for i in range(5)] + [{"x": 2, "y": 2}, {"x": 2, "y": 2}],
            [({"x": 1, "y": 1}, (0, 1, 2, 3, 4)), ({"x": 2, "y": 2}, (5, 6))],
            id="what saves the most comes first",
        ),
    ],
)
def test_groups_are_those_that_save_the_most(variables: list[dict[str, Any]], expected: list[Any]) -> None:
    """Each deployment is in one group at the most; a group has two lines in common at least."""
    assert [(one.shared, one.members) for one in families(variables, least=2, lines=2)] == expected


def test_what_cannot_be_deployed_becomes_a_comment_and_the_rest_stays(tmp_path: Path) -> None:
    """An entry that our planning refuses stands there with the reason, and the file is valid all the same."""
    made = files(tmp_path, [{"name": "good"}, {"name": "bad", "schedules": [{"cron": "61 * * * *"}]}])

    document = yaml.safe_load(made.texts["meta_prefect.yaml"])
    assert [one["variables"]["name"] for one in document["deployments"]["etl"]] == ["good"]
    assert "#     name: bad" in made.texts["meta_prefect.yaml"]
    (refused,) = [one.refused for one in made.entries if one.refused]
    assert "61" in refused
