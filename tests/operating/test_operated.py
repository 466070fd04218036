"""The deployer under an operator's hands: cancelled, retried, its worker gone, its deployments changed behind its back."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from deployer_projects import FILE, FLOW, RECIPES, GitProject
from support import Api, wait_until

from meta_prefect.local.worker import local_pool_name, stop_worker, worker_status

pytestmark = pytest.mark.faults
RunCli = Callable[..., subprocess.CompletedProcess[str]]
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

BLOCKING = """
    import time
    from pathlib import Path

    from prefect import flow

    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import namer, versioneer
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

    HERE = Path(__file__).parent

    class gate(FlowBuilderInterface):
        def update_deployment(self, deployment):
            return deployment

        def after_deployment(self, deployment):
            (HERE / "reached").touch()
            if (HERE / "fails").exists():
                raise RuntimeError("the gate is shut")
            while not (HERE / "open").exists():
                time.sleep(0.1)

    @flow(name="UNIQUE")
    def work() -> None: ...

    common = versioneer(strategy="increment") | local_process()
    a = common(work)
    b = (common | gate())(work)
    c = common(work)
"""


THREE_RECIPES = """
    import time
    from pathlib import Path

    from meta_prefect import recipe
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import namer, versioneer
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

    HERE = Path("FOLDER")

    class gate(FlowBuilderInterface):
        def update_deployment(self, deployment):
            return deployment

        def after_deployment(self, deployment):
            (HERE / "reached").touch()
            while not (HERE / "open").exists():
                time.sleep(0.1)

    def built(name):
        return namer(name=name) | versioneer(strategy="increment") | local_process()

    @recipe
    def first(name: str) -> FlowBuilderInterface:
        return built(name)

    @recipe
    def second(name: str) -> FlowBuilderInterface:
        return built(name)

    @recipe
    def third(name: str) -> FlowBuilderInterface:
        return built(name) | gate()
"""
FIVE_DEPLOYMENTS = """
    project: UNIQUE
    recipes: [recipes]
    deployments:
      UNIQUE:
        - {recipe: first, variables: {name: a}}
        - {recipe: first, variables: {name: b}}
        - {recipe: second, variables: {name: c}}
        - {recipe: third, variables: {name: d}}
        - {recipe: third, variables: {name: e}}
