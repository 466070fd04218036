"""Going back to a version, as pure comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ledger_values import NAME, a_record, live, written

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.changes import Create, Unchanged, Update
from meta_prefect.plan.ledger import HistoryEntry, LedgerEntry
from meta_prefect.plan.rollback import (
    check_owned,
    check_steps,
    code_remarks,
    diff_restored,
    let_through,
    under_present_name,
)

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
    """What a deploy has changed since is written, whichever field it is; nothing else is."""
    change = diff_restored(
        written(**{"version": "1", **then}), live(**{"version": "1", **now}), since=[deployed(then, now)]
    )

    assert isinstance(change, Update)
    assert {field.path.partition(".")[0] for field in change.fields} == then.keys()
    assert {key: change.after[key] for key in then} == then


def deployed(then: dict[str, Any], now: dict[str, Any], **told: Any) -> LedgerEntry:
    """The entry of a deploy that changed some fields, and set them."""
    before, after = a_record(**then), a_record(**now)
    fields: dict[str, Any] = {"deployment": NAME, "action": "updated", "version": None, "ours": tuple(now), **told}
    return LedgerEntry(**fields, before=before, after=after)


OFF: Record = CRON | {"active": False}
WEEKLY: Record = CRON | {"cron": "0 3 * * 0"}
MARKS = ["env=dev", "meta-prefect=shop"]


@pytest.mark.parametrize(
    ("state", "since", "now", "back"),
    [
        pytest.param(
            {"paused": True},
            deployed({"paused": True}, {"paused": True}, ours=()),
            {"paused": True},
            True,
            id="before it",
        ),
        pytest.param({}, deployed({}, {}), {"paused": True}, True, id="since the last deploy"),
        pytest.param(
            {}, deployed({"paused": False}, {"paused": True}), {"paused": True}, False, id="not what a recipe set"
        ),
        pytest.param(
            {"paused": True},
            deployed({"paused": True}, {"paused": False}),
            {"paused": False},
            True,
            id="what a recipe undid",
        ),
    ],
)
def test_an_operators_pause_is_kept(state: dict[str, Any], since: LedgerEntry, now: dict[str, Any], back: bool) -> None:
    """Going back undoes what deploys did to it since, and nothing that operators did."""
    change = diff_restored(written("1", description="old", **state), live(version="2", **now), since=[since])

    assert isinstance(change, Update)
    assert change.after["paused"] is back


@pytest.mark.parametrize(
    ("then", "since", "now", "back"),
    [
        pytest.param(
            OFF,
            deployed({"schedules": {"daily": OFF}}, {"schedules": {"daily": CRON}}),
            {"daily": CRON},
            {"daily": OFF},
            id="turned over by a deploy",
        ),
        pytest.param(
            CRON,
            deployed({"schedules": {"daily": CRON}}, {"schedules": {"daily": CRON}}),
            {"daily": OFF},
            {"daily": OFF},
            id="switched off since",
        ),
        pytest.param(
            CRON,
            deployed({"schedules": {"daily": CRON}}, {"schedules": {"daily": CRON}}),
            {"daily": CRON, "id:7": WEEKLY},
            {"daily": CRON, "id:7": WEEKLY},
            id="an operator's own",
        ),
        pytest.param(
            CRON,
            deployed({"schedules": {"daily": CRON}}, {"schedules": {"daily": CRON, "weekly": WEEKLY}}),
            {"daily": CRON, "weekly": WEEKLY},
            {"daily": CRON},
            id="made by a deploy",
        ),
    ],
)
def test_an_operators_switches_and_schedules_are_kept(
    then: Record, since: LedgerEntry, now: Record, back: Record
) -> None:
    """A switch that a deploy turned over goes back; what an operator has switched or added since stays."""
    change = diff_restored(
        written("1", description="old", schedules={"daily": then}), live(schedules=now), since=[since]
    )

    assert isinstance(change, Update)
    assert change.after["schedules"] == back


def test_a_schedule_loses_the_slug_that_it_got_when_it_was_taken_over() -> None:
    """Its activity is the one that it has now, where nobody but operators has set that."""
    found: dict[str, Any] = {"schedules": {"id:7": CRON}}
    named: dict[str, Any] = {"schedules": {"daily": CRON}}
    now = replace(live(schedules={"daily": OFF}), schedule_ids={"daily": "7"})

    change = diff_restored(written("1", description="old", **found), now, since=[deployed(found, named)])

    assert isinstance(change, Update)
    assert change.after["schedules"] == {"id:7": OFF}


def test_operators_tags_are_kept() -> None:
    """A tag that a deploy brought goes, one that it took away comes back, and an operator's stays."""
    since = deployed({"tags": [*MARKS, "old"]}, {"tags": [*MARKS, "new"]}, own={"tags": (*MARKS, "new")})

    change = diff_restored(written("1", tags=[*MARKS, "old"]), live(tags=[*MARKS, "new", "vip"]), since=[since])

    assert isinstance(change, Update)
    assert change.after["tags"] == [*MARKS, "old", "vip"]


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


RENAMED = ("shop", "till")


def of_till(**changes: Any) -> HistoryEntry:
    """What the project wrote while it was called ``till``."""
    fields: dict[str, Any] = {"tags": ["meta-prefect=till", "env=dev", "a"], **changes}
    found = written("1", **fields)
    return replace(found, page=found.page.model_copy(update={"project": "till"}))


