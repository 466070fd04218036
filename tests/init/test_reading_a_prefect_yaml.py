"""What a prefect.yaml becomes, and what is said of it: without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect_yaml_cases import FILES, NAMES, read_case

from meta_prefect.errors import ValidationFailed
from meta_prefect.init import prefect_yaml_triggers
from meta_prefect.init.found import Found, FoundDeployment, Remark
from meta_prefect.init.prefect_yaml import read_prefect_yaml

Project = Callable[..., Path]


def read(project: Project, text: str) -> Found:
    """Read a prefect.yaml beside the flows of the cases."""
    root = project(**FILES, **{"prefect.yaml": text})
    return read_prefect_yaml(root / "prefect.yaml")


def remarks_of(found: Found) -> list[Remark]:
    """All that was said."""
    return [*found.remarks, *(remark for one in found.deployments for remark in one.remarks)]


def the_only(found: Found) -> FoundDeployment:
    """The only deployment."""
    (one,) = found.deployments
    return one


@pytest.mark.parametrize("name", NAMES)
def test_what_differs_is_said_with_line_and_key(project: Project, unique: str, name: str) -> None:
    """Each of the files says what its head promises, at a line of the file; one that says nothing is carried over whole."""
    case = read_case(name, unique)

    remarks = remarks_of(read(project, case.text))

    lines = case.text.splitlines()
    for key, words in case.says:
        said = [one for one in remarks if one.key == key]
        assert any(words in one.text for one in said), remarks
        line = int(said[0].place.removeprefix("prefect.yaml:"))
        last = key.replace("'", "").rpartition(".")[2].split("[")[0]
        assert last in lines[line - 1] or "<<" in case.text or "- " in lines[line - 1], (key, lines[line - 1])
    assert bool(remarks) == bool(case.says)


def test_no_secret_gets_into_what_is_found(project: Project, unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the value of an environment variable nor one that is written down is in variables or remarks."""
    monkeypatch.setenv(f"{unique}_TOKEN", "very-private-4711")
    texts = [read_case(name, unique).text for name in ("secret_in_an_environment_variable", "secret_written_down")]

    found = [read(project, text) for text in texts]

    assert "very-private-4711" not in str(found)
    assert "abc123def456" not in str(found)


def test_metric_triggers_are_taken_over_where_there_are_metrics(
    project: Project, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Prefect Cloud they become the variable's, as Prefect's own command takes them."""
    monkeypatch.setattr(prefect_yaml_triggers, "leads_to_cloud", lambda: True)

    (trigger,) = the_only(read(project, read_case("triggers_of_cloud", unique).text)).variables["triggers"]

    assert trigger == {"type": "metric", "metric": {"name": "lateness", "operator": ">", "threshold": 1}}


S3 = """
push:
  - prefect_aws.deployments.steps.push_to_s3:
      {id: push-code, bucket: code, folder: shop/flows, credentials: "{{ prefect.blocks.aws-credentials.shop }}"}
pull:
  - prefect_aws.deployments.steps.pull_from_s3:
      {id: pull-code, bucket: "{{ push-code.bucket }}", folder: "{{ push-code.folder }}"}
  - prefect.deployments.steps.pip_install_requirements: {directory: "{{ pull-code.directory }}"}
deployments:
  - {name: from s3, entrypoint: "flow.py:add", work_pool: {name: pool}}
"""


def test_code_that_is_pushed_to_s3(project: Project) -> None:
    """Push and pull become one variable; what else a worker does stays."""
    one = the_only(read(project, S3))

    assert one.variables["s3"] == {"bucket": "code", "path": "shop/flows", "credentials": "aws-credentials/shop"}
    assert one.variables["pull"] == [{"prefect.deployments.steps.pip_install_requirements": {}}]
    (remark,) = one.remarks
    assert remark.key.startswith("push[0]")


BROKEN = {
    "deployments: [": "not valid YAML",
    "- a list": "holds no keys",
    "": "holds no keys",
    "a: !secret b": "Prefect cannot read it",
}


@pytest.mark.parametrize(("text", "told"), BROKEN.items())
def test_a_file_that_is_none(project: Project, text: str, told: str) -> None:
    """It is an error that names the file."""
    with pytest.raises(ValidationFailed, match=told) as failed:
        read(project, text)
    assert "prefect.yaml" in str(failed.value)


def test_a_flow_that_cannot_be_read(project: Project) -> None:
    """Its name is taken from the function, and a remark says so; the other entries are read."""
    found = read(
        project,
        """
        deployments:
          - {name: gone, entrypoint: "gone.py:my_flow", work_pool: {name: pool}}
          - {name: here, entrypoint: "flow.py:add", work_pool: {name: pool}}
        """,
    )

    assert [one.flow_name.rpartition("-")[2] for one in found.deployments] == ["flow", "add"]
    assert "there is no file 'gone.py'" in found.deployments[0].remarks[0].text


WRONG: dict[str, tuple[Any, ...]] = {
    "work_pool": (5, "pool", ["pool"]),
    "work_pool.job_variables": (5, "image", [["image", 1]]),
    "parameters": (5, "x", ["x"]),
    "tags": (5, {"a": 1}),
    "schedules": (5, {"a": 1}, [5, ["x"], {"cron": 5}, {"interval": {"hours": 1}}, {"rrule": "[1]"}, {}]),
    "schedule": (5, "tomorrow", ["x"]),
    "concurrency_limit": ("many", ["x"], {"limit": "many"}),
    "triggers": (5, {"a": 1}, [5, ["x"], {"expect": {}}, {"triggers": 5}, {"triggers": [5]}]),
    "build": (5, "x", [5, {"a.b": 5}]),
    "push": (5, ["x"]),
    "pull": (5, ["x"], {"a.b": ["x"]}, [{"a.b": {"token": ["abc123def456"]}}]),
}
"""Values of the wrong kind, by the key of an entry."""


@pytest.mark.parametrize("key", WRONG)
def test_what_is_of_the_wrong_kind(project: Project, key: str) -> None:
    """It is named and left out, and the rest is read."""
    for wrong in WRONG[key]:
        entry: dict[str, Any] = {"name": "a", "entrypoint": "flow.py:add", "work_pool": {"name": "pool"}}
        first, dot, second = key.partition(".")
        if dot:
            entry[first][second] = wrong
        else:
            entry[first] = wrong

        found = read(project, json.dumps({"deployments": [entry]}))

        assert any(first in remark.key for remark in remarks_of(found)), wrong
        assert the_only(found).variables["name"] == "a"
