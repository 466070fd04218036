"""The ledger as a value: what an entry holds, how it is stored and found again."""

from __future__ import annotations

import pytest
from ledger_values import NAME, a_page, a_record, created, stored
from values import a_deployment

from meta_prefect.errors import TargetError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Delete, Subject, Unchanged, Update
from meta_prefect.plan.deployment_record import desired_record
from meta_prefect.plan.ledger import (
    LedgerEntry,
    LedgerPage,
    entry_of,
    history_of,
    key_prefix,
    set_by,
)

SUBJECT = Subject("deployment", NAME)
DAILY: Record = {"timezone": "UTC", "parameters": {}, "rrule": "FREQ=DAILY"}


def test_a_page_survives_json() -> None:
    """What is read from an artifact's data is what was written there."""
    page = a_page(created(schedules=[Schedule(slug="daily", cron="0 9 * * *")]), created(concurrency_limit=2))

    assert LedgerPage.model_validate_json(page.model_dump_json()) == page


def test_a_page_of_a_later_release_can_be_read() -> None:
    """Fields that this release does not know are no obstacle."""
    data = {**a_page().model_dump(mode="json"), "approved_by": "grace"}

    assert LedgerPage.model_validate(data) == a_page()


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
    on_the_server = {**DAILY, "rrule": "DTSTART:20200101T000000\nFREQ=DAILY", "active": True}
    before, after = (
        a_record(schedules={"daily": on_the_server}),
        a_record(schedules={"daily": {**DAILY, "active": True}}),
    )

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

    history = history_of(NAME, stored(second, first))

    assert [(str(one), one.page) for one in history] == [("version 2", second), ("version 1", first)]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("add/nightly-dve", "Did you mean 'add/nightly-dev'?"), ("zzz", "Known: add/nightly-dev.")],
    ids=["misspelt", "unknown"],
)
def test_an_unknown_deployment_is_named_with_the_known_ones(name: str, hint: str) -> None:
    """Whoever asks for a deployment that was never deployed learns which ones were."""
    with pytest.raises(TargetError, match=f"'{name}' is recorded") as failure:
        history_of(name, stored(a_page(created())))

    assert failure.value.hint == hint
