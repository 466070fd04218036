"""Steps that a worker takes before each run, beside bringing the code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from fakes import FakeHost
from pydantic import ValidationError
from values import a_draft, a_flow

from meta_prefect.engine.resolve import Draft
from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.code import git_code, image_code, pip_requirements, pull_steps, s3_code, shell_script
from meta_prefect.implementations.infra import docker, local_process, process
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

NOTHING: dict[str, Any] = {}
STEPS = "prefect.deployments.steps."
FOLDER = {f"{STEPS}set_working_directory": {"directory": "/srv/shop"}}
IN_IMAGE = {f"{STEPS}set_working_directory": {"directory": "."}}
HELLO = {f"{STEPS}run_shell_script": {"script": "echo hello"}}
CLONE = {f"{STEPS}git_clone": {"id": "clone", "repository": "https://git.example/shop.git", "branch": "main"}}
SECOND = {f"{STEPS}git_clone": {"id": "config", "repository": "https://git.example/config.git"}}

from_git = git_code(repository="https://git.example/shop.git", branch="main")
in_subfolder = git_code(repository="https://git.example/shop.git", branch="main", folder="etl")


def drafted(*builders: FlowBuilderInterface, **changes: Any) -> Draft:
    """A draft after all its builders."""
    changes.setdefault("flow", a_flow(parameter_schema={}))
    draft = a_draft(*builders, **changes)
    for one in draft.builders:
        draft.apply(one)
    draft.complete(FakeHost())
    return draft


def made_by(*builders: FlowBuilderInterface, **changes: Any) -> Deployment:
    """What builders make of a deployment, nothing of which is wrong."""
    draft = drafted(*builders, **changes)
    assert draft.errors == []
    return draft.deployment


def requirements(**inputs: str) -> dict[str, Any]:
    """The step that installs requirements."""
    return {f"{STEPS}pip_install_requirements": {**inputs, "requirements_file": "requirements.txt"}}


@pytest.mark.parametrize(
    ("builders", "steps"),
    [
        pytest.param(
            [from_git, pip_requirements(), process(work_pool="p")],
            [CLONE, requirements(directory="{{ clone.directory }}")],
            id="in a clone, which is not the working directory",
        ),
        pytest.param(
            [in_subfolder, pip_requirements(), process(work_pool="p")],
            [
                CLONE,
                {f"{STEPS}set_working_directory": {"directory": "{{ clone.directory }}/etl"}},
                requirements(),
            ],
            id="in a folder of a clone",
        ),
        pytest.param([image_code(), pip_requirements()], [IN_IMAGE, requirements()], id="in an image"),
        pytest.param([process(work_pool="p"), pip_requirements()], [FOLDER, requirements()], id="in the folder"),
        pytest.param(
            [pip_requirements(), shell_script(script="make"), process(work_pool="p")],
            [FOLDER, requirements(), {f"{STEPS}run_shell_script": {"script": "make"}}],
            id="said before the pool",
        ),
        pytest.param([pull_steps([HELLO]), local_process()], [FOLDER, HELLO], id="on a flow that runs here"),
        pytest.param(
            [pip_requirements(), docker(image="shop:1")], [IN_IMAGE, requirements()], id="on a flow in a container"
        ),
        pytest.param(
            [from_git, pull_steps([SECOND, HELLO]), process(work_pool="p")],
            [CLONE, SECOND, HELLO],
            id="another clone behind the first",
        ),
        pytest.param(
            [pull_steps([CLONE, HELLO]), process(work_pool="p")], [CLONE, HELLO], id="steps that bring the code"
        ),
        pytest.param(
            [local_process(), pull_steps([CLONE, HELLO], instead=True)], [CLONE, HELLO], id="instead of the folder"
        ),
        pytest.param(
            [local_process(), pull_steps([HELLO], instead=True)], [FOLDER, HELLO], id="instead, but without code"
        ),
        pytest.param(
            [from_git, shell_script(script="make", directory="tools", env={"A": "1"}, id="made", shell=True)],  # noqa: S604
            [
                CLONE,
                {
                    f"{STEPS}run_shell_script": {
                        "id": "made",
                        "script": "make",
                        "directory": "{{ clone.directory }}/tools",
                        "env": {"A": "1"},
                        "shell": True,
                    }
                },
            ],
            id="a script in a folder of the project",
        ),
        pytest.param(
            [process(work_pool="p"), shell_script(script="make", directory="/opt")],
            [FOLDER, {f"{STEPS}run_shell_script": {"script": "make", "directory": "/opt"}}],
            id="a script elsewhere",
        ),
        pytest.param(
            [
                pull_steps([{f"{STEPS}git_clone": {"repository": "https://git.example/shop.git"}}]),
                pip_requirements(),
            ],
            [
                {f"{STEPS}git_clone": {"repository": "https://git.example/shop.git"}},
                requirements(directory="{{ directory }}"),
            ],
            id="in a clone without an id",
        ),
    ],
)
def test_they_come_behind_the_code(builders: list[FlowBuilderInterface], steps: list[Any]) -> None:
    """Whoever brings the code, before or after them, further steps follow, in the folder in which the code is."""
    assert made_by(*builders).pull_steps == steps


def test_code_from_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is downloaded is in the working directory."""
    monkeypatch.setattr("meta_prefect.implementations.code.s3.content_hash", Mock(return_value="c0ffee"))

    made = s3_code(bucket="code").update_deployment(
        made_by(process(work_pool="p")).model_copy(update={"pull_steps": []})
    )
    made = pip_requirements().update_deployment(made)

    assert [next(iter(step)).rpartition(".")[2] for step in made.pull_steps] == [
        "pull_from_s3",
        "pip_install_requirements",
    ]
    assert made.pull_steps[1] == requirements()


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        pytest.param(
            [{f"{STEPS}git_clonee": NOTHING}],
            "there is no pull step 'prefect.deployments.steps.git_clonee': prefect.deployments.steps has no function "
            "'git_clonee'\n  Did you mean 'git_clone'?",
            id="misspelt",
        ),
        pytest.param(
            [{"prefect.deployment.steps.git_clone": NOTHING}],
            "prefect has no module 'prefect.deployment'",
            id="a module that the package has not",
        ),
        pytest.param(
            [{"prefect.projects.steps.git_clone_project": {"repository": "https://git.example/x.git"}}],
            "Prefect calls it 'prefect.deployments.steps.git_clone' now.",
            id="a name of Prefect 2",
        ),
        pytest.param([{f"{STEPS}git_clone": {"branch": "main"}}], "git_clone needs 'repository'", id="incomplete"),
        pytest.param([{f"{STEPS}git_clone": None}], "git_clone needs 'repository'", id="without inputs"),
        pytest.param(
            [{f"{STEPS}git_clone": {"repository": "https://git.example/x.git", "brnch": "main"}}],
            "git_clone takes no 'brnch'\n  Did you mean 'branch'?",
            id="an unknown input",
        ),
        pytest.param(
            [CLONE, {f"{STEPS}run_shell_script": {"script": "ls {{ clon.directory }}"}}],
            "No pull step before it has the id 'clon'; what steps of a build give is not known in a run. Did you mean 'clone'?",
            id="an id that there is not",
        ),
        pytest.param(
            [{f"{STEPS}run_shell_script": {"script": "ls {{ clone.directory }}"}}, CLONE],
            "No pull step before it has the id 'clone'",
            id="an id that comes later",
        ),
        pytest.param([CLONE, CLONE], "two pull steps have the id 'clone'", id="an id twice"),
        pytest.param(
            [{f"{STEPS}git_clone": {"repository": "https://git.example/x.git", "access_token": "s3cr3t-0"}}],
            "access_token: a secret is named, never written down",
            id="a token",
        ),
        pytest.param(
            [{f"{STEPS}git_clone": {"repository": "https://me:s3cr3t-0@git.example/x.git"}}],
            "repository: a secret is named, never written down",
            id="a token in an address",
        ),
        pytest.param(
            [{f"{STEPS}run_shell_script": {"script": "make", "env": {"API_TOKEN": "s3cr3t-0"}}}],
            "env.API_TOKEN: a secret is named, never written down",
            id="a token for a script",
        ),
        pytest.param(
            [{f"{STEPS}run_shell_script": {"script": "login --password s3cr3t-0"}}],
            "script: a secret is named, never written down",
            id="a password in a script",
        ),
    ],
)
def test_what_no_worker_could_do_is_refused(steps: list[Any], told: str) -> None:
    """Names, inputs and references are checked where the function is here, and no secret is stored or quoted."""
    (error,) = drafted(process(work_pool="p"), pull_steps(steps)).errors

    assert told in str(error)
    assert isinstance(error, ConfigurationError)
    assert "s3cr3t" not in str(error)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        pytest.param([NOTHING], "a step has one key, its function, and not 0: none", id="empty"),
        pytest.param([{"a.b": NOTHING, "c.d": NOTHING}], "and not 2: a.b, c.d", id="two in one"),
        pytest.param([{"clone": NOTHING}], "'clone' is no function: write 'package.module.function'", id="no path"),
        pytest.param([{"a.b": "x"}], "the inputs of a.b are no mapping of names to values", id="inputs as a text"),
    ],
)
def test_what_is_no_step(steps: list[Any], told: str) -> None:
    """Its form is checked where it is written down."""
    with pytest.raises(ValidationError) as refusal:
        pull_steps(steps)
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param({f"{STEPS}git_clone": {**CLONE[f"{STEPS}git_clone"], "access_token": None}}, id="no token"),
        pytest.param(
            {f"{STEPS}git_clone": {"repository": "git@git.example:a/b.git", "credentials": "{{ prefect.blocks.x.y }}"}},
            id="over ssh",
        ),
        pytest.param(
            {f"{STEPS}run_shell_script": {"script": "x", "env": {"TOKEN": "{{ $TOKEN }}"}}}, id="of the worker"
        ),
    ],
)
def test_references_are_no_secrets(step: dict[str, Any]) -> None:
    """A reference to a block or to an environment variable of the worker is resolved in the run, and stored as it is."""
    assert step in made_by(process(work_pool="p"), pull_steps([step])).pull_steps


