"""What may be promoted, and what a trial is: judged by what is live and what is recorded, as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ledger_values import NAME, a_page, a_record, created, live, stored

from meta_prefect.interfaces.smoke import Smoke
from meta_prefect.plan.changes import Create, Subject, Unchanged, Update
from meta_prefect.plan.deployment_record import LiveDeployment, field_changes
from meta_prefect.plan.ledger import PUT_BACK, HistoryEntry
from meta_prefect.plan.project_history import deploys_of
from meta_prefect.plan.promotion import candidates
from meta_prefect.plan.saved_plan import DeployOptions, PlannedState, SavedPlan
from meta_prefect.plan.smoke import SMOKE_TAG, as_settled, as_trial, original_of, resumed, smoke_of

WHEN = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAILY: dict[str, Any] = {"daily": {"cron": "0 9 * * *", "active": True, "parameters": {}}}
SUBJECT = Subject("deployment", NAME)


def a_plan(stage: Any = "finished", before: str | None = "a", after: str = "a", **changes: Any) -> SavedPlan:
    """The plan of a later deploy, that had the deployment in it."""
    fields: dict[str, Any] = {
        "project": "shop",
        "environment": "dev",
        "deploy_id": "d2",
        "run_id": "r2",
        "now": WHEN + timedelta(hours=1),
        "commit": "def",
        "asked": DeployOptions(),
        "versions": {},
        "wanted": "",
        "states": {f"deployment {NAME}": PlannedState(before=before, after=after)},
        "stage": stage,
    }
    return SavedPlan(**{**fields, **changes})


@pytest.mark.parametrize(
    ("there", "page", "plans", "says"),
    [
        pytest.param({}, {}, [], "abc", id="as it was deployed"),
        pytest.param({"tags": [*a_record()["tags"], "added"]}, {}, [], "abc", id="with an operator's tag"),
        pytest.param({"description": "other"}, {}, [], "has drifted: description", id="drifted"),
        pytest.param({"tags": [SMOKE_TAG]}, {}, [], "has not passed its smoke run", id="on trial"),
        pytest.param({}, {"commit": "abc+dirty"}, [], "was deployed from uncommitted changes", id="dirty"),
        pytest.param({}, {"commit": None}, [], "was deployed from no Git commit", id="no commit"),
        pytest.param({}, {"recipe": PUT_BACK}, [], "was put back, as its last deploy failed", id="put back"),
        pytest.param({}, {"finished": False}, [], "was written by a deploy that was interrupted", id="interrupted"),
        pytest.param({}, {}, [a_plan()], "def", id="a later deploy has left it as it is"),
        pytest.param(
            {}, {}, [a_plan(stage="started", after="b")], "could not be written by its last deploy", id="failed"
        ),
        pytest.param({}, {}, [a_plan(stage="started")], "def", id="a later deploy failed with another"),
        pytest.param({}, {}, [a_plan(now=WHEN - timedelta(hours=1))], "abc", id="an earlier plan"),
    ],
)
def test_what_is_live_as_recorded_stands_for_a_commit(
    there: dict[str, Any], page: dict[str, Any], plans: list[SavedPlan], says: str
) -> None:
    """The commit of the last deploy that wrote it, or left it as it is; or why it is none."""
    entry = created()
    recorded = HistoryEntry(a_page(entry, **page), entry)
    (found,) = candidates([live(**there)], {NAME: recorded}, plans)
    assert (found.refused or found.commit or "").startswith(says)


def test_what_the_last_deploy_did_not_bring_to_life_is_refused() -> None:
    """It is not there, and the commit of the others asks for it."""
    (found,) = candidates([], {}, [a_plan(stage="started", before=None)])
    assert (found.deployment, found.commit) == (NAME, None)
    assert (found.refused or "").startswith("is not live")


def test_a_trial_ends_as_it_was_meant_to() -> None:
    """Inactive and not paused meanwhile; then as wanted, with what somebody has done meanwhile."""
    wanted = a_record(schedules=DAILY, paused=True)
    trial = as_trial(wanted)
    assert (trial["paused"], trial["schedules"]["daily"]["active"], SMOKE_TAG in trial["tags"]) == (False, False, True)
    assert as_settled(trial, wanted) == wanted
    assert as_settled({**trial, "description": "somebody's"}, wanted) == {**wanted, "description": "somebody's"}
    assert as_settled(trial, None) == {**trial, "tags": wanted["tags"]}


def test_a_trial_that_was_cut_off_is_taken_up() -> None:
    """The plan begins with what is there; what it goes back to is what was there before the trial."""
    entry = created()
    cut_off = HistoryEntry(a_page(entry, finished=False), entry)
    tried = LiveDeployment("d-1", "add", "nightly-dev", as_trial(a_record()), {})
    change = resumed(Unchanged(SUBJECT, "", as_settled(tried.record, entry.after)), tried)
    assert isinstance(change, Update)
    assert (change.before, change.after, [one.path for one in change.fields]) == (tried.record, a_record(), ["tags"])
    assert original_of(tried, cut_off) is None
    assert original_of(tried, HistoryEntry(a_page(entry), entry)) == entry.after
    assert original_of(tried, None) == tried.record


@pytest.mark.parametrize(
    ("changes", "counted", "gets_one"),
    [
        ({"parameters": {"x": 2}}, False, True),
        ({"work_pool_name": "other"}, False, True),
        ({"version": "2"}, False, True),
        ({"version": "2"}, True, False),
        ({"description": "other", "tags": [], "schedules": DAILY}, False, False),
    ],
)
def test_what_would_run_otherwise_gets_a_smoke_run(changes: dict[str, Any], counted: bool, gets_one: bool) -> None:
    """Not what is only shown otherwise, or counted; but all that is new, or has not passed one yet."""
    smoke, before = Smoke(), a_record()
    after = {**before, **changes}
    change = Update(SUBJECT, tuple(field_changes(before, after)), before, after, counted)
    assert (smoke_of(change, smoke, resumed=False) is smoke) is gets_one
    assert smoke_of(change, smoke, resumed=True) is smoke
    assert smoke_of(change, None, resumed=True) is None
    assert smoke_of(Create(SUBJECT, (), after), smoke, resumed=False) is smoke


def test_the_pages_of_one_deploy_are_one_line_of_the_history() -> None:
    """Newest first, each with where, from which commit, by whom and what."""
    entry = created()
    first = a_page(entry)
    other = a_page(entry.model_copy(update={"deployment": "add/other-dev"}), recipe="other")
    later = a_page(entry, deploy_id="d2", at=WHEN + timedelta(hours=1), environment="prod", promoted_from="dev")
    (again,) = stored(a_page(entry, deploy_id="d3", at=WHEN - timedelta(hours=1), finished=False))
    found = deploys_of([*stored(first, other, later), again])
    assert [one.cells for one in found] == [
        ("2026-11-20 13:00:00Z", "prod from dev", "abc", "ada@host", "", f"1 created: {NAME}"),
        ("2026-11-20 12:00:00Z", "dev", "abc", "ada@host", "", f"2 created: {NAME}, add/other-dev"),
        ("2026-11-20 11:00:00Z", "dev", "abc", "ada@host", "", f"1 created (interrupted): {NAME}"),
    ]
