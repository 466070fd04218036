"""Where a run's code comes from: one rule, for every recipe and every source."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]
import pytest
from values import a_context, a_deployment, a_flow

import deployer_flows
from meta_prefect.deploy import validate
from meta_prefect.errors import ConfigurationError, RecipeError
from meta_prefect.implementations.code import built_image, git_code
from meta_prefect.interfaces.components import WorkerPool
from meta_prefect.interfaces.context import CodeOrigin
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.testing import job_of

COMMIT = "7fd9fa7" + "0" * 33
ORIGIN = CodeOrigin(repository="https://git.example/deployed.git", token="secret/git", folder="flows")
CONTAINERS: dict[str, dict[str, Any]] = {
    "docker_run_deployer": {"image": "shop:1"},
    "ecs_run_deployer": {"image": "shop:1"},
    "kubernetes_run_deployer": {"image": "shop:1"},
    "work_pool_deployer": {"work_pool": "team", "image": "shop:1"},
}
PROCESSES: dict[str, dict[str, Any]] = {
    "local_run_deployer": {},
    "process_run_deployer": {"work_pool": "team"},
    "work_pool_deployer": {"work_pool": "team"},
}
PLACES = [
    *((name, CONTAINERS[name], "image") for name in CONTAINERS),
    *((name, PROCESSES[name], "folder") for name in PROCESSES),
]
every_recipe = pytest.mark.parametrize(
    ("recipe", "needed", "usual"), [pytest.param(*place, id=f"{place[0]}, {place[2]}") for place in PLACES]
)


def deployed(by_deployer: bool, source: str = "/srv/shop") -> Deployment:
    """A deployment as the recipe gets it: by a command in the project's folder, or by a deployer that has fetched that."""
    context = a_context(commit=COMMIT, source=source, origin=ORIGIN if by_deployer else None)
    return a_deployment(context=context, flow=a_flow(source=source), pull_steps=[])


def source_of(made: Deployment) -> str:
    """From where its runs get the code, in a word."""
    function, inputs = next(iter(made.pull_steps[0].items()))
    match function.rpartition(".")[2]:
        case "git_clone":
            return f"git {inputs['repository'].rpartition('/')[2]}"
        case "pull_from_s3":
            return f"s3 {inputs['bucket']}"
        case _:
            directory: str = inputs["directory"]
            return {".": "image", "/srv/shop": "folder"}.get(directory, directory)


def through(recipe: str, by_deployer: bool, *inner: Any, **variables: Any) -> Deployment:
    """What a recipe makes of a deployment on which the flow's own builders have been."""
    made = deployed(by_deployer)
    for builder in (*inner, getattr(deployer_flows, recipe).with_variables(name="nightly", **variables)):
        made = builder.update_deployment(made)
    return made


@every_recipe
def test_nothing_said(recipe: str, needed: dict[str, Any], usual: str) -> None:
    """The image of a container, the folder of a process; by a deployer, the commit that it has fetched, and the plan says so."""
    assert source_of(through(recipe, False, **needed)) == usual
    by_deployer = through(recipe, True, **needed)
    assert source_of(by_deployer) == "git deployed.git"
    assert any("clone the commit" in note for note in by_deployer.notes) == (usual == "image")


@every_recipe
def test_a_builder_on_the_flow(recipe: str, needed: dict[str, Any], usual: str) -> None:
    """It counts before where the deployer comes from, and in every recipe."""
    del usual
    on_flow = git_code(repository="https://git.example/flow.git", commit=COMMIT, folder="")
    for by_deployer in (False, True):
        assert source_of(through(recipe, by_deployer, on_flow, **needed)) == "git flow.git"


@every_recipe
@pytest.mark.parametrize(
    ("code", "source"),
    [
        pytest.param("image", "image", id="image"),
        pytest.param({"image": "/srv/flows"}, "/srv/flows", id="a folder of the image"),
        pytest.param(
            {"git": {"repository": "https://git.example/said.git", "branch": "main"}}, "git said.git", id="git"
        ),
    ],
)
def test_what_the_entry_says(recipe: str, needed: dict[str, Any], usual: str, code: Any, source: str) -> None:
    """It counts before a builder on the flow and before the deployer."""
    del usual
    on_flow = git_code(repository="https://git.example/flow.git", commit=COMMIT, folder="")
    for by_deployer in (False, True):
        assert source_of(through(recipe, by_deployer, on_flow, **needed, code=code)) == source


