"""Which live schedule is which of the wanted ones: by its slug, by what it says, by its place."""

from __future__ import annotations

from typing import Any

import pytest
from server_answer import last_entry, stored
from values import a_deployment

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Unchanged, Update
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.diff import diff_deployment
from meta_prefect.plan.schedule_writes import schedule_writes


def crons(*hours: int, **options: Any) -> list[Schedule]:
    """Daily schedules that nobody has named, as they are numbered where they take more than a few words."""
    return [
        Schedule(
            slug="cron" if number == 1 else f"cron-{number}", cron=f"0 {hour} * * *", slug_is_given=False, **options
        )
        for number, hour in enumerate(hours, 1)
    ]


def deployed(*hours: int, off: int) -> tuple[Deployment, LiveDeployment]:
    """A deployment with daily schedules, of which an operator has switched one off."""
    before = a_deployment(schedules=crons(*hours))
    live = stored(before)
    for schedule in live.record["schedules"].values():
        schedule["active"] = schedule["cron"] != f"0 {off} * * *"
    return before, live


@pytest.mark.parametrize(
    ("now", "activity"),
    [
        pytest.param((2, 3), {2: False, 3: True}, id="the first goes"),
        pytest.param((3, 2, 1), {1: True, 2: False, 3: True}, id="another order"),
        pytest.param((1, 4, 3), {1: True, 4: False, 3: True}, id="the one that is off changes"),
        pytest.param((4, 1, 2, 3), {4: True, 1: True, 2: False, 3: True}, id="one comes before them"),
    ],
)
def test_a_switch_stays_with_its_schedule(now: tuple[int, ...], activity: dict[int, bool]) -> None:
    """Lines that go, come, change or move take no other schedule's switch along."""
    before, live = deployed(1, 2, 3, off=2)

    change = diff_deployment(a_deployment(schedules=crons(*now)), live, last=last_entry(before))

    record = change.live if isinstance(change, Unchanged) else getattr(change, "after", {})
    found = {int(one["cron"].split()[1]): one["active"] for one in record["schedules"].values()}
    assert found == activity


def test_what_nobody_can_tell_is_asked_for() -> None:
    """Two that go and one that comes, of which one was off: the plan asks for slugs."""
    old = [one.model_copy(update={"in_words": f"daily 0{number}:00 UTC"}) for number, one in enumerate(crons(1, 2), 1)]
    before = a_deployment(schedules=old)
    live = stored(before)
    live.record["schedules"]["daily-0200-utc"]["active"] = False
    new = [one.model_copy(update={"in_words": "daily 05:00 UTC"}) for one in crons(5)]

    change = diff_deployment(a_deployment(schedules=new), live, last=last_entry(before))

    assert isinstance(change, Update)
    assert any("give each schedule a `slug`" in remark for remark in change.remarks)


THEIRS = {"id": "7", "slug": None, "active": True, "parameters": {}, "schedule": {"cron": "0 9 * * *"}}
NINE = Schedule(slug="nine", cron="0 9 * * *")


def test_a_live_schedule_gets_the_slug_that_somebody_chose() -> None:
    """One that says the same is the same; nothing but its slug is written, and its parameters, which would be emptied."""
    live = stored(a_deployment(), schedules=[{**THEIRS, "active": False, "parameters": {"x": 1}}])
    wanted = a_deployment(schedules=[NINE.model_copy(update={"parameters": {"x": 1}})])

    change = diff_deployment(wanted, live)

    assert isinstance(change, Update)
    assert [(one.path, one.before, one.after) for one in change.fields] == [("schedules.nine.slug", None, "nine")]
    assert change.after["schedules"]["nine"]["active"] is False
    writes = schedule_writes(live, change.changed["schedules"], change.renamed)
    assert writes.patched == {"7": {"slug": "nine", "parameters": {"x": 1}}}
    assert (writes.created, writes.deleted, writes.replaced, writes.together) == ([], [], [], [])


@pytest.mark.parametrize(
    "owns_all", [frozenset[str](), {"schedules"}], ids=["theirs stays", "unless all is the recipe's"]
)
def test_operators_own_schedules(owns_all: Any) -> None:
    """A schedule that no recipe has made is kept, and named in the plan, unless the recipe says that it owns all."""
    desired = a_deployment(schedules=[NINE.model_copy(update={"cron": "0 8 * * *"})], owns_all=owns_all)
    live = stored(a_deployment(), schedules=[THEIRS])

    change = diff_deployment(desired, live)

    assert isinstance(change, Update)
    assert list(change.after["schedules"]) == ["nine", *([] if owns_all else ["id:7"])]
    assert list(change.kept) == ([] if owns_all else ["schedules.id:7"])


def test_an_interval_keeps_its_anchor() -> None:
    """Where the recipe gives none, the live one is taken over, also where the schedule changes in something else."""
    hourly = [{**THEIRS, "slug": "hourly", "schedule": {"interval": 3600.0, "anchor_date": "2026-01-05T09:17:00Z"}}]
    wanted = Schedule.model_validate({"slug": "hourly", "interval": 7200, "parameters": {"x": 2}})

    change = diff_deployment(a_deployment(schedules=[wanted]), stored(a_deployment(), schedules=hourly))

    assert isinstance(change, Update)
    after = change.after["schedules"]["hourly"]
    assert (after["interval"], after["anchor_date"]) == (7200.0, "2026-01-05T09:17:00+00:00")


def test_a_slug_is_taken_away_by_making_the_schedule_again() -> None:
    """The server takes a slug away from nothing; a second attempt makes nothing twice."""
    live = stored(a_deployment(schedules=[NINE]))
    record = live.record["schedules"]["nine"]
    wanted = {"id:id of nine": record}

    writes = schedule_writes(live, wanted, {})

    assert (writes.replaced, len(writes.created), writes.deleted) == (["id of nine"], 1, [])
    halfway = stored(a_deployment(), schedules=[{**THEIRS, "slug": "nine", "id": "id of nine"}, {**THEIRS, "id": "8"}])
    again = schedule_writes(halfway, wanted, {})
    assert (again.created, again.replaced, again.deleted) == ([], [], ["id of nine"])
