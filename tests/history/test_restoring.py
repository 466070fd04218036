"""Going back, as pure comparison: to a version, and to defaults where a recipe no longer sets a field."""

from __future__ import annotations

from typing import Any

import pytest
from ledger_values import NAME, a_record, created, live, written
from values import a_deployment

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.records import Record
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Create, Unchanged, Update
from meta_prefect.plan.ledger import LedgerEntry
from meta_prefect.plan.records import desired_record
from meta_prefect.plan.restoring import diff_restored, with_given_up

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


def _wanted(**changes: Any) -> Record:
    return desired_record(a_deployment(**changes))


@pytest.mark.parametrize(
    ("before", "added"),
    [
        pytest.param({"concurrency_limit": 1}, {"concurrency_limit": None}, id="a limit"),
        pytest.param({"concurrency_limit": 0}, {"concurrency_limit": None}, id="no limit"),
        pytest.param({"collision_strategy": "CANCEL_NEW"}, {"collision_strategy": None}, id="a collision strategy"),
        pytest.param({"paused": True}, {"paused": False}, id="a pause"),
        pytest.param({"schedules": [Schedule(slug="daily", cron="0 9 * * *")]}, {"schedules": {}}, id="schedules"),
        pytest.param({"work_queue_name": "urgent"}, {"work_queue_name": "default"}, id="a queue"),
        pytest.param({}, {}, id="nothing"),
    ],
)
def test_what_a_recipe_gives_up_goes_back_to_its_default(before: dict[str, Any], added: Record) -> None:
    """A field that the last deploy set and that the recipe no longer sets gets the server's default."""
    assert with_given_up(_wanted(), created(**before)) == {**_wanted(), **added}


def test_what_a_recipe_still_sets_stays() -> None:
    """A field that was set and is set is as the recipe wants it now."""
    wanted = _wanted(concurrency_limit=2, paused=True)

    assert with_given_up(wanted, created(concurrency_limit=1, paused=False)) == wanted


def test_what_operators_set_stays_theirs() -> None:
    """A limit in the record of the last deploy that the recipe did not set then is not touched."""
    was = created().model_copy(update={"after": a_record(concurrency_limit=3)})

    assert with_given_up(_wanted(), was) == _wanted()


@pytest.mark.parametrize("last", [None, created().model_copy(update={"ours": ()})], ids=["no ledger", "knows nothing"])
def test_without_a_ledger_everything_is_kept(last: LedgerEntry | None) -> None:
    """Where the last deploy is not known, no field is taken back."""
    assert with_given_up(_wanted(), last) == _wanted()


@pytest.mark.parametrize(
    ("then", "now", "active"),
    [(False, None, True), (None, None, None), (False, False, False)],
    ids=["given up", "never set", "still set"],
)
def test_a_schedules_activation(then: bool | None, now: bool | None, active: bool | None) -> None:
    """An activation that the recipe set and no longer sets goes back to active; one that it never set is the operators'."""
    schedule = Schedule(slug="daily", cron="0 9 * * *")
    last = created(schedules=[schedule.model_copy(update={"active": then})])
    wanted = _wanted(schedules=[schedule.model_copy(update={"active": now})])

    assert with_given_up(wanted, last)["schedules"]["daily"].get("active") is active
