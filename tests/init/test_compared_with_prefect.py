"""What our deploy stores of a converted prefect.yaml, and what `prefect deploy` itself stores of it, compared through the API."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type
from prefect_yaml_cases import ENVIRONMENT, FILES, NAMES, Case, read_case
from support import Api

from meta_prefect.deploy import deploy
from meta_prefect.implementations.notification import triggers
from meta_prefect.init.found import FoundDeployment, Remark
from meta_prefect.init.prefect_yaml import read_prefect_yaml
from meta_prefect.init.stored_by_prefect import told_by_prefect
from meta_prefect.interfaces.json_diff import FieldChange, Record, differences
from meta_prefect.plan.deployment_record import live_deployment
from meta_prefect.project import with_environment

pytestmark = pytest.mark.timeout(1200)  # all of it happens before the first test

IN_EACH_RUN = (
    "anchors_and_definitions",
    "built_by_an_automatic_dockerfile",
    "environment_variables",
    "keys_in_the_wrong_place",
    "limits",
    "metadata",
    "nulls_everywhere",
    "nulls_that_prefect_refuses",
    "saved_variables_and_blocks",
    "schedules_of_every_kind",
    "secret_in_an_environment_variable",
    "triggers",
)
"""The files that say the most; with ``-m thorough`` there are the others."""

EACH = [pytest.param(name, marks=() if name in IN_EACH_RUN else pytest.mark.thorough, id=name) for name in NAMES]

OF_OURS = " of ours"
"""What the names of our deployments end with, so that both are there side by side."""

EXPLAINED_AT = {"pull_steps": ("pull", "build"), "job_variables.image": ("job_variables.image", "build_docker_image")}
"""The keys of a prefect.yaml at which a remark explains a difference in a field, where these are called otherwise."""

STANDS_FOR_PREFECT_DOCKER = """
    def build_docker_image(image_name: str, tag: str = "latest", **settings: object) -> dict[str, object]:
        image = f"{image_name}:{tag}"
        return {"image_name": image_name, "tag": tag, "image": image, "image_id": "sha256:1", "additional_tags": []}

    def push_docker_image(image_name: str, tag: str, **settings: object) -> dict[str, object]:
        return {"image_name": image_name, "tag": tag, "image": f"{image_name}:{tag}", "additional_tags": []}
    """
"""There is no Docker engine here: steps that give what those of prefect-docker do."""


@dataclass
class Outcome:
    """What has come of one file.

    Attributes:
        case: The file.
        deployments: What it was converted to.
        remarks: What the conversion has said.
        ended: What `prefect deploy` ended with, and printed.
        stored: What Prefect has stored, and what we have, by deployment.
        told: What Prefect's functions have said that it would store.
    """

    case: Case
    deployments: tuple[FoundDeployment, ...]
    remarks: tuple[Remark, ...]
    ended: str = ""
    stored: dict[str, tuple[Record | None, Record | None]] = field(
        default_factory=dict[str, tuple[Record | None, Record | None]]
    )
    told: dict[str, Record] = field(default_factory=dict[str, Record])

    def differing(self) -> Iterator[FieldChange]:
        """The fields in which what is stored differs."""
        for theirs, ours in self.stored.values():
            if theirs is not None:
                yield from differences(theirs, ours or {})


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"))


def prepare(server: Api, unique: str) -> None:
    """Make the pools, the variable and the block of which the files speak."""
    for kind in ("process", "docker", "kubernetes"):
        template = asyncio.run(get_default_base_job_template_for_infrastructure_type(kind))
        server.post("/work_pools/", name=f"{unique}-{kind}", type=kind, base_job_template=template)
    server.post("/variables/", name=f"{unique}_stage", value="stage")
    secret = server.get("/block_types/slug/secret")
    (schema, *_) = server.post("/block_schemas/filter", block_schemas={"block_type_id": {"any_": [secret["id"]]}})
    ids = {"block_type_id": secret["id"], "block_schema_id": schema["id"]}
    for name in (f"{unique}-key", f"{unique}-token", f"{unique}-password", "access-token"):
        server.post("/block_documents/", name=name, data={"value": "very-private-4712"}, **ids)


def project_file(unique: str, found: list[FoundDeployment]) -> str:
    """One project of all that was found."""
    entries: dict[str, list[Any]] = {}
    for one in found:
        variables = {**one.variables, "name_pattern": "{name}" + OF_OURS}
        entries.setdefault(one.flow_name, []).append(
            {"recipe": "work_pool_deployer", "entrypoint": one.entrypoint, "variables": variables}
        )
    return json.dumps({"project": unique, "deployments": entries})  # which is YAML


def deployed_by_prefect(root: Path, wanted: Sequence[str], environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Let Prefect's own command deploy each of the files; yields what it ended with."""
    write(root.parent / "stand_ins", {"prefect_docker/__init__.py": "", "prefect_docker/deployments/__init__.py": ""})
    write(root.parent / "stand_ins", {"prefect_docker/deployments/steps.py": STANDS_FOR_PREFECT_DOCKER})
    script = Path(__file__).parent / "prefect_deploys.py"
    path = os.pathsep.join([str(root), str(root.parent / "stand_ins")])
    done = subprocess.run(
        [sys.executable, script, *(f"{name}.yaml" for name in wanted)],
        cwd=root,
        env={**os.environ, **environment, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for line in done.stdout.splitlines():
        name, ended, said = json.loads(line)
        yield name, f"{ended}: {said[-3000:]}"


def record_of(server: Api, answer: Record, unique: str) -> Record:
    """What is compared of a deployment: all that is stored but our mark, the slugs of ours, and what a server adds."""
    record = live_deployment(answer, "").record
    record["tags"] = [tag for tag in record["tags"] if tag not in ("env=dev", f"meta-prefect={unique}")]
    record["job_variables"].pop("meta_env", None)
    env = {key: one for key, one in record["job_variables"].get("env", {}).items() if key != "META_PREFECT__ENV"}
    record["job_variables"] = {**record["job_variables"], "env": env}
    # A schedule of ours has a slug where none was written; which ones were is compared in the reader's own tests.
    record["schedules"] = sorted(json.dumps(one, sort_keys=True) for one in record["schedules"].values())
    related = server.get(f"/automations/related-to/prefect.deployment.{answer['id']}")
    normal = vars(triggers)["_normal"]
    found = [normal(one, answer["id"]) for one in related]
    own = [{**one, "id": None, "tags": None, "trigger": {**one["trigger"], "id": None}} for one in found]
    record["triggers"] = sorted(json.dumps(one, sort_keys=True) for one in own)
    return record


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, server: Api, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    """The files that are asked for, deployed by Prefect one after another, and by us as one project."""
    asked = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    wanted = sorted({str(one.params["name"]) for one in asked if one is not None})
    unique = f"t{os.urandom(5).hex()}"
    root = tmp_path_factory.mktemp(unique) / "project"
    prepare(server, unique)
    cases = [read_case(name, unique) for name in wanted]
    write(root, {name: text.replace("UNIQUE", unique) for name, text in FILES.items()})
    write(root, {f"{case.name}.yaml": case.text for case in cases})
    made: dict[str, Outcome] = {}
    for case in cases:
        found = read_prefect_yaml(root / f"{case.name}.yaml")
        remarks = (*found.remarks, *(remark for one in found.deployments for remark in one.remarks))
        made[case.name] = Outcome(case, found.deployments, remarks)
    entries = [(it, one) for it in made.values() for one in it.deployments if "work_pool" in one.variables]
    write(root, {"meta_prefect.yaml": project_file(unique, [one for _, one in entries])})
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    remote = ["remote", "add", "origin", "https://git.example/all.git"]
    for command in (["init", "-q"], remote, ["add", "-A"], ["commit", "-q", "-m", "All."]):
        subprocess.run([*git, *command], cwd=root, check=True)
    environment = {key.replace("UNIQUE", unique): value.replace("UNIQUE", unique) for key, value in ENVIRONMENT.items()}
    for name, ended in deployed_by_prefect(root, wanted, environment):
        made[name].ended = ended
    with pytest.MonkeyPatch.context() as patched:
        for key, value in environment.items():
            patched.setenv(key, value)
        deploy([str(root)], build=False)
        names = [with_environment({"name": one.variables["name"]}, lambda *_: "")[0]["name"] for _, one in entries]
        for file, one in told_by_prefect(root, *(f"{name}.yaml" for name in wanted)):
            if "answer" in one:
                told = live_deployment(one["answer"], one["flow_name"])
                made[file.removesuffix(".yaml")].told[told.name] = told.record
    for (outcome, one), name in zip(entries, names, strict=True):
        both = [server.deployment(f"{one.flow_name}/{full}") for full in (name, f"{name}{OF_OURS}")]
        theirs, ours = (None if answer is None else record_of(server, answer, unique) for answer in both)
        outcome.stored[name] = (theirs, ours)
    return made


@pytest.mark.parametrize("name", EACH)
def test_what_is_stored_is_the_same_or_was_named(outcomes: dict[str, Outcome], name: str) -> None:
    """Ours is what `prefect deploy` stores, save where a remark has named the difference before."""
    outcome = outcomes[name]
    theirs = {full for full, (stored, _) in outcome.stored.items() if stored is not None}
    ours = {full for full, (_, stored) in outcome.stored.items() if stored is not None}
    assert outcome.stored.keys() == ours
    assert theirs == (ours if outcome.case.is_deployed else set()), outcome.ended
    assert outcome.case.is_deployed or outcome.remarks

    differing = list(outcome.differing())

    assert [change for change in differing if not change.path.startswith(tuple(outcome.case.differs))] == []
    for path in outcome.case.differs:
        assert any(change.path.startswith(path) for change in differing), f"{path} differs no longer"
        keys = EXPLAINED_AT.get(path, (path,))
        assert any(key in remark.key for key in keys for remark in outcome.remarks), f"{path}: nothing says so"


@pytest.mark.parametrize("name", EACH)
def test_prefect_stores_what_its_functions_have_said(outcomes: dict[str, Outcome], name: str) -> None:
    """What a new project is compared with where nothing is live is what Prefect's command has really stored."""
    outcome = outcomes[name]
    asks = [word for word in ("prefect.variables", "prefect.blocks", "build:\n") if word in outcome.case.text]
    for full, (theirs, _) in outcome.stored.items():
        if theirs is not None and not asks:
            said = outcome.told[full]
            beside = {"schedules", "triggers", "work_queue_name"}  # compared apart; a server names the queue by default
            told = {key: one for key, one in said.items() if key not in beside}
            told["job_variables"] = {"env": {}, **said["job_variables"]}
            assert {key: one for key, one in theirs.items() if key not in beside} == told
            assert theirs["schedules"] == sorted(json.dumps(one, sort_keys=True) for one in said["schedules"].values())
