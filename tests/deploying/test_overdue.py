"""A message about a run that has not completed in time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from planning import left_to_do
from support import Api
from test_references import secret

from meta_prefect.deploy import deploy, validate
from meta_prefect.errors import ValidationFailed

Project = Callable[..., Path]
CODE = """
    from prefect import flow
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import versioneer
    from meta_prefect.implementations.notification import notify_overdue
    from meta_prefect.implementations.schedule import scheduler

    @flow(name="UNIQUE")
    def work() -> None: ...

    common = versioneer(version="7") | local_process() | scheduler(schedule=SCHEDULE)
    mine = (common | notify_overdue(block="secret/UNIQUE", LIMIT))(work)
"""


def code(project: Project, limit: str, schedule: str = "'0 5 * * 1-5'") -> Path:
    """A project with one deployment."""
    text = CODE.replace("SCHEDULE", schedule).replace("LIMIT", limit)
    return project(**{"flows.py": text, "meta_prefect.yaml": "project: UNIQUE\n"})


def trigger(server: Api, unique: str) -> Any:
    """What sets the automation off."""
    (found,) = server.post("/automations/filter", automations={"tags": {"any_": [f"meta-prefect={unique}"]}})
    return found["trigger"]


def test_a_run_that_has_not_completed_by_a_time_of_the_day(server: Api, project: Project, unique: str) -> None:
    """From five to seven there are two hours; to three o'clock of the next day, 22. Only scheduled runs count."""
    secret(server, unique, "x")
    root = code(project, "by='07:00'")
    deploy([str(root)])

    found = trigger(server, unique)
    assert (found["posture"], found["within"]) == ("Proactive", 2 * 60 * 60)
    assert (found["expect"], sorted(found["after"])) == (
        ["prefect.flow-run.Completed"],
        ["prefect.flow-run.Late", "prefect.flow-run.Pending"],
    )
    assert {"prefect.resource.role": ["tag"], "prefect.resource.id": ["prefect.tag.auto-scheduled"]} in found[
        "match_related"
    ]
    assert left_to_do(root) == []

    code(project, "by='03:00'")
    deploy([str(root)])
    assert trigger(server, unique)["within"] == 22 * 60 * 60


@pytest.mark.parametrize(
    ("limit", "schedule", "says"),
    [
        (
            "by='07:00'",
            "'0 5,17 * * *'",
            "`by` needs runs at one time of the day, and UNIQUE/mine-dev has them at 05:00, 17:00",
        ),
        ("by='07:00'", "()", "has them at no time of the day"),
        ("", "()", "say either how long a run may take (`within`), or `by` when it has to be done"),
        ("within='1 second'", "()", "within"),
    ],
)
def test_what_is_no_deadline(project: Project, unique: str, limit: str, schedule: str, says: str) -> None:
    """It says what to write instead, before anything is asked of a server."""
    with pytest.raises(ValidationFailed) as refused:
        validate([str(code(project, limit, schedule))])

    assert says.replace("UNIQUE", unique) in str(refused.value)