"""


@pytest.fixture
def gated(server: Api, project: Callable[..., Path], run_cli: RunCli) -> Path:
    """A bootstrapped project of three deployments, the second of which waits after it has been written."""
    root = project(**{"flows.py": BLOCKING, "meta_prefect.yaml": "project: UNIQUE\n"})
    done = run_cli("bootstrap", str(root))
    assert done.returncode == 0, done.stderr
    return root


def start(server: Api, flow: str, project: str, **options: Any) -> str:
    deployment = server.deployment(f"{flow}/{project}")
    return server.post(f"/deployments/{deployment['id']}/create_flow_run", **options)["id"]


def ended(server: Api, run_id: str) -> Any:
    def state() -> Any:
        found = server.get(f"/flow_runs/{run_id}")["state"]
        return found if found["type"] in FINAL else None

    return wait_until(state, what="the run ends", seconds=180)


def names(server: Api, unique: str) -> set[str]:
    return {one["name"] for one in server.deployments_of(unique)}


def report(server: Api, unique: str) -> str:
    found = server.get(f"/artifacts/report-{unique}-dev/latest")
    return f"{found['description']} {found['data']}" if found else ""


def test_cancelling_leaves_a_report_and_no_lock(server: Api, gated: Path, unique: str) -> None:
    """A cancelled deploy says what was written and what was not, holds no lock, and the next deploy finishes what is left."""
    run_id = start(server, "deploy-project", unique, parameters={"environment": "dev"})
    wait_until((gated / "reached").exists, what="the second deployment is written", seconds=120)

    server.post(f"/flow_runs/{run_id}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})

    assert ended(server, run_id)["type"] == "CANCELLED"
    told = wait_until(lambda: report(server, unique), what="the report of the cancelled deploy")
    assert "cancelled: 2 created, 1 not written" in told
    assert names(server, unique) == {"a-dev", "b-dev"}
    assert server.get(f"/variables/name/meta-prefect-lock-{unique}-dev") is None
    pages = server.post("/artifacts/filter", artifacts={"key": {"like_": f"ledger-{unique}-dev-%"}})
    assert [page["data"]["finished"] for page in pages] == [True]
    assert [entry["deployment"] for entry in pages[0]["data"]["entries"]] == [f"{unique}/a-dev", f"{unique}/b-dev"]
    (gated / "open").touch()

    again = ended(server, start(server, "deploy-project", unique, parameters={"environment": "dev"}))

    assert again["type"] == "COMPLETED"
    assert names(server, unique) == {"a-dev", "b-dev", "c-dev"}


def test_cancelling_in_the_third_recipe_counts_what_the_first_two_wrote(
    server: Api, tmp_path: Path, unique: str, run_cli: RunCli
) -> None:
    """The report of a cancelled deploy from Git names as written exactly what the server holds, whichever recipe wrote it."""
    repository = GitProject(tmp_path, unique, file=FIVE_DEPLOYMENTS)
    repository.write(**{"recipes.py": THREE_RECIPES.replace("FOLDER", str(tmp_path))})
    repository.commit("three recipes")
    done = run_cli("bootstrap", "--repository", repository.url, "--revision", "main")
    assert done.returncode == 0, done.stderr
    run_id = start(server, "deploy-project", unique, parameters={"environment": "dev"})
    wait_until((tmp_path / "reached").exists, what="the third recipe has written", seconds=120)

    server.post(f"/flow_runs/{run_id}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})

    assert ended(server, run_id)["type"] == "CANCELLED"
    told = wait_until(lambda: report(server, unique), what="the report of the cancelled deploy")
    rows = [line for line in told.splitlines() if "/" in line and line.startswith("| ")]
    written = {
        name
        for name in ("a-dev", "b-dev", "c-dev", "d-dev", "e-dev")
        for row in rows
        if name in row and "created" in row
    }
    assert written == names(server, unique) >= {"a-dev", "b-dev", "c-dev", "d-dev"}
    assert f"cancelled: {len(written)} created, {5 - len(written)} not written" in told
    (tmp_path / "open").touch()


def test_a_failed_deploy_is_finished_by_a_retry(server: Api, gated: Path, unique: str) -> None:
    """A retry of the same run in the UI does what is left of it, with the versions that it had."""
    (gated / "fails").touch()
    (gated / "open").touch()
    run_id = start(server, "deploy-project", unique, parameters={"environment": "dev"})
    first = ended(server, run_id)
    assert first["type"] == "FAILED"
    assert "the gate is shut" in first["message"]
    before = {one["name"]: one["updated"] for one in server.deployments_of(unique)}
    (gated / "fails").unlink()
    (gated / "reached").unlink()

    # What the button Retry of the UI does.
    state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}
    server.post(f"/flow_runs/{run_id}/set_state", state=state, force=True)
    wait_until(lambda: server.get(f"/flow_runs/{run_id}")["run_count"] > 1, what="the retry starts", seconds=120)

    assert ended(server, run_id)["type"] == "COMPLETED"
    assert (gated / "reached").exists(), "the builder that failed acts"
    after = {one["name"]: one for one in server.deployments_of(unique)}
    assert {one["version"] for one in after.values()} == {"1"}
    assert after["a-dev"]["updated"] == before["a-dev"]


def test_a_worker_that_a_deploy_starts_outlives_it_and_is_clean(
    server: Api, tmp_path: Path, run_cli: RunCli, unique: str
) -> None:
    """A deployer in another pool starts this host's worker, which outlives the run and has nothing of its environment."""
    project = GitProject(tmp_path, unique)
    where = ["--recipe", "process_run_deployer", "--set", f"work_pool={unique}"]
    done = run_cli("bootstrap", "--repository", project.url, *where)
    assert done.returncode == 0, done.stderr
    stop_worker()
    secret = {"env": {"SECRET_OF_THE_RUN": "hunter2", "PREFECT_LOGGING_LEVEL": "DEBUG"}}
    run_id = start(server, "deploy-project", unique, parameters={"environment": "prod"}, job_variables=secret)
    command = ["worker", "start", "--run-once", "-p", unique, "-t", "process", "-n", unique]

    ran = subprocess.run(
        [sys.executable, "-m", "prefect", *command, "--install-policy", "never"],
        env={**os.environ, "META_PREFECT__TAGS": "of-the-run"},
        timeout=240,
        capture_output=True,
        check=False,
    )

    assert server.get(f"/flow_runs/{run_id}")["state"]["type"] == "COMPLETED", ran.stdout[-3000:]
    (worker,) = [one for one in worker_status() if one.alive and one.pool == local_pool_name()]
    environment = psutil.Process(worker.record.pid).environ()
    leaked = [name for name in environment if name.startswith(("META_PREFECT__", "PREFECT__"))]
    assert leaked == []
    assert environment.keys() & {"SECRET_OF_THE_RUN", "PREFECT_LOGGING_LEVEL"} == set()