@pytest.mark.parametrize(
    ("step", "told"),
    [
        pytest.param(
            {"nowhere.steps.fetch": {"a": 1}},
            "the pull step nowhere.steps.fetch is not checked (there is no package 'nowhere' here)",
            id="a package of the worker's",
        ),
        pytest.param(
            {"needs_more.fetch": {"requires": "more"}},
            "the pull step needs_more.fetch is not checked (it needs 'not_here', which is not here)",
            id="a module that needs another",
        ),
        pytest.param(
            {"raises_here.fetch": NOTHING},
            "the pull step raises_here.fetch is not checked (importing it raised RuntimeError)",
            id="a module that raises",
        ),
    ],
)
def test_what_cannot_be_imported_here_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: dict[str, Any], told: str
) -> None:
    """Whoever deploys hears that a step was not checked; it is deployed all the same."""
    (tmp_path / "needs_more.py").write_text("import not_here\n")
    (tmp_path / "raises_here.py").write_text("raise RuntimeError('no')\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    made = made_by(pull_steps([step]), process(work_pool="p"))

    assert (made.pull_steps, made.notes) == ([step], [told])


def test_steps_of_one_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that anybody has written is checked like Prefect's; one that takes anything takes anything."""
    (tmp_path / "own_steps.py").write_text("def fetch(place, *, depth=1): ...\ndef anything(**inputs): ...\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    (error,) = drafted(process(work_pool="p"), pull_steps([{"own_steps.fetch": {"deep": 2}}])).errors
    made = made_by(pull_steps([{"own_steps.fetch": {"place": "x"}}, {"own_steps.anything": {"id": "a", "b": 1}}]))

    assert "own_steps.fetch takes no 'deep'" in str(error)
    assert made.notes == []


def test_a_file_of_requirements_that_is_not_here(tmp_path: Path) -> None:
    """It is noted, as a run would end before it begins, and not refused: the code may come from elsewhere."""
    flow = a_flow(parameter_schema={}, source=str(tmp_path))
    without = made_by(process(work_pool="p"), pip_requirements(file="deps/all.txt"), flow=flow)
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps" / "all.txt").write_text("")

    assert without.notes == ["there is no deps/all.txt in the project's folder"]
    assert made_by(process(work_pool="p"), pip_requirements(file="deps/all.txt"), flow=flow).notes == []
