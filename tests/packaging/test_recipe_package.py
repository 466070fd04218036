"""A company's package of recipes, begun with ``init --package`` and installed beside its projects: offered, and enforced."""

from __future__ import annotations

import json
import os
import re
import shutil
import site
import subprocess
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import Api, run_deployment, unmarked

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed"),
]

TWO_MORE_RECIPES = '''

@recipe
def UNIQUE_hourly(cost_center: str) -> FlowBuilderInterface:
    """Deploy flows that run every hour."""
    every_hour = scheduler.model_validate({"schedule": {"cron": "0 * * * *", "timezone": "Europe/Berlin"}})
    return namer(name="hourly") | versioneer() | local_process() | every_hour | on_account(cost_center=cost_center)


@recipe
def UNIQUE_by_hand(name: str, cost_center: str) -> FlowBuilderInterface:
    """Deploy flows that somebody runs by hand."""
    return namer(name=name) | versioneer() | local_process() | on_account(cost_center=cost_center)
'''

THREE_MORE_POLICIES = '''

@policy
def region_known(finished: FinishedDeployment, regions: tuple[str, ...] = ("eu", "us")) -> Iterator[Violation]:
    """Runs are about regions in which Acme is.

    Args:
        regions: Those.
    """
    region = finished.deployment.parameters.get("region")
    if region is not None and region not in regions:
        yield Violation(f"Acme is not in {region!r}", "parameters.region", f"Choose among {', '.join(regions)}.")


named = names_match.with_options(pattern="[a-z-]+")
few_at_a_time = job_variables_allowed.with_options(names=("env", "working_dir"))
'''

SOUND = """
    project: UNIQUE-sound
    deployments:
      UNIQUE-sound:
        - {recipe: UNIQUE_nightly, variables: {hour: 2, cost_center: "4711"}}
        - {recipe: UNIQUE_hourly, variables: {cost_center: "4711"}}
        - {recipe: UNIQUE_by_hand, variables: {name: by-hand, cost_center: "4712"}}
"""

VIOLATING = """
    project: UNIQUE
    EXEMPT
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables:
            name: Unpaid
            parameters:
              region: mars
            job_variables:
              stream_output: false
"""

VIOLATIONS = {
    "cost_center_named": "5:7",
    "names_match": "7:9",
    "region_known": "9:11",
    "job_variables_allowed": "11:11",
}
"""Each policy of the package, and the line and column of the key that it denies; of one that is missing, of the entry."""

FLOW = """
    from prefect import flow

    @flow(name="NAME")
    def work(region: str = "eu") -> None:
        '''Work.'''
"""