def test_a_change_sets_off_one_look(server: Api, project: Callable[..., Path], run_cli: RunCli, unique: str) -> None:
    """A change by hand sets off one look, which heals; the look that the heal itself sets off writes nothing."""
    root = project(**{"flow.py": FLOW, "meta_prefect.yaml": FILE, "recipes.py": RECIPES})
    assert run_cli("deploy", str(root), "--env", "prod").returncode == 0
    options = ["--environments", "prod", "--watch", "--on-drift", "heal"]
    assert run_cli("bootstrap", str(root), *options).returncode == 0
    live = server.deployment(f"{unique}/nightly-prod")
    query = {
        "deployments": {"name": {"any_": [unique]}},
        "flows": {"name": {"any_": ["check-drift"]}},
        "sort": "START_TIME_DESC",
    }

    server.patch(f"/deployments/{live['id']}", description="by hand")

    def healed() -> Any:
        now = server.deployment(f"{unique}/nightly-prod")
        return now if now["description"] == live["description"] else None

    after = wait_until(healed, what="the change is healed", seconds=150)

    def second_look() -> bool:
        runs = server.post("/flow_runs/filter", **query)
        return len(runs) >= 2 and all(run["state"]["type"] == "COMPLETED" for run in runs)

    wait_until(second_look, what="the heal has been looked at", seconds=150)
    assert server.deployment(f"{unique}/nightly-prod")["updated"] == after["updated"]


@pytest.fixture(scope="module")
def outside(server: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a bootstrapped project in a repository, beside whose folder another flow lies."""
    project = GitProject(tmp_path_factory.mktemp("outside"), f"t{uuid.uuid4().hex[:10]}")
    command = [sys.executable, "-m", "meta_prefect.cli", "bootstrap", "--repository", project.url]
    done = subprocess.run([*command, "--revision", "main"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return project.name


@pytest.mark.parametrize(
    ("flow", "parameters", "says"),
    [
        ("deploy-project", {"revision": "no-such-branch"}, "there is no branch or tag 'no-such-branch'"),
        ("deploy-project", {"revision": "--upload-pack=touch x"}, "is no name of a branch"),
        ("deploy-project", {"path": "../../.."}, "lies outside of the project"),
        ("deploy-project", {"select": ["nothing-like-it"]}, "nothing in this project matches 'nothing-like-it'"),
        (
            "local-run-deployer",
            {"deployments": [{"flow": "../flow.py:work", "variables": {"name": "x"}}]},
            "lies outside of the project's folder",
        ),
    ],
)
def test_wrong_parameters_are_told_and_write_nothing(
    server: Api, outside: str, flow: str, parameters: dict[str, Any], says: str
) -> None:
    """What a form should not have been given fails the run with words that a person understands; nothing is written."""
    state = ended(server, start(server, flow, outside, parameters={"environment": "dev", **parameters}))

    assert state["type"] == "FAILED"
    assert says in state["message"]
    assert "Error" not in state["message"]
    assert names(server, outside) == set()
