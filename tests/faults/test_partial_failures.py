"""One of twenty deployments cannot be deployed: what that means for the other nineteen is the user's choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty import FaultyServer
from support import unmarked

pytestmark = pytest.mark.faults

Code = Callable[..., Path]
NUMBER = 20
BAD = 10


def lines(text: str = "", *, bad: str = "") -> list[str]:
    """Twenty deployments with a description; one of them with something besides."""
    described = f" | describer(text={text!r})"
    return [f"d{n} = (common{described}{bad if n == BAD else ''})(work)" for n in range(NUMBER)]


def stored(server: FaultyServer, unique: str) -> dict[str, Any]:
    """What the server has, apart from what changes by itself."""
    own = ("updated", "status", "last_polled")
    return {
        one["name"]: {key: value for key, value in unmarked(one).items() if key not in own}
        for one in server.api.deployments_of(unique)
    }


def without_ids(deployments: dict[str, Any]) -> dict[str, Any]:
    """The same without what schedules are called inside of the server."""
    kept = ("slug", "active", "schedule", "parameters")
    return {
        name: {**one, "schedules": [{key: item[key] for key in kept} for item in one["schedules"]]}
        for name, one in deployments.items()
    }


def test_one_that_is_refused_when_it_is_written(faulty_server: FaultyServer, code: Code, unique: str) -> None:
    """Nineteen are done, the deploy exits with 1 and names the twentieth; deployed again, it catches up, at the same version."""
    root = code(*lines())

    with faulty_server.spoilt(status=422, match="POST /api/deployments/$", holding=f'"d{BAD}-dev"'):
        done = faulty_server.deploy(root)

    assert done.returncode == 1
    assert f"failed {unique}/d{BAD}-dev" in done.stdout
    assert "422" in done.stdout
    assert "Traceback" not in done.stderr
    assert len(stored(faulty_server, unique)) == NUMBER - 1
    faulty_server.assert_converges(root, unique, {f"d{n}-dev" for n in range(NUMBER)})
    assert {one["version"] for one in stored(faulty_server, unique).values()} == {"1"}


def test_all_or_nothing(faulty_server: FaultyServer, code: Code, unique: str) -> None:
    """With --atomic all twenty are as before: fields, schedules, pause and limits, some set by operators."""
    root = code(*lines())
    assert faulty_server.deploy(root).returncode == 0
    for n in (1, 2):
        live = faulty_server.api.deployment(f"{unique}/d{n}-dev")
        faulty_server.api.patch(f"/deployments/{live['id']}", paused=True, concurrency_limit=n)
    before = stored(faulty_server, unique)
    added = f" | env_variables(values={{'BAD': '/nothing/d{BAD}'}})"
    changed = [line.replace("common", "common | scheduler(schedule='5 5 * * *')") for line in lines("new", bad=added)]
    code(*changed, "more = common(work)")

    with faulty_server.spoilt(status=422, match="PATCH /api/deployments/", holding=f'"/nothing/d{BAD}"'):
        done = faulty_server.deploy(root, "--atomic")

    assert done.returncode == 1, done.stdout
    assert f"failed {unique}/d{BAD}-dev" in done.stdout
    assert without_ids(stored(faulty_server, unique)) == without_ids(before)


def test_one_that_is_invalid(faulty_server: FaultyServer, code: Code, unique: str) -> None:
    """Nothing is written; with --keep-going nineteen are."""
    root = code(*lines(bad=" | scheduler(schedule='99 99 * * *')"))

    refused = faulty_server.deploy(root)
    written = len(stored(faulty_server, unique))
    kept_going = faulty_server.deploy(root, "--keep-going")

    assert (refused.returncode, kept_going.returncode) == (1, 1)
    assert f"d{BAD}-dev: minute 99 is not within 0 to 59" in refused.stderr
    assert written == 0
    assert sorted(stored(faulty_server, unique)) == sorted(f"d{n}-dev" for n in range(NUMBER) if n != BAD)


def test_a_run_that_cannot_even_begin(faulty_server: FaultyServer, code: Code) -> None:
    """Where Prefect itself cannot record the deploy, the error is one of ours, and no traceback."""
    root = code(*lines())

    with faulty_server.spoilt(status=422, match="POST /api/flow_runs/$"):
        done = faulty_server.run("plan", str(root))

    assert done.returncode == 1
    assert "the Prefect API refused POST /api/flow_runs/ (422)" in done.stderr
    assert "Traceback" not in done.stderr
