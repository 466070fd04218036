"""Images that a deploy builds: once for each distinct one, pushed, and refused in time where that cannot be."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest
from code_store.engine import Engine, running_engine
from prefect.utilities.dockerutils import generate_default_dockerfile
from support import Api
from texts import ADD_FLOW
from values import a_context, a_deployment, a_flow

from meta_prefect.deploy import deploy
from meta_prefect.engine.code_in_image import CodeInImage, code_in_image
from meta_prefect.errors import ConfigurationError, DeployFailed, ProcessError, ValidationFailed
from meta_prefect.implementations.code import ImageBuild, built_image
from meta_prefect.implementations.code.built_image import BuiltImage, reference_of
from meta_prefect.implementations.code.image_engine import BuildSpec, DockerEngine
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.pull_steps import SETS_DIRECTORY

PROJECT = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: kubernetes_run_deployer
          variables: {name: early, image: REGISTRY/UNIQUE, work_pool: UNIQUE, build: {}}
        - recipe: kubernetes_run_deployer
          variables: {name: late, image: REGISTRY/UNIQUE, work_pool: UNIQUE, build: {}}
"""

DOCKERFILE = "FROM scratch\nARG STAGE=none\nCOPY . /srv/flows/\nWORKDIR /srv/flows\n"


class EngineInMemory:
    """Whoever builds images, as a deploy sees it."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.registry: dict[str, str] = {}
        self.all_built: list[tuple[str, BuildSpec]] = []
        self.lacks: frozenset[str] = frozenset()

    async def pushed(self, reference: str) -> str | None:
        """What the registry holds."""
        if isinstance(self.refusal, ProcessError):
            raise self.refusal
        return self.registry.get(reference)

    async def built(self, reference: str) -> str | None:
        """What it has itself."""
        return next((f"id of {name}" for name, _ in self.all_built if name == reference), None)

    async def holding(self, reference: str, paths: Iterable[str]) -> frozenset[str] | None:
        """All of them, but what is named here."""
        return frozenset(paths) - self.lacks if await self.built(reference) else None

    async def build(self, reference: str, recipe: BuildSpec) -> None:
        """Remember what was built."""
        if self.refusal is not None:
            raise self.refusal
        self.all_built.append((reference, recipe))

    async def push(self, reference: str) -> str | None:
        """Give it a digest."""
        self.registry[reference] = f"sha256:{len(self.registry):064x}"
        return self.registry[reference]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> EngineInMemory:
    """The engine that deploys of this test use."""
    made = EngineInMemory()

    def engine_of(image: BuiltImage) -> EngineInMemory:
        return made

    monkeypatch.setattr(BuiltImage, "engine", engine_of)
    return made


@pytest.fixture
def shop(project: Any) -> Any:
    """Write a project with two deployments of one image."""

    def write(registry: str = "registry.example") -> Path:
        files = {"meta_prefect.yaml": PROJECT.replace("REGISTRY", registry), "Dockerfile.txt": DOCKERFILE}
        root: Path = project(flow=ADD_FLOW, **files)
        (root / "Dockerfile.txt").rename(root / "Dockerfile")
        return root

    return write


def image_of(server: Api, unique: str, name: str = "early-dev") -> str:
    """The image of a deployment."""
    return server.deployment(f"{unique}/{name}")["job_variables"]["image"]


def test_one_image_is_built_once_for_all_deployments_that_use_it(
    server: Api, engine: EngineInMemory, shop: Any, unique: str
) -> None:
    """Both deployments name it by a tag that follows its content; its digest is an artifact; the next deploy builds nothing."""
    folder = shop()
    report = deploy([str(folder)])
    ((reference, recipe),) = engine.all_built
    assert re.fullmatch(rf"registry\.example/{unique}:[0-9a-f]{{16}}", reference)
    assert (recipe.context, recipe.dockerfile) == (folder, "Dockerfile")
    assert image_of(server, unique) == image_of(server, unique, "late-dev") == reference
    assert (f"image {reference}", "built") in report.components
    (artifact,) = server.post("/artifacts/latest/filter", artifacts={"key": {"like_": f"image-%{unique}"}})
    assert f"{reference}" in artifact["data"]
    assert engine.registry[reference] in artifact["data"]

    assert {outcome.action for outcome in deploy([str(folder)], only_changed=True).outcomes} == {"unchanged"}
    assert len(engine.all_built) == 1
    (folder / "flow.py").write_text((folder / "flow.py").read_text().replace("x + y", "y + x"))
    deploy([str(folder)])
    assert len(engine.all_built) == 2
    assert image_of(server, unique) == engine.all_built[1][0] != reference


def test_an_image_that_is_not_pushed_stays_in_its_engine(
    server: Api, engine: EngineInMemory, shop: Any, unique: str
) -> None:
    """Where the worker uses the same engine, nothing goes to a registry, and what the engine has is not built again."""
    folder: Path = shop()
    file = folder / "meta_prefect.yaml"
    file.write_text(file.read_text().replace("build: {}", "build: {push: false}"))
    deploy([str(folder)])
    assert (len(engine.all_built), engine.registry) == (1, {})
    assert deploy([str(folder)], only_changed=True).components == ()


def test_without_building_the_image_is_only_referred_to(
    server: Api, shop: Any, unique: str, monkeypatch: pytest.MonkeyPatch, run_cli: Any
) -> None:
    """`--no-build` is for images that are made elsewhere: no engine is needed, and the report says so."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    done = run_cli("deploy", str(shop()), "--no-build")
    assert done.returncode == 0, done.stderr
    assert "is not built (--no-build)" in " ".join((done.stdout + done.stderr).split())
    assert image_of(server, unique).startswith(f"registry.example/{unique}:")