@dataclass(frozen=True)
class Package:
    """A package in an environment of its own, which has everything else from this one.

    Attributes:
        name: Its name, which is that of its module as well.
        folder: Its source.
        python: The interpreter of that environment.
    """

    name: str
    folder: Path
    python: Path

    def run(self, *command: object, cwd: Path | None = None, code: int = 0) -> str:
        """Run a module there; returns what it prints."""
        done = subprocess.run(
            [str(self.python), "-m", *map(str, command)],
            cwd=cwd or self.folder,
            env={**os.environ, "META_PREFECT__START_WORKER": "false"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def meta_prefect(self, *arguments: object, cwd: Path | None = None, code: int = 0) -> str:
        """Run a command there."""
        return self.run("meta_prefect.cli", *arguments, cwd=cwd, code=code)

    @contextmanager
    def worker(self, pool: str) -> Generator[None]:
        """A worker of a pool, as somebody starts it by hand in that environment."""
        command = [str(self.python), "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process"]
        settings = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_LOGGING_LEVEL": "WARNING"}
        with subprocess.Popen(
            [*command, "--name", pool], cwd=self.folder.parent, env={**os.environ, **settings}
        ) as one:
            try:
                yield
            finally:
                one.kill()  # asked to end, it may wait for ever for threads of its own


@pytest.fixture(scope="module")
def package(server: Api, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A package with three recipes, four policies and a component."""
    root, name = tmp_path_factory.mktemp("company"), f"t{uuid.uuid4().hex[:10]}"
    made = Package(name, root / name, root / "venv" / "bin" / "python")
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(root / "venv")], check=True)
    (found,) = (root / "venv" / "lib").glob("python*/site-packages")
    # As site directories, so that what is editable there is here as well.
    lines = [f"import site; site.addsitedir({folder!r})\n" for folder in site.getsitepackages()]
    (found / "all_else.pth").write_text("".join(lines))

    made.meta_prefect("init", "--package", name, cwd=root)
    module, project = made.folder / "src" / name, made.folder / "pyproject.toml"
    with (module / "recipes.py").open("a") as recipes:
        recipes.write(TWO_MORE_RECIPES.replace("UNIQUE", name))
    text = (module / "policies.py").read_text() + THREE_MORE_POLICIES
    imports = "from meta_prefect.policies import FinishedDeployment, Violation\n"
    more = "from meta_prefect.policies.built_in import job_variables_allowed, names_match\n"
    (module / "policies.py").write_text(text.replace(imports, imports + more))
    nightly = f'{name}_nightly = "{name}.recipes:{name}_nightly"\n'
    more = nightly + nightly.replace("nightly", "hourly") + nightly.replace("nightly", "by_hand")
    project.write_text(project.read_text().replace(nightly, more))
    install = ["uv", "pip", "install", "--quiet", "--no-deps", "--python", str(made.python), "-e", str(made.folder)]
    subprocess.run(install, check=True)
    return made


def written(server: Api, name: str) -> dict[str, Any]:
    """All that the server has under a name but what it records of runs: of each thing what somebody wrote of it.

    What a worker notes is left out, which gives a pool that has none Prefect's template as well.
    """
    by_workers = {"updated", "status", "last_polled", "base_job_template"}
    found: dict[str, Any] = {}
    kinds = "deployments flows variables block_documents work_pools automations v2/concurrency_limits"
    for kind in kinds.split():
        for one in server.post(f"/{kind}/filter", limit=200):
            if name in json.dumps(one):
                here = unmarked(one) if kind == "deployments" else one
                found[one["id"]] = {key: value for key, value in here.items() if key not in by_workers}
    return found


def denied_at(told: str) -> dict[str, str]:
    """The policies that deny something, each with line and column, by the lines that tell it."""
    found = re.findall(r"meta_prefect\.yaml:(\d+:\d+): [^\n]*policy (\w+): ", told)
    assert len(found) == len(set(found)), told
    return {policy: place for place, policy in found}


def test_installed_it_works_at_once(server: Api, package: Package, project: Any) -> None:
    """Its tests, types and style are sound; its recipes are listed, described and deployed."""
    name = package.name
    assert "5 passed" in package.run("pytest", "-q")
    package.run("ruff", "check", ".")
    package.run("pyright", "--pythonpath", sys.executable)
    listed = package.meta_prefect("recipes")
    assert [one for one in ("nightly", "hourly", "by_hand") if f"{name}_{one}: Deploy flows" not in listed] == []
    page = package.meta_prefect("recipes", "--package", name, "--output", "markdown")
    assert f"## {name}_nightly\n\nDeploy flows that run once a night" in page
    assert "| `hour` | integer | required | The hour of the day, 0 to 23, in Berlin. |" in page
    assert "local_run_deployer" not in page
    policies = package.meta_prefect("policies")
    assert policies.count(f"(package {name}") == len(VIOLATIONS)
    assert 'default ["eu", "us"]' in package.meta_prefect("policies", "region_known")

    files = {"flows.py": FLOW.replace("NAME", f"{name}-sound"), "meta_prefect.yaml": SOUND.replace("UNIQUE", name)}
    root = project(**files)
    package.meta_prefect("deploy", cwd=root)

    assert {one["name"] for one in server.deployments_of(f"{name}-sound")} == {
        "nightly-dev",
        "hourly-dev",
        "by-hand-dev",
    }
    assert [server.get(f"/variables/name/budget_{center}")["value"] for center in (4711, 4712)] == [10, 10]
    package.meta_prefect("plan", cwd=root)  # nothing more to do


def test_what_violates_it_is_refused_everywhere(server: Api, package: Package, project: Any) -> None:
    """By validate, plan and deploy with all violations and their places, and by the deployer, whose worker has the package.

    An exemption in the project's own file counts on a laptop, and not there. Nothing is written by any of them.
    """
    name = package.name
    file = VIOLATING.replace("UNIQUE", name)
    root = project(
        **{"flows.py": FLOW.replace("NAME", name), "meta_prefect.yaml": file.replace("EXEMPT", "exempt: []")}
    )
    before = written(server, name)

    for command in ("validate", "plan", "deploy"):
        assert denied_at(package.meta_prefect(command, cwd=root, code=1)) == VIOLATIONS
    annotated = package.meta_prefect("validate", "--output", "github", cwd=root, code=1)
    marks = re.findall(r"^::error file=meta_prefect\.yaml,line=(\d+),col=(\d+)[^:]*::.*policy (\w+): ", annotated, re.M)
    assert {policy: f"{line}:{column}" for line, column, policy in marks} == VIOLATIONS
    assert written(server, name) == before

    reason = "until: 2999-01-31, because: of the move"
    exempt = "exempt: [" + ", ".join(f"{{policy: {one}, {reason}}}" for one in VIOLATIONS) + "]"
    project(**{"meta_prefect.yaml": file.replace("EXEMPT", exempt)})
    planned = package.meta_prefect("plan", cwd=root, code=2)
    assert [
        one for one in VIOLATIONS if f"exempt from policy {one} until 2999-01-31, because of the move" not in planned
    ] == []

    server.post("/work_pools/", name=f"{name}-pool", type="process")
    where = ("--recipe", "process_run_deployer", "--set", f"work_pool={name}-pool")
    package.meta_prefect("bootstrap", *where, "--policies", name, cwd=root)
    deployer = server.deployment(f"deploy-project/{name}")
    assert f"held to the policies `{name}`" in deployer["description"]
    before = written(server, name)
    with package.worker(f"{name}-pool"):
        state, log = run_deployment(server, deployer)
        form = server.deployment(f"local-run-deployer/{name}")
        entry = {"flow": "flows.py:work", "variables": {"name": "Other"}}
        by_form, log_of_form = run_deployment(server, form, deployments=[entry])
    assert (state["type"], by_form["type"]) == ("FAILED", "FAILED")
    assert denied_at(state["message"]) == VIOLATIONS
    assert [one for one in VIOLATIONS if f"policy {one}: " not in log] == []
    assert "The project's exemption does not lift what its deployer enforces." in log
    assert "policy names_match: the name 'Other-dev'" in log_of_form
    assert server.deployments_of(name) == []
    assert written(server, name) == before

    package.meta_prefect("deploy", cwd=root)  # on a laptop it is advice, which this project need not take
    assert [one["name"] for one in server.deployments_of(name)] == ["Unpaid-dev"]
