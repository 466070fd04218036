"""Everything that is wrong is found before the first write, said clearly, and leaves the server as it was."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import Api

from meta_prefect.deploy import deploy
from meta_prefect.errors import MetaPrefectError

GOOD = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work(x: int = 1) -> int:
        return x
"""


def asking_for(entries: str, *, flow: str = "UNIQUE") -> str:
    """A project file that asks for a good deployment, and for others."""
    good = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - {recipe: local_run_deployer, variables: {name: good}}
    """
    if flow == "UNIQUE":
        return good + f"    {entries}\n"
    return good + f"  {flow}:\n        {entries}\n"


@dataclass(frozen=True)
class Case:
    """A project with something wrong.

    Attributes:
        entry: A second entry in the project file.
        flow: The flow that it is for.
        files: Files beside the good flow's.
        says: What the message must hold.
    """

    entry: str = ""
    flow: str = "UNIQUE"
    files: dict[str, str] | None = None
    says: tuple[str, ...] = ()


def entry(variables: str, recipe: str = "local_run_deployer") -> str:
    """One entry of the project file."""
    return f"- {{recipe: {recipe}, variables: {{{variables}}}}}"


CASES = {
    "broken YAML": Case("- {recipe: [", says=("meta_prefect.yaml:", "YAML")),
    "unknown key": Case("- {recipee: local_run_deployer}", says=("recipee", "Did you mean 'recipe'?")),
    "unknown recipe": Case(
        entry("name: b", "local_run_deploier"), says=("local_run_deploier", "Did you mean 'local_run_deployer'?")
    ),
    "missing variable": Case(entry(""), says=("needs the variable 'name'",)),
    "unknown variable": Case(entry("name: b, shedule: x"), says=("no variable 'shedule'", "Did you mean 'schedule'?")),
    "ill-typed variable": Case(entry("name: b, unique: perhaps"), says=("variables.unique", "'perhaps'")),
    "unknown flow": Case(entry("name: b"), flow="no-such-flow", says=("no-such-flow",)),
    "two flows of one name": Case(
        entry("name: b"),
        flow="twin",
        files={
            "one.py": "from prefect import flow\n@flow\ndef twin(): ...\n",
            "two.py": "from prefect import flow\n@flow\ndef twin(): ...\n",
        },
        says=("one.py:twin", "two.py:twin", "entrypoint"),
    ),
    "one deployment asked for twice": Case(entry("name: good"), says=("good-dev", "another name")),
    "module that fails on import": Case(
        entry("name: b"),
        flow="broken",
        files={"broken.py": "from prefect import flow\nimport no_such_package\n@flow\ndef broken(): ...\n"},
        says=("broken.py:2", "no_such_package"),
    ),
    "invalid rrule": Case(entry('name: b, schedule: {rrule: "FREQ=SOMETIMES"}'), says=("SOMETIMES",)),
    "invalid time zone": Case(
        entry('name: b, schedule: {rrule: "FREQ=DAILY", timezone: "US/Pacifik"}'), says=("US/Pacifik", "US/Pacific")
    ),
    "schedule that never fires": Case(
        entry('name: b, schedule: {rrule: "FREQ=DAILY;UNTIL=20200102T000000"}'), says=("never",)
    ),
    "schedule parameter that the flow has not": Case(
        entry('name: b, schedule: {rrule: "FREQ=DAILY", parameters: {y: 1}}'), says=("no parameter 'y'", "x")
    ),
    "name that Prefect refuses": Case(entry('name: "a/b"'), says=("a/b", "does not work in Prefect names")),
    "name with a percent sign": Case(entry('name: "50%"'), says=("50%", "does not work in Prefect names")),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_what_is_wrong_is_said_and_nothing_is_written(
    server: Api, project: Callable[..., Path], unique: str, case: Case
) -> None:
    """One clear message for each mistake; the sound deployment beside it is not written either."""
    root = project(flow=GOOD, **{"meta_prefect.yaml": asking_for(case.entry, flow=case.flow)}, **(case.files or {}))

    with pytest.raises(MetaPrefectError) as caught:
        deploy([str(root)])

    message = str(caught.value)
    assert [text for text in case.says if text not in message] == [], message
    assert "Traceback" not in message
    assert server.deployments_of(unique) == []


def test_all_mistakes_are_said_at_once(server: Api, project: Callable[..., Path]) -> None:
    """Somebody who made three mistakes is told three times, each with its place in the file."""
    entries = f"{entry('nam: a')}\n        {entry('name: b', 'no_such_recipe')}"
    root = project(flow=GOOD, **{"meta_prefect.yaml": asking_for(entries)})

    with pytest.raises(MetaPrefectError) as caught:
        deploy([str(root)])

    lines = str(caught.value).splitlines()
    assert sum("meta_prefect.yaml:" in line for line in lines) == len(("missing name", "unknown nam", "no recipe"))


def test_keep_going_deploys_what_is_sound(server: Api, project: Callable[..., Path], unique: str) -> None:
    """With `keep-going` the sound deployment is written, the other one is in the report, and the deploy still fails."""
    root = project(flow=GOOD, **{"meta_prefect.yaml": asking_for(entry("nam: b"))})

    with pytest.raises(MetaPrefectError, match="failed"):
        deploy([str(root)], on_error="keep-going")

    assert [one["name"] for one in server.deployments_of(unique)] == ["good-dev"]


def test_no_code_runs_but_that_of_deployed_flows(server: Api, project: Callable[..., Path], tmp_path: Path) -> None:
    """Files of the project whose flows are not deployed are not executed."""
    marker = tmp_path / "executed"
    other = f"from prefect import flow\nopen({str(marker)!r}, 'w').close()\n@flow\ndef other(): ...\n"
    root = project(flow=GOOD, **{"other.py": other, "meta_prefect.yaml": asking_for("")})

    deploy([str(root)], dry_run=True)

    assert not marker.exists()


def test_a_server_that_does_not_answer(
    one_flow: Path, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """An unreachable API is one clear message and exit code 1."""
    done = run_cli("deploy", str(one_flow), env={"PREFECT_API_URL": "http://127.0.0.1:9/api"})

    assert done.returncode == 1
    assert "http://127.0.0.1:9/api does not answer" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("target", "says"),
    [("no-such-flow", "no-such-flow"), ("./nowhere", "nowhere"), ("UNIQUE/no-such-deployment", "no-such-deployment")],
)
def test_a_target_that_is_not_there(server: Api, one_flow: Path, unique: str, target: str, says: str) -> None:
    """A target that is neither a path nor anything of the project is an error that names it."""
    with pytest.raises(MetaPrefectError, match=says):
        deploy([str(one_flow), target.replace("UNIQUE", unique)])

    assert server.deployments_of(unique) == []
