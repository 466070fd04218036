"""Whatever interrupts a deploy, the next one converges: nothing is left to do, nothing is there twice, no lock stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty import FaultyServer

pytestmark = pytest.mark.faults

Code = Callable[..., Path]
LINES = ("one = (common | then_run(deployment='UNIQUE/two-dev'))(work)", "two = common(work)")
NAMES = {"one-dev", "two-dev"}
EVENTS = (
    "start: read project",
    "start: plan",
    "expect: 5",
    "start: ensure work pool",
    "end",
    "start: ensure work queue",
    "end",
    "start: apply",
    "end",
    "start: apply",
    "end",
    "start: ensure automation",
    "end",
    "start: wait until everything is ready",
)
"""What a first deploy of that project goes through."""

at_each_event = pytest.mark.parametrize(
    ("number", "event"), list(enumerate(EVENTS)), ids=[f"{number} {event}" for number, event in enumerate(EVENTS)]
)


@at_each_event
def test_a_killed_deploy(faulty_server: FaultyServer, code: Code, unique: str, number: int, event: str) -> None:
    """It is killed at the start or end of a step: the same command completes it, under the version that it had begun."""
    root = code(*LINES)
    with faulty_server.stepwise(root) as steps:
        reached = steps.advance_to(number)
        steps.kill()

    assert reached is not None
    assert reached.startswith(event)
    faulty_server.assert_converges(root, unique, NAMES)
    assert {one["version"] for one in faulty_server.api.deployments_of(unique)} == {"1"}
    named = {"automations": {"name": {"any_": [f"{unique}-one-dev: run {unique}-two-dev"]}}}
    assert len(faulty_server.api.post("/automations/filter", **named)) == 1


@pytest.mark.parametrize("number", [1, 3, 7, 9, 13])
def test_a_server_that_dies_and_comes_back(faulty_server: FaultyServer, code: Code, unique: str, number: int) -> None:
    """The server is killed in the middle of a deploy, which goes on meanwhile and is done once the server is back."""
    root = code(*LINES)
    with faulty_server.stepwise(root) as steps:
        steps.advance_to(number)
        faulty_server.kill()
        faulty_server.launch()
        code_of_exit = steps.finish()

    faulty_server.wait()
    assert code_of_exit in (0, 1)
    faulty_server.assert_converges(root, unique, NAMES)
    assert {one["version"] for one in faulty_server.api.deployments_of(unique)} == {"1"} if code_of_exit else True


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param({"status": 503, "rate": 0.3}, id="503"),
        pytest.param({"status": 429, "rate": 0.3}, id="429"),
        pytest.param({"status": 503, "rate": 0.3, "after": True}, id="503 after the work was done"),
    ],
)
def test_an_overloaded_server(faulty_server: FaultyServer, code: Code, unique: str, faults: dict[str, object]) -> None:
    """A third of the requests that read or write deployments and what they need is answered badly: the deploy succeeds."""
    root = code(*LINES)
    paths = r"/api/(deployments|flows|artifacts|work_pools|automations|variables)"

    with faulty_server.spoilt(match=paths, seed=1, **faults):
        done = faulty_server.deploy(root)

    assert done.returncode == 0, done.stdout + done.stderr
    faulty_server.assert_converges(root, unique, NAMES)


@pytest.mark.parametrize("number", [2, 8])
def test_deploys_at_the_same_time(faulty_server: FaultyServer, code: Code, unique: str, number: int) -> None:
    """All of them succeed, one after another; each counts, and nothing is there twice."""
    root = code(*LINES)

    deploys = [faulty_server.launch_deploy(root, "--bump") for _ in range(number)]
    outputs = [deploy.communicate(timeout=280) for deploy in deploys]

    assert [output for deploy, output in zip(deploys, outputs, strict=True) if deploy.returncode] == []
    assert {one["version"] for one in faulty_server.api.deployments_of(unique)} == {str(number)}
    faulty_server.assert_converges(root, unique, NAMES)


def test_whoever_waits_says_for_whom(faulty_server: FaultyServer, code: Code, unique: str) -> None:
    """While a deploy plans, another one of the same project waits, names its run and its process, and goes on after it."""
    root = code(*LINES)

    with faulty_server.stepwise(root) as first, faulty_server.stepwise(root) as second:
        assert first.advance_to(1) == "start: plan"
        waits = second.advance_to(1) or ""
        codes = first.finish(), second.finish()

    assert re.match(rf"start: waiting for 'deploy {unique} to dev.*' \(process \d+ on .+\) to finish", waits), waits
    assert codes == (0, 0)
    assert {one["version"] for one in faulty_server.api.deployments_of(unique)} == {"1"}, (
        "the second had nothing to write"
    )


def test_different_projects_do_not_wait(faulty_server: FaultyServer, code: Code, tmp_path: Path, unique: str) -> None:
    """While a deploy of one project waits in the middle, another project is deployed."""
    root = code("one = common(work)")
    other = tmp_path / "other"
    other.mkdir()
    (other / "flows.py").write_text((root / "flows.py").read_text())
    (other / "meta_prefect.yaml").write_text(f"project: {unique}-other\n")
    with faulty_server.stepwise(root) as steps:
        steps.advance_to(3)
        done = faulty_server.run("plan", str(other))
        deployed = faulty_server.deploy(other, "--env", "prod")

    assert done.returncode == 2, done.stderr
    assert deployed.returncode == 0, deployed.stderr