@every_recipe
def test_the_project_as_it_is_deployed(recipe: str, needed: dict[str, Any], usual: str) -> None:
    """`local` is the folder, `git` what the deployer has fetched; each is refused where there is none."""
    del usual
    assert source_of(through(recipe, False, **needed, code="local")) == "folder"
    assert source_of(through(recipe, True, **needed, code="git")) == "git deployed.git"
    with pytest.raises(ConfigurationError, match="no deployer has fetched the project from Git"):
        through(recipe, False, **needed, code="git")
    with pytest.raises(ConfigurationError, match="is in no folder of a worker"):
        through(recipe, True, **needed, code="local")


@pytest.mark.parametrize("recipe", CONTAINERS)
def test_an_image_that_is_built_has_the_code(recipe: str, tmp_path: Path) -> None:
    """Also where a deployer has fetched the project: it built the image of that."""
    (tmp_path / "Dockerfile").write_text("FROM x\nCOPY . .\n")
    made = deployed(by_deployer=True, source=str(tmp_path))
    needed = {**CONTAINERS[recipe], "image": None if recipe != "docker_run_deployer" else "other:1"}
    recipe_builder = getattr(deployer_flows, recipe).with_variables(name="x", **needed)
    for builder in (built_image(image="registry.example/shop"), recipe_builder):
        made = builder.update_deployment(made)
    assert source_of(made) == "image"


def test_code_in_s3_is_uploaded_by_every_recipe(tmp_path: Path) -> None:
    """The upload is among what the deployment needs."""
    (tmp_path / "flow.py").write_text("")
    for recipe, needed, _ in PLACES:
        builder = getattr(deployer_flows, recipe).with_variables(name="x", **needed, code={"s3": {"bucket": "flows"}})
        made = deployed(by_deployer=False, source=str(tmp_path))
        assert source_of(builder.update_deployment(made)) == "s3 flows"
        assert "uploaded code" in {one.kind for one in builder.requires}


@pytest.mark.parametrize("by_deployer", [False, True], ids=["deployed locally", "by a deployer from Git"])
@pytest.mark.parametrize(
    ("code", "source", "image"),
    [
        pytest.param("image", "image", "shop:1", id="image"),
        pytest.param({"git": {"repository": "https://git.example/said.git"}}, "git said.git", "shop:1", id="git"),
        pytest.param({"s3": {"bucket": "flows"}}, "s3 flows", "shop:1", id="s3"),
        pytest.param(None, "image", r"registry\.example/shop:.+", id="built"),
    ],
)
def test_the_job_of_a_run_is_where_its_code_is(
    tmp_path: Path, by_deployer: bool, code: Any, source: str, image: str
) -> None:
    """Prefect's own worker makes a Job that Kubernetes takes: of the image that is said or built, started to execute the run."""
    (tmp_path / "Dockerfile").write_text("FROM x\nCOPY . .\n")
    (tmp_path / "flow.py").write_text("")
    made = deployed(by_deployer, source=str(tmp_path))
    if code is None:
        made = built_image(image="registry.example/shop").update_deployment(made)
    said = {"code": code, "image": "shop:1"} if code is not None else {}
    recipe = deployer_flows.kubernetes_run_deployer.with_variables(name="nightly", **said)
    made = recipe.update_deployment(made)
    (pool,) = (one for one in recipe.requires if isinstance(one, WorkerPool))

    job = job_of(made, pool)

    assert source_of(made) == source
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert re.fullmatch(image, container["image"])
    assert container["args"] == ["prefect", "flow-run", "execute"]
    for of_jobs in ("completions", "parallelism"):  # which Prefect's template puts into the pod
        del pod[of_jobs]
    kubernetes_validate.validate(job, "1.31", strict=True)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        pytest.param("registry", "'registry' is no place of code: write image, git or local", id="word"),
        pytest.param({"image": ".", "local": True}, "not image and local", id="two"),
        pytest.param({"git": {"branch": "main"}}, "branch need `repository`", id="no repository"),
    ],
)
def test_what_is_no_place(code: Any, told: str) -> None:
    """Refused where it is written."""
    with pytest.raises(RecipeError, match=told):
        deployer_flows.local_run_deployer.with_variables(name="x", code=code)


FLOW = """
    from prefect import flow
    from meta_prefect.implementations.code import git_code

    @git_code(repository="https://git.example/flow.git", branch="main")
    @flow(name="UNIQUE")
    def work() -> None: ...
"""
FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - {recipe: kubernetes_run_deployer, variables: {name: nightly, image: "shop:1"}}
"""


def test_a_flow_of_the_project_file_may_carry_where_its_code_is(project: Callable[..., Path], unique: str) -> None:
    """Its builders are meant for the entries that name it: there is no second deployment without a place to run."""
    report = validate([str(project(flow=FLOW, **{"meta_prefect.yaml": FILE}))])
    assert [outcome.deployment for outcome in report.outcomes] == [f"{unique}/nightly-dev"]
