"""Where a deploy succeeds, its runs import their flow: the layouts that people have, from a folder and from Git, on a worker."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from support import Api, wait_until

from meta_prefect.deploy import deploy

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]  # two dozen runs take minutes

PROJECTS: Final = Path(__file__).parents[1] / "projects"
LAYOUTS: Final = {
    "flat_scripts": {"count-orders/flat": "flat scripts: 3 orders"},
    "relative_package": {"settle/relative": "package above: 12.50 EUR", "close-books/neighbour": "neighbour: 9.95 EUR"},
    "src_layout": {"forecast/src": "src: persistence"},
    "notebooks": {"train/dotted": "dotted: trained", "save/numbered": "numbered: saved"},
    "classes": {"daily/static": "static method: reported", "monthly/of-the-class": "class method: reported in EUR"},
    "loops": {"copy-orders/looped": "loop: orders copied", "copy-customers/looped": "loop: customers copied"},
    "monorepo": {
        "invoice/billing": "monorepo: invoice by billing",
        "dispatch/shipping": "monorepo: dispatch by shipping",
    },
}
"""Of each sample what its deployments print when they run."""

FROM_GIT: Final = """

from meta_prefect.implementations.code import git_code


@recipe
def from_git(name: str) -> FlowBuilderInterface:
    return namer(name=name) | local_process() | git_code(repository="REPOSITORY")
"""


def as_parts(root: Path, unique: str) -> None:
    """Copy the samples into one project, whose parts deploy each flow from the folder and once more from Git."""
    for layout in LAYOUTS:
        shutil.copytree(PROJECTS / layout, root / layout, ignore=shutil.ignore_patterns("__pycache__"))
    own = root / "monorepo" / "meta_prefect.yaml"
    own.unlink()
    recipes = (root / "monorepo" / "recipes.py").read_text() + FROM_GIT.replace("REPOSITORY", root.as_uri())
    (root / "recipes.py").write_text(recipes)
    for file in root.glob("**/meta_prefect.yaml"):
        said: dict[str, Any] = yaml.safe_load(file.read_text())
        said.pop("project", None)
        for entries in said["deployments"].values():
            (entry,) = entries
            name = f"{entry['variables']['name']}-{unique}"
            entries.append({**entry, "recipe": "from_git", "variables": {"name": f"git-{name}"}})
            entry["variables"] = {"name": name}
        file.write_text(json.dumps(said))  # which is YAML
    (root / "meta_prefect.yaml").write_text(f"project: {unique}\ninclude: '**/meta_prefect.yaml'\nrecipes: [recipes]\n")


def commit_all(folder: Path) -> None:
    """Make a repository of a folder."""
    identity = ("-c", "user.name=shop", "-c", "user.email=shop@example.com")
    for command in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


def batched(names: Iterable[str], size: int) -> Iterator[Sequence[str]]:
    """Names, a few at a time."""
    left = list(names)
    yield from (left[start : start + size] for start in range(0, len(left), size))


def test_what_is_deployed_runs_whatever_its_layout(server: Api, tmp_path: Path, unique: str) -> None:
    """One project of all layouts is one deploy, and each of its runs imports its own flow and ends well."""
    root = tmp_path / unique
    as_parts(root, unique)
    commit_all(root)
    printed = {
        f"{flow}/{source}{name}-{unique}-dev": text
        for layout in LAYOUTS.values()
        for (flow, name), text in ((key.split("/"), text) for key, text in layout.items())
        for source in ("", "git-")
    }

    report = deploy([str(root)])
    assert {one.deployment: one.action for one in report.outcomes} == dict.fromkeys(printed, "created")

    wrong: dict[str, str] = {}
    for names in batched(printed, 4):  # all at once, they starve each other
        runs = {
            name: server.post(f"/deployments/{server.deployment(name)['id']}/create_flow_run")["id"] for name in names
        }
        wrong |= {name: log for name, log in logs_of(server, runs).items() if printed[name] not in log}
    assert wrong == {}


def logs_of(server: Api, runs: Mapping[str, str]) -> dict[str, str]:
    """What runs have logged, each under its name, once all of them have ended and their last lines are there."""
    final = {"COMPLETED", "FAILED", "CRASHED"}

    def ended() -> bool:
        found = server.post("/flow_runs/filter", flow_runs={"id": {"any_": list(runs.values())}})
        return {one["state_type"] for one in found} <= final

    def logs() -> dict[str, str] | None:
        found = {name: server.post("/logs/filter", logs={"flow_run_id": {"any_": [run]}}) for name, run in runs.items()}
        texts = {name: "\n".join(one["message"] for one in lines) for name, lines in found.items()}
        return texts if all("Finished in state" in text or "crashed" in text for text in texts.values()) else None

    wait_until(ended, what="the runs end", seconds=300)
    return wait_until(logs, what="their logs arrive", seconds=60)
