"""Going back to a version, as pure comparison."""

from __future__ import annotations

from typing import Any

import pytest
from ledger_values import NAME, a_record, live, written

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.records import Record
from meta_prefect.plan.changes import Create, Unchanged, Update
from meta_prefect.plan.restoring import diff_restored

CRON: Record = {"timezone": "UTC", "parameters": {}, "cron": "0 9 * * *", "day_or": True, "active": True}
RULE: Record = {"timezone": "UTC", "parameters": {}, "rrule": "FREQ=DAILY", "active": True}


@pytest.mark.parametrize(
    ("now", "then"),
    [
        pytest.param({"description": "new"}, {"description": "old"}, id="description"),
        pytest.param({"paused": True}, {"paused": False}, id="pause"),
        pytest.param({"concurrency_limit": None}, {"concurrency_limit": 3}, id="a limit"),
        pytest.param({"collision_strategy": "CANCEL_NEW"}, {"collision_strategy": None}, id="a collision strategy"),
        pytest.param({"tags": ["meta-prefect=shop", "new"]}, {"tags": ["meta-prefect=shop"]}, id="tags"),
        pytest.param({"job_variables": {"a": 1}}, {"job_variables": {}}, id="job variables"),
        pytest.param({"schedules": {}}, {"schedules": {"daily": CRON}}, id="a schedule that is gone"),
        pytest.param({"schedules": {"daily": CRON}}, {"schedules": {}}, id="a schedule that is new"),
        pytest.param(
            {"schedules": {"daily": CRON | {"active": False}}}, {"schedules": {"daily": CRON}}, id="an activation"
        ),
        pytest.param({"version": "3"}, {"version": "1"}, id="the version"),
    ],
)
def test_every_field_goes_back(now: dict[str, Any], then: dict[str, Any]) -> None:
    """What differs is written, whoever set it; nothing else is."""
    change = diff_restored(written(**{"version": "1", **then}), live(**{"version": "1", **now}))

    assert isinstance(change, Update)
    assert {field.path.partition(".")[0] for field in change.fields} == then.keys()
    assert {key: change.after[key] for key in then} == then


def test_what_is_there_already_is_not_written() -> None:
    """A deployment that is as it was then is left alone, however the server spells its recurrence rules."""
    stored = RULE | {"rrule": "DTSTART:20200101T000000\nFREQ=DAILY"}

    change = diff_restored(written("1", schedules={"daily": RULE}), live(version="1", schedules={"daily": stored}))

    assert isinstance(change, Unchanged)
    assert change.reason == "is as it was at version 1 already"


def test_a_deployment_that_is_gone_is_created_again() -> None:
    """The whole record is written."""
    change = diff_restored(written("2", paused=True), None)

    assert isinstance(change, Create)
    assert change.after == a_record(version="2", paused=True)


@pytest.mark.parametrize(
    ("tags", "says"),
    [(["meta-prefect=other"], "the project 'other', not to 'shop'"), ([], "nobody, not to 'shop'")],
    ids=["another project's", "nobody's"],
)
def test_deployments_of_others_are_refused(tags: list[str], says: str) -> None:
    """A deployment that is not this project's is not rolled back, whatever the ledger knows of its name."""
    with pytest.raises(ConflictError, match=f"deployment {NAME}: the live deployment belongs to {says}"):
        diff_restored(written("1"), live(tags=tags))
