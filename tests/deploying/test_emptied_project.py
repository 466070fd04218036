"""A project that asks for no deployment any more: what earlier deploys left is named, and pruned on demand only."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Api

from deployer_flows import prune
from meta_prefect.deploy import deploy
from meta_prefect.errors import ValidationFailed

RunCli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def emptied(server: Api, one_flow: Path, unique: str) -> Path:
    """A project whose one deployment is live, and whose file now asks for none."""
    deploy([str(one_flow)])
    (one_flow / "meta_prefect.yaml").write_text(f"project: {unique}\ndeployments: {{}}\n")
    return one_flow


def test_without_prune_it_is_an_error_that_names_what_is_left(
    server: Api, emptied: Path, run_cli: RunCli, unique: str
) -> None:
    """Nothing is deployed and nothing deleted; the message tells what is there, and the command that deletes it."""
    done = run_cli("deploy", str(emptied))

    told = " ".join(done.stderr.split())
    assert done.returncode == 1
    assert "nothing to deploy" in told
    assert f"{unique} still has in dev: {unique}/local-run-dev" in told
    assert "meta-prefect deploy --env dev --prune" in told
    assert "Traceback" not in told
    assert server.deployment(f"{unique}/local-run-dev") is not None


def test_pruning_shows_and_then_deletes_what_is_left(server: Api, emptied: Path, run_cli: RunCli, unique: str) -> None:
    """The plan lists the deletion; the deploy does what it says; the next one finds nothing left."""
    planned = run_cli("plan", str(emptied), "--prune")
    assert planned.returncode == 2, planned.stderr
    assert f"- deployment {unique}/local-run-dev" in planned.stdout
    assert server.deployment(f"{unique}/local-run-dev") is not None

    done = run_cli("deploy", str(emptied), "--prune")
    assert done.returncode == 0, done.stderr
    assert "1 deleted" in done.stdout
    assert server.deployments_of(unique) == []

    again = run_cli("deploy", str(emptied), "--prune")
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True), again.stderr


def test_the_flow_prune_does_so_too(server: Api, emptied: Path, unique: str) -> None:
    """In the Prefect UI it is the flow `prune` that deletes what is left, once it is told to."""
    foreseen = asyncio.run(prune(path=str(emptied)))
    assert [(one.deployment, one.action) for one in foreseen.outcomes] == [(f"{unique}/local-run-dev", "to delete")]
    assert server.deployment(f"{unique}/local-run-dev") is not None

    asyncio.run(prune(path=str(emptied), dry_run=False))
    assert server.deployments_of(unique) == []


def test_many_at_once_have_to_be_allowed(server: Api, emptied: Path, unique: str) -> None:
    """An empty folder by accident does not take a whole project along: above three, the number has to be said."""
    flow = server.post("/flows/", name=unique)["id"]
    for number in range(3):
        tags = [f"meta-prefect={unique}", "env=dev"]
        server.post("/deployments/", name=f"more-{number}", flow_id=flow, tags=tags)

    with pytest.raises(ValidationFailed, match="4 of 4 deployments would be deleted, and 3 is the most"):
        deploy([str(emptied)], prune=True)
    assert len(server.deployments_of(unique)) == 4
    deploy([str(emptied)], prune=True, max_deletes=4)
    assert server.deployments_of(unique) == []


@pytest.mark.parametrize("prunes", [True, False], ids=["with --prune", "without"])
def test_a_folder_that_is_no_project_is_refused(server: Api, tmp_path: Path, prunes: bool) -> None:
    """Without a project file and a name there is nothing to know deployments by, and nothing is asked of the server."""
    runs = server.post("/flow_runs/count")

    with pytest.raises(ValidationFailed, match="nothing to deploy") as refused:
        deploy([str(tmp_path)], prune=prunes)

    assert "still has" not in str(refused.value)
    assert server.post("/flow_runs/count") == runs


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"flow.py": "from meta_prefect import recipe\ndef broken(:\n"}, "flow.py: flows here may carry builders"),
        ({"meta_prefect.yaml": "project: UNIQUE\nrecipes: [gone]\n"}, "gone"),
        ({"meta_prefect.yaml": "project: UNIQUE\ndeployments: [\n"}, "meta_prefect.yaml"),
    ],
    ids=["a broken module", "a recipe that is gone", "a broken file"],
)
def test_what_cannot_be_read_is_not_empty(
    server: Api, emptied: Path, project: Callable[..., Path], unique: str, files: dict[str, str], says: str
) -> None:
    """Where something is wrong with the project, nothing of it is pruned."""
    project(**files)

    with pytest.raises(ValidationFailed, match=says):
        deploy([str(emptied)], prune=True)

    assert server.deployment(f"{unique}/local-run-dev") is not None
