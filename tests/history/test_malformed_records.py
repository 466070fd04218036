"""Whatever is stored where our records should be: it is read as a sound record, or named, and never ends in a traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_values import NAME, a_page, a_record, live
from pydantic import BaseModel
from values import a_context, a_deployment

from meta_prefect.errors import MetaPrefectError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.deployment_record import desired_record, field_changes
from meta_prefect.plan.holds import Hold, hold_name, hold_of
from meta_prefect.plan.ledger import LedgerEntry, LedgerPage, StoredPage, history_of, whole_record
from meta_prefect.plan.ownership import with_given_up
from meta_prefect.plan.rollback import check_owned, check_steps, code_remarks, diff_restored
from meta_prefect.plan.rollback_target import version_to_restore
from meta_prefect.plan.saved_plan import DeployOptions, SavedPlan, check_still_holds
from meta_prefect.plan.soundness import DEEPEST, sound_or_named
from meta_prefect.report.history_page import history_artifact
from meta_prefect.state.heal_log import Heals
from meta_prefect.state.lock import Holder, holder_of, ourselves


def _deep() -> Any:
    value: Any = []
    for _ in range(DEEPEST + 20):
        value = [value]
    return value


WEIRD: tuple[Any, ...] = (
    None,
    True,
    -5,
    1.5,
    10**40,
    "",
    "garbage",
    "bad\x1b]0;pwned\x07",
    "9999-12-31T23:59:59-05:00",
    "0001-01-01T00:00:00+05:00",
    [],
    [1, 2],
    [None],
    {},
    {"a": 1},
    {"daily": 1},
    {"daily": {"active": "yes"}},
    _deep(),
)
SCHEDULES = [Schedule(slug="daily", cron="0 9 * * *"), Schedule(slug="rule", rrule="FREQ=DAILY")]
CLONE = {"prefect.deployments.steps.git_clone": {"repository": "https://host/x.git", "commit_sha": "abc1234"}}
RECORD = whole_record(desired_record(a_deployment(schedules=SCHEDULES, pull_steps=[CLONE], version="2")))
PAGE = a_page(
    LedgerEntry(deployment=NAME, action="updated", version="2", before=a_record(), after=RECORD, ours=("schedules",))
).model_dump(mode="json")
PLAN = SavedPlan(
    project="shop",
    environment="dev",
    deploy_id="d1",
    run_id=None,
    now=datetime(2026, 11, 20, tzinfo=UTC),
    commit=None,
    asked=DeployOptions(),
    versions={NAME: "2"},
    wanted="w",
    states={},
    stage="started",
).model_dump(mode="json")
HEALS = Heals(project="shop", environment="dev", at={NAME: (datetime(2026, 11, 20, tzinfo=UTC),)}).model_dump(
    mode="json"
)
HOLD = Hold(deployment=NAME, by="ada", at=datetime(2026, 11, 20, tzinfo=UTC), because="so").model_dump(mode="json")


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield way
    any_value: Any = value
    inner: Any = (
        any_value.items() if isinstance(value, dict) else enumerate(any_value) if isinstance(value, list) else ()
    )
    for key, one in inner:
        yield from places(one, (*way, key))


def changed(value: Any, way: tuple[Any, ...], to: Any) -> Any:
    """A JSON value with something else at a place."""
    if not way:
        return to
    made = copy.deepcopy(value)
    inner = made
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = to
    return made


def stored(value: Any) -> Record:
    """An artifact that holds a value."""
    return {"id": "a-1", "key": "ledger-shop-dev-x", "data": value}


def read(model: type[BaseModel], value: Any) -> Any:
    """Read an artifact as deploys do; what is unsound is named with its id, unless another project's."""
    unsound: dict[str, str] = {}
    found = sound_or_named(model, stored(value), "page", unsound, ("shop", "till"))
    any_value: Any = value
    named: Any = any_value.get("project", "shop") if isinstance(value, dict) else "shop"
    assert found is not None or named not in ("shop", "till") or "prefect artifact delete --id a-1" in unsound["a-1"]
    assert all(len(text) < 500 and text.isprintable() for text in unsound.values())
    return found


CASES = [(way, weird) for way in places(PAGE) for weird in WEIRD]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(CASES), st.sampled_from(CASES))
def test_history_and_rollback_bear_any_page(first: tuple[Any, Any], second: tuple[Any, Any]) -> None:
    """A page with anything anywhere is left out and named, or history, rollback and status work on it."""
    value = changed(PAGE, *first)
    with suppress(KeyError, IndexError, TypeError):
        value = changed(value, *second)
    page = read(LedgerPage, value)
    if page is None:
        return
    with suppress(MetaPrefectError):
        history = history_of(NAME, [StoredPage("a-1", page)])
        history_artifact(NAME, "shop", history)
        json.dumps([str(field) for one in history for field in one.entry.fields])
        for one in history:
            if one.entry.after is not None:
                tuple(field_changes(live().record, one.entry.after))
                with_given_up({}, a_record(), one.entry.after, one.entry.ours)
        target = version_to_restore(history, history[0].entry.version).written
        diff_restored(target, live())
        tuple(check_owned(target))
        tuple(check_steps(target, history, None))
        tuple(code_remarks(target, history[0], live().record))


@pytest.mark.parametrize("weird", WEIRD, ids=range(len(WEIRD)))
def test_plans_heals_holds_and_locks_bear_anything(weird: Any) -> None:
    """Each place of a plan, a list of heals, a hold and a lock may hold anything."""
    for way in places(PLAN):
        plan = read(SavedPlan, changed(PLAN, way, weird))
        if plan is not None:
            plan.repeated_by(a_context())
            with suppress(MetaPrefectError):
                check_still_holds(plan, {})
    for way in places(HEALS):
        heals = read(Heals, changed(HEALS, way, weird))
        if heals is not None:
            heals.may_heal(NAME, datetime(2026, 11, 20, tzinfo=UTC))
    for way in places(HOLD):
        found = hold_of({"name": hold_name(NAME), "value": changed(HOLD, way, weird)})
        assert str(found)
        assert not isinstance(found, Hold) or str(found).isprintable()
    lock = ourselves().model_dump(mode="json")
    for way in places(lock):
        holder = holder_of(changed(lock, way, weird))
        assert holder is None or str(holder).isprintable()


def test_what_was_written_is_read_as_it_was() -> None:
    """Validation changes nothing of a sound record, of this release or one without its newer keys."""
    assert read(LedgerPage, PAGE).model_dump(mode="json") == PAGE
    older = copy.deepcopy(PAGE)
    for key in ("grace_period_seconds", "collision_strategy"):
        del older["entries"][0]["after"][key]

    assert read(LedgerPage, older).model_dump(mode="json") == older
    assert Holder.model_validate({"run_id": "", "run_name": "a deploy", "host": "h", "pid": 7, "started": 1.5})
