"""The ledger as a value: what an entry holds, how it is stored and found again."""

from __future__ import annotations

from typing import Any

import pytest
from ledger_values import NAME, a_page, a_record, created, written
from values import a_deployment

from meta_prefect.errors import TargetError
from meta_prefect.interfaces.records import Record
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Delete, Subject, Unchanged, Update
from meta_prefect.plan.ledger import (
    Ledger,
    LedgerEntry,
    Recorded,
    entry_of,
    history_of,
    key_prefix,
    page_of,
    set_by,
    version_to_restore,
)
from meta_prefect.plan.records import desired_record

SUBJECT = Subject("deployment", NAME)
DAILY: Record = {"timezone": "UTC", "parameters": {}, "rrule": "FREQ=DAILY"}


def test_a_page_survives_json() -> None:
    """What is read from an artifact's data is what was written there."""
    page = a_page(created(schedules=[Schedule(slug="daily", cron="0 9 * * *")]), created(concurrency_limit=2))

    assert Ledger.model_validate_json(page.model_dump_json()) == page
    assert page_of(page.model_dump(mode="json")) == page


@pytest.mark.parametrize("data", [None, "text", [], {}, {"project": "shop"}], ids=repr)
def test_somebody_elses_artifact_is_no_page(data: Any) -> None:
    """An artifact that only has a similar key is left out, not an error."""
    assert page_of(data) is None


def test_a_page_of_a_later_release_can_be_read() -> None:
    """Fields that this release does not know are no obstacle."""
    data = {**a_page().model_dump(mode="json"), "approved_by": "grace"}

    assert page_of(data) == a_page()


def test_the_key_holds_only_what_prefect_accepts() -> None:
    """Project, environment and recipe make the key; a project's or an environment's pages share its beginning."""
    page = a_page(project="My Shop", environment="Pre_Prod", recipe="local_run_deployer")

    assert page.key == "ledger-my-shop-pre-prod-local-run-deployer"
    assert page.key.startswith(key_prefix("My Shop", "Pre_Prod"))
    assert page.key.startswith(key_prefix("My Shop"))


def test_a_created_deployment_is_recorded_with_the_servers_defaults() -> None:
    """What was not sent is what the server makes of it, so that it can be restored."""
    entry = created(schedules=[Schedule(slug="daily", cron="0 9 * * *")])

    assert (entry.action, entry.version, entry.before, entry.fields) == ("created", "1", None, ())
    assert entry.after is not None
    assert entry.after["paused"] is False
    assert entry.after["concurrency_limit"] is None
    assert entry.after["schedules"]["daily"]["active"] is True


def test_an_updated_deployment_is_recorded_whole() -> None:
    """An entry has the whole record before and after, and tells in which fields they differ."""
    before, after = a_record(paused=True), a_record(paused=True, version="2", description="new")

    entry = entry_of(Update(SUBJECT, (), before, after), desired_record(a_deployment()))

    assert entry is not None
    assert (entry.action, entry.version, entry.before, entry.after) == ("updated", "2", before, after)
    assert {field.path for field in entry.fields} == {"version", "description"}


def test_what_the_server_adds_to_a_rule_is_no_changed_field() -> None:
    """A start that the server put before a recurrence rule does not show in the history."""
    stored = {**DAILY, "rrule": "DTSTART:20200101T000000\nFREQ=DAILY", "active": True}
    before, after = a_record(schedules={"daily": stored}), a_record(schedules={"daily": {**DAILY, "active": True}})

    entry = entry_of(Update(SUBJECT, (), before, after), {})

    assert entry is not None
    assert entry.fields == ()


def test_a_deleted_deployment_is_recorded_with_what_it_was() -> None:
    """Its last record is kept, so that it can be created again."""
    entry = entry_of(Delete(SUBJECT, a_record(version="4")), {})

    assert entry == LedgerEntry(
        deployment=NAME, action="deleted", version="4", before=a_record(version="4"), after=None
    )


def test_what_was_not_written_is_not_recorded() -> None:
    """An unchanged deployment has no entry."""
    assert entry_of(Unchanged(SUBJECT, "already as wanted", a_record()), {}) is None


def test_an_entry_knows_what_the_recipe_set() -> None:
    """Fields, and activations of schedules, that the recipe leaves alone are the operators'."""
    schedules = [Schedule(slug="a", cron="0 1 * * *", active=False), Schedule(slug="b", cron="0 2 * * *")]

    ours = set_by(desired_record(a_deployment(schedules=schedules, concurrency_limit=1)))

    assert {"schedules", "schedules.a.active", "concurrency_limit", "job_variables"} <= set(ours)
    assert not {"schedules.b.active", "paused", "work_queue_name"} & set(ours)


def test_the_history_is_that_of_one_deployment() -> None:
    """Entries of others on the same pages are left out; the order stays."""
    other = LedgerEntry(deployment="add/other-dev", action="created", version="1", before=None, after=a_record())
    second, first = a_page(other, created(version="2")), a_page(created(), other)

    history = history_of(NAME, [second, first])

    assert [(str(one), one.page) for one in history] == [("version 2", second), ("version 1", first)]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("add/nightly-dve", "Did you mean 'add/nightly-dev'?"), ("zzz", "Known: add/nightly-dev.")],
    ids=["misspelt", "unknown"],
)
def test_an_unknown_deployment_is_named_with_the_known_ones(name: str, hint: str) -> None:
    """Whoever asks for a deployment that was never deployed learns which ones were."""
    with pytest.raises(TargetError, match=f"'{name}' is recorded") as failure:
        history_of(name, [a_page(created())])

    assert failure.value.hint == hint


FIRST, SECOND, THIRD = written("1", "created"), written("2"), written("3")
GONE = written("3", "deleted")
AGAIN = written("1", "rolled back", description="again")


@pytest.mark.parametrize(
    ("history", "version", "chosen"),
    [
        pytest.param([THIRD, SECOND, FIRST], "1", FIRST, id="a version"),
        pytest.param([THIRD, SECOND, FIRST], None, SECOND, id="the one before"),
        pytest.param([AGAIN, THIRD, SECOND, FIRST], None, THIRD, id="a rollback is undone"),
        pytest.param([AGAIN, THIRD, SECOND, FIRST], "1", AGAIN, id="the newest of equal versions"),
        pytest.param([GONE, THIRD, SECOND], None, THIRD, id="the last before it was deleted"),
        pytest.param([GONE, THIRD, SECOND], "3", THIRD, id="not the deletion"),
        pytest.param([THIRD], "3", THIRD, id="the current one"),
    ],
)
def test_the_version_to_restore(history: list[Recorded], version: str | None, chosen: Recorded) -> None:
    """A named version, else the last one before the current."""
    assert version_to_restore(history, version) is chosen


@pytest.mark.parametrize(
    ("history", "version", "says"),
    [
        pytest.param([THIRD, SECOND, FIRST], "9", r"no version '9' of add/nightly-dev .*\n  Known: 3, 2, 1\.", id="no"),
        pytest.param([FIRST], None, "nothing before version 1 of add/nightly-dev", id="only one"),
        pytest.param([written(None)], "1", "Known: none", id="without versions"),
    ],
)
def test_a_version_that_is_not_there(history: list[Recorded], version: str | None, says: str) -> None:
    """The error names the versions that can be restored."""
    with pytest.raises(TargetError, match=says):
        version_to_restore(history, version)