def test_without_an_engine_nothing_is_written(
    server: Api, shop: Any, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan finds out that no Docker answers, and says how to do without."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(ValidationFailed, match="no Docker engine answers") as refusal:
        deploy([str(shop())])
    assert "--no-build" in str(refusal.value)
    assert server.deployments_of(unique) == []
    assert server.get(f"/work_pools/{unique}") is None


def test_an_image_that_cannot_be_built_leaves_no_deployment(
    server: Api, engine: EngineInMemory, shop: Any, unique: str
) -> None:
    """What needs it is not written, and the report tells what the engine said."""
    engine.refusal = ConfigurationError("the image cannot be built: no such file")
    with pytest.raises(DeployFailed) as failure:
        deploy([str(shop())])
    report = failure.value.report
    assert len(report.failed) == 2
    assert "no such file" in report.failed[0].detail
    assert server.deployments_of(unique) == []


def test_an_image_without_the_flow_leaves_no_deployment(
    server: Api, engine: EngineInMemory, shop: Any, unique: str
) -> None:
    """What was built is looked into before what runs in it is written; built before, the plan finds it out."""
    engine.lacks = frozenset({"flow.py"})
    told = ":[0-9a-f]+ has no file 'flow.py', from which its runs load the flow"
    folder = shop()
    with pytest.raises(DeployFailed) as failure:
        deploy([str(folder)])
    report = failure.value.report
    assert re.search(told, report.failed[0].detail)
    with pytest.raises(ValidationFailed, match=told):
        deploy([str(folder)], dry_run=True)
    assert server.deployments_of(unique) == []


GIVEN: dict[str, tuple[Record, CodeInImage | None]] = {
    "beside the image's folder": ({}, CodeInImage("shop:1", "flow.py:add", ("flow.py",), may_be_installed=False)),
    "a folder that is entered": (
        {"pull_steps": [{SETS_DIRECTORY: {"directory": "/srv"}}, {SETS_DIRECTORY: {"directory": "etl"}}]},
        CodeInImage("shop:1", "flow.py:add", ("/srv/etl/flow.py",), may_be_installed=False),
    ),
    "a module": (
        {"entrypoint": "shop.flows.add"},
        CodeInImage("shop:1", "shop.flows.add", ("shop/flows.py", "shop/flows/__init__.py"), may_be_installed=True),
    ),
    "code from Git": ({"pull_steps": [{"prefect.deployments.steps.git_clone": {"repository": "x"}}]}, None),
    "an image that only the run knows": ({"job_variables": {"image": "{{ prefect.variables.image }}"}}, None),
    "no image": ({"job_variables": {}}, None),
}


@pytest.mark.parametrize(("fields", "code"), GIVEN.values(), ids=GIVEN.keys())
def test_where_a_flow_has_to_be_in_an_image(fields: Record, code: CodeInImage | None) -> None:
    """The entrypoint's file, from where the pull steps end; nothing where the code comes from elsewhere."""
    flow = a_flow(entrypoint="flow.py:add")
    assert code_in_image(a_deployment(**{"flow": flow, "job_variables": {"image": "shop:1"}, **fields})) == code


def test_what_nobody_could_look_into_is_said(
    server: Api, project: Any, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an engine a plan says so of each image that holds code; it is deployed all the same."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    given = PROJECT.replace("REGISTRY/UNIQUE", "shop:1").replace(", build: {}", "")
    plan = deploy([str(project(flow=ADD_FLOW, **{"meta_prefect.yaml": given}))], dry_run=True).plan
    assert plan is not None
    (said,) = {note for one in plan.changes for note in one.remarks if "was not looked at" in note}
    assert said.startswith("whether the image shop:1 holds 'flow.py:add' was not looked at: no Docker engine answers")


def built(tmp_path: Path, build: ImageBuild, **context: Any) -> str:
    """The image that a deploy of a folder would use."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    deployment = a_deployment(
        flow=a_flow(source=str(tmp_path)), context=a_context(source=str(tmp_path), deploy_id=str(build), **context)
    )
    return built_image(image="shop", build=build).update_deployment(deployment).job_variables["image"]


def test_the_tag_follows_the_content_or_the_commit(tmp_path: Path) -> None:
    """Other settings make another image; a commit is one that the folder differs from in nothing."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert built(tmp_path, ImageBuild(tag="commit"), commit=commit) == "shop:0123456789ab"
    first = built(tmp_path, ImageBuild())
    assert first == built(tmp_path, ImageBuild(push=False))
    assert first != built(tmp_path, ImageBuild(arguments={"STAGE": "blue"}))
    for unusable, told in ((None, "no Git repository"), (f"{commit}+dirty", "differs from its commit 0123456,")):
        with pytest.raises(ConfigurationError, match=told):
            built(tmp_path, ImageBuild(tag="commit"), commit=unusable)


def test_a_project_without_a_dockerfile_is_told_what_to_write(tmp_path: Path) -> None:
    """The error says how to have one made, as `prefect.yaml` can."""
    deployment = a_deployment(flow=a_flow(source=str(tmp_path)))
    with pytest.raises(ConfigurationError, match="there is no Dockerfile in") as refusal:
        built_image(image="shop").update_deployment(deployment)
    assert "dockerfile: auto" in str(refusal.value.hint)
    made = built_image(image="shop", build=ImageBuild(dockerfile="auto")).update_deployment(deployment)
    assert made.job_variables["image"].startswith("shop:")


def test_an_automatic_dockerfile_is_that_of_prefect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line by line what Prefect writes, in a folder of the image that is said; requirements make another image."""
    context = tmp_path / "shop"
    context.mkdir()
    build = ImageBuild(dockerfile="auto", folder="/opt/prefect/shop")
    tags: set[str] = set()
    for requirements in (None, "httpx\n"):
        if requirements:
            (context / "requirements.txt").write_text(requirements)
        with generate_default_dockerfile(context) as file:
            theirs = file.read_text().replace("FROM prefecthq/", "FROM docker.io/prefecthq/")
        assert build.text(context) == theirs
        flow, asked = a_flow(source=str(context)), a_context(source=str(context), deploy_id=str(requirements))
        tags.add(reference_of("shop", build, a_deployment(flow=flow, context=asked)))
    assert len(tags) == 2
    monkeypatch.setattr("prefect.__version__", "3.99.0+7.gabcdef0")
    assert (build.text(context) or "").startswith("FROM docker.io/prefecthq/prefect:3.99.0-python")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param({"image": "shop:1"}, "write the image without a tag", id="tag"),
        pytest.param({"image": "a b"}, "is no reference to an image", id="image"),
        pytest.param({"image": "shop", "build": {"context": "../x"}}, "leaves the project", id="context"),
        pytest.param({"image": "shop", "build": {"dockerfile": "/etc/x"}}, "leaves the project", id="dockerfile"),
        pytest.param({"image": "shop", "build": {"platform": "arm"}}, "should match pattern", id="platform"),
        pytest.param({"image": "shop", "build": {"dockerfil": "x"}}, "Extra inputs", id="unknown"),
        pytest.param({"image": "shop", "build": {"folder": "/srv"}}, "`folder` is for `dockerfile: auto`", id="folder"),
    ],
)
def test_what_makes_no_image_is_refused_where_it_is_written(arguments: dict[str, Any], told: str) -> None:
    """A wrong argument is refused at once."""
    with pytest.raises(ValueError, match=re.escape(told)):
        built_image(**arguments)


@pytest.fixture(scope="module")
def real() -> Generator[Engine]:
    """A real engine and a real registry."""
    with running_engine() as engine:
        yield engine


@pytest.mark.stores
def test_a_real_engine_builds_and_pushes(
    server: Api, real: Engine, shop: Any, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is in the registry under the deployment's tag, and the artifact's digest is the registry's own."""
    monkeypatch.setenv("DOCKER_HOST", real.socket)
    folder = shop(real.registry)
    deploy([str(folder)])
    tag = image_of(server, unique).rpartition(":")[2]
    assert real.tags(unique) == [tag]
    reference = f"{real.registry}/{unique}:{tag}"
    assert asyncio.run(DockerEngine("here").built(reference)) is not None
    assert asyncio.run(DockerEngine("here").built(f"{reference}0")) is None
    digest = real.digest(unique, tag)
    assert digest is not None
    (artifact,) = server.post("/artifacts/latest/filter", artifacts={"key": {"like_": f"image-%{unique}"}})
    assert digest in artifact["data"]


@pytest.mark.stores
def test_a_real_engine_builds_by_a_dockerfile_that_is_no_file(
    real: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The context's files are in the image, and nothing is left in the context."""
    monkeypatch.setenv("DOCKER_HOST", real.socket)
    (tmp_path / "flow.py").write_text(ADD_FLOW)
    engine, reference = DockerEngine("here"), f"{real.registry}/made:1"

    async def look() -> frozenset[str] | None:
        await engine.build(reference, BuildSpec(tmp_path, "auto", {}, None, None, DOCKERFILE))
        return await engine.holding(reference, ("/srv/flows/flow.py", "/srv/flows/Dockerfile"))

    assert asyncio.run(look()) == {"/srv/flows/flow.py"}
    assert [file.name for file in tmp_path.iterdir()] == ["flow.py"]


@pytest.mark.stores
def test_a_real_image_is_looked_into(
    server: Api, real: Engine, project: Any, shop: Any, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image without the flow, one that was built elsewhere and has it, and one that is not here."""
    monkeypatch.setenv("DOCKER_HOST", real.socket)
    folder = shop(real.registry)
    (folder / "Dockerfile").write_text(DOCKERFILE.replace("COPY . ", "COPY Dockerfile "))
    with pytest.raises(DeployFailed) as failure:
        deploy([str(folder)])
    report = failure.value.report
    assert "has no file 'flow.py', from which its runs load the flow" in report.failed[0].detail

    (folder / "Dockerfile").write_text(DOCKERFILE)
    deploy([str(folder)])
    image = image_of(server, unique)
    for name, said in ((image, None), (f"{image}0", "the Docker engine here does not have it")):
        given = PROJECT.replace("REGISTRY/UNIQUE", name).replace(", build: {}", "").replace("name: ", "name: given-")
        plan = deploy([str(project(flow=ADD_FLOW, **{"meta_prefect.yaml": given}))], dry_run=True).plan
        assert plan is not None
        notes = {note for one in plan.changes for note in one.remarks if "was not looked at" in note}
        assert [note.partition(": ")[2] for note in notes] == ([] if said is None else [said])


@pytest.mark.stores
@pytest.mark.parametrize(
    ("dockerfile", "registry", "told"),
    [
        pytest.param("FROM scratch\nCOPY nothing /\n", None, "the image cannot be built: .*nothing", id="build"),
        pytest.param(DOCKERFILE, "127.0.0.1:1", "the image cannot be pushed: ", id="push"),
    ],
)
def test_what_a_real_engine_says_is_told(
    server: Api,
    real: Engine,
    shop: Any,
    unique: str,
    monkeypatch: pytest.MonkeyPatch,
    dockerfile: str,
    registry: Any,
    told: str,
) -> None:
    """A Dockerfile that fails, and a registry that is not there: the engine's own words, and no deployment."""
    monkeypatch.setenv("DOCKER_HOST", real.socket)
    folder = shop(registry or real.registry)
    (folder / "Dockerfile").write_text(dockerfile)
    with pytest.raises(DeployFailed) as failure:
        deploy([str(folder)])
    report = failure.value.report
    assert re.search(told, report.failed[0].detail, re.DOTALL), report.failed[0].detail
    assert server.deployments_of(unique) == []


def test_the_engine_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """`DOCKER_HOST` says which one; where none answers there the error says so."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(ProcessError, match="no Docker engine answers"):
        asyncio.run(DockerEngine("here").pushed("shop:1"))


def test_what_the_engine_raises_is_known_whatever_was_imported_before() -> None:
    """Where Prefect has announced the Docker SDK without loading it, the answer is the same."""
    program = """
import asyncio
import prefect.utilities.dockerutils
from meta_prefect.errors import ProcessError
from meta_prefect.implementations.code.image_engine import DockerEngine
try:
    asyncio.run(DockerEngine("here").built("shop:1"))
except ProcessError as error:
    print(error)
"""
    nowhere = {**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-c", program], env=nowhere, capture_output=True, text=True, check=False)
    assert "no Docker engine answers" in done.stdout, done.stderr