@pytest.mark.parametrize("owner", ["shop", "till"])
def test_what_a_former_name_wrote_goes_back_under_the_present_one(owner: str) -> None:
    """The mark of the former name is never written again, whether or not the deployment has been taken over; the rest is."""
    target = under_present_name(of_till(description="old"), RENAMED)

    change = diff_restored(target, live(version="1", tags=[f"meta-prefect={owner}", "env=dev"]), ("till",))

    assert isinstance(change, Update)
    assert change.after["tags"] == ["a", "env=dev", "meta-prefect=shop"]
    assert change.after["description"] == "old"
    assert list(check_owned(target)) == []


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        pytest.param(["meta-prefect=bank", "env=dev"], "it would belong to 'bank', not to 'shop'", id="another owner"),
        pytest.param(["env=dev"], "it would belong to None, not to 'shop'", id="no owner"),
        pytest.param(["meta-prefect=till", "env=prod"], "it would be for", id="another environment"),
    ],
)
def test_what_a_former_name_s_page_may_not_bring(tags: list[str], says: str) -> None:
    """A page of a former name is checked like any other."""
    (error,) = check_owned(under_present_name(of_till(tags=tags), RENAMED))

    assert says in str(error)


HOST = "https://host/x.git"
OLD, NEW = f"7fd9fa7{'0' * 33}", f"a0d0b72{'0' * 33}"


def clone(**arguments: Any) -> dict[str, Any]:
    """The fields of a deployment whose runs clone a repository."""
    return {"pull_steps": [{"prefect.deployments.steps.git_clone": {"repository": HOST, **arguments}}]}


def folder(name: str) -> dict[str, Any]:
    """The fields of a deployment whose runs use a folder."""
    return {"pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": name}}]}


IMAGE: dict[str, Any] = {"pull_steps": [], "job_variables": {"image": "shop:1"}}
BUCKET: dict[str, Any] = {
    "pull_steps": [{"prefect_aws.deployments.steps.pull_from_s3": {"bucket": "b", "folder": "shop/1"}}]
}


@pytest.mark.parametrize(
    ("then", "now", "says"),
    [
        pytest.param(
            clone(commit_sha=OLD),
            clone(commit_sha=NEW),
            f"its code goes back too: runs clone {HOST} at commit 7fd9fa7 instead of a0d0b72",
            id="a commit",
        ),
        pytest.param(clone(commit_sha=OLD), clone(commit_sha=OLD), None, id="the same commit"),
        pytest.param(
            clone(commit_sha=OLD),
            folder("/srv"),
            f"its code goes back too: runs clone {HOST} at commit 7fd9fa7",
            id="to a commit",
        ),
        pytest.param(
            clone(branch="main"),
            clone(commit_sha=NEW),
            f"its code does not go back: runs clone main of {HOST} as it is then",
            id="a branch",
        ),
        pytest.param(
            folder("/srv/shop"),
            folder("/srv/shop"),
            "fields go back, files do not: runs use /srv/shop as it is then; version 1 was deployed from commit 7fd9fa7, "
            "the last one from a0d0b72+dirty",
            id="a folder",
        ),
        pytest.param(
            IMAGE, IMAGE | {"job_variables": {"image": "shop:2"}}, "it is in the image: runs use shop:1", id="an image"
        ),
        pytest.param(BUCKET, folder("/srv"), "its code goes back too: runs take it from b/shop/1", id="a bucket"),
    ],
)
def test_a_rollback_says_whether_code_goes_back(then: dict[str, Any], now: dict[str, Any], says: str | None) -> None:
    """That depends on where runs take their code from: a commit, an image and a copy go back, a branch and a folder do not."""
    target, newest = at_commit(written("1", **then), OLD), at_commit(written("2", **now), f"{NEW}+dirty")

    told = list(code_remarks(target, newest, live(**now).record))

    assert told == [] if says is None else len(told) == 1 and told[0].endswith(says)


def at_commit(one: HistoryEntry, commit: str) -> HistoryEntry:
    """The same as deployed from a commit, by a run of its own."""
    return replace(one, page=one.page.model_copy(update={"commit": commit, "run_id": commit}))


SHELL: dict[str, Any] = {"pull_steps": [{"prefect.deployments.steps.run_shell_script": {"script": "make"}}]}


def test_a_pull_step_that_the_deployment_had_may_come_back() -> None:
    """A step of a kind that our builders do not write is restored where the server or another run's page shows it too."""
    target = at_commit(written("1", **SHELL), OLD)
    seen = at_commit(written("2", **SHELL), NEW)

    assert len(list(check_steps(target, [target], None))) == 1
    assert len(list(check_steps(target, [target, replace(target)], live().record))) == 1
    assert not list(check_steps(target, [seen, target], None))
    assert not list(check_steps(target, [target], live(**SHELL).record))


def test_unknown_names_that_the_deployment_had_may_come_back() -> None:
    """What was let through by name goes back where the server or another run's page shows it too, and nothing else does."""
    unknown: dict[str, Any] = {
        "job_variables": {"comand": "sh"},
        "schedules": {"daily": {"cron": "0 9 * * *", "parameters": {"m": 1}}},
    }
    target = at_commit(written("1", **unknown), OLD)
    seen = at_commit(written("2", **unknown), NEW)

    assert let_through(target, [target], live().record) == frozenset()
    assert let_through(target, [seen, target], None) == {"unknown_job_variables", "unknown_parameters"}
    assert let_through(target, [target], live(job_variables={"comand": "ls"}).record) == {"unknown_job_variables"}
