"""What holds for every deployment: written once it is as wanted, and exactly what differs is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from server_answer import last_entry, stored, stored_again
from values import a_deployment, a_flow

from meta_prefect.interfaces.json_diff import is_same
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Create, Unchanged, Update
from meta_prefect.plan.deployment_record import desired_record
from meta_prefect.plan.diff import diff_deployment

words = st.sampled_from(["a", "b", "c", "d", "None", "None ", "ä"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=5,
)
json_objects = st.dictionaries(words, json_values, max_size=3)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Such a value, or nothing said."""
    return st.none() | values


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Any schedule."""
    rule: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"rrule": "RRULE:FREQ=DAILY"},
                {"rrule": "DTSTART:20260101T090000\nRRULE:FREQ=WEEKLY\nEXDATE:20260105T090000"},
                {"cron": "0 9 * * *"},
                {"cron": "0 9 1 * 1", "day_or": False},
                {"interval": timedelta(hours=1)},
            ]
        )
    )
    if "interval" in rule:
        rule = {**rule, "anchor_date": draw(maybe(moments))}
    return Schedule(
        slug=draw(st.sampled_from(["one", "two", "three"])),
        timezone=draw(st.sampled_from(["UTC", "US/Pacific"])),
        active=draw(maybe(st.booleans())),
        parameters=draw(json_objects),
        **rule,
    )


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "version": maybe(words),
    "tags": st.lists(words, max_size=3).map(lambda tags: ["meta-prefect=shop", *tags]),
    "description": maybe(words),
    "parameters": json_objects,
    "enforce_parameter_schema": st.booleans(),
    "entrypoint": maybe(words),
    "pull_steps": st.lists(st.dictionaries(words, json_objects, max_size=1), max_size=2),
    "job_variables": json_objects,
    "work_pool_name": maybe(words),
    "work_queue_name": maybe(words),
    "schedules": maybe(st.lists(schedules(), max_size=3, unique_by=lambda schedule: schedule.slug)),
    "paused": maybe(st.booleans()),
    "concurrency_limit": maybe(st.integers(0, 3)),
    "collision_strategy": maybe(st.sampled_from(["ENQUEUE", "CANCEL_NEW"])),
    "flow": json_objects.map(lambda schema: a_flow(parameter_schema=schema)),
}
STORED_AS = {"flow": "parameter_openapi_schema"}
"""The name of a field on the server, where it is another one."""

UNSAID: dict[str, Any] = dict.fromkeys(FIELDS) | {
    "tags": ["meta-prefect=shop"],
    "parameters": {},
    "enforce_parameter_schema": True,
    "pull_steps": [],
    "job_variables": {},
    "flow": a_flow(),
}
deployments = st.fixed_dictionaries(FIELDS)
many_examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many_examples
@given(deployments)
def test_written_once_it_is_unchanged(fields: dict[str, Any]) -> None:
    """Nothing that the server adds or rewrites looks like a difference, whatever the deployment."""
    desired = a_deployment(**fields)
    created = diff_deployment(desired, None)
    assert isinstance(created, Create)

    assert isinstance(diff_deployment(desired, stored_again(created.after)), Unchanged)


@many_examples
@given(deployments, deployments)
@example(UNSAID | {"concurrency_limit": 1}, UNSAID | {"concurrency_limit": 0, "collision_strategy": "ENQUEUE"})
def test_after_an_update_it_is_unchanged(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Whatever was there, writing what the plan shows leaves nothing to do."""
    desired, live = a_deployment(**now), stored(a_deployment(**before))
    change = diff_deployment(desired, live)
    if isinstance(change, Unchanged):
        return
    assert isinstance(change, Update)

    assert isinstance(diff_deployment(desired, stored_again(change.after)), Unchanged)
    assert change.before == live.record
    sent = {field.path.partition(".")[0] for field in change.fields}
    rest = live.record.keys() - sent - {"schedules"}
    assert {key: change.after[key] for key in rest} == {key: live.record[key] for key in rest}


@many_examples
@given(deployments, st.data())
def test_what_differs_is_shown_and_only_that(fields: dict[str, Any], data: st.DataObject) -> None:
    """One field is changed: the plan shows that field, and no other."""
    name = data.draw(st.sampled_from(sorted(FIELDS)))
    changed = {**fields, name: data.draw(FIELDS[name].filter(lambda value: value is not None))}
    key = STORED_AS.get(name, name)
    before, after = desired_record(a_deployment(**fields)), desired_record(a_deployment(**changed))
    assume(key in before and not is_same(before[key], after[key]))
    if name == "schedules":
        assume(_with_activation(after[key]) != _with_activation(before[key]))

    before_it = a_deployment(**fields)
    change = diff_deployment(a_deployment(**changed), stored(before_it), last=last_entry(before_it))
    assert isinstance(change, Update)
    assert {field.path.partition(".")[0] for field in change.fields} == {key}


def _with_activation(schedules: dict[str, Any]) -> Any:
    """Schedules as the server has them: what we do not set is active, and an anchor that we do not set is its own."""
    return {
        slug: {"active": True, **{key: value for key, value in schedule.items() if key != "anchor_date"}}
        for slug, schedule in schedules.items()
    }


@many_examples
@given(
    deployments, st.sampled_from(["paused", "work_queue_name", "concurrency_limit", "collision_strategy", "schedules"])
)
def test_what_is_not_set_is_kept(fields: dict[str, Any], name: str) -> None:
    """A field that the recipe no longer sets keeps its value on the server."""
    live = stored(a_deployment(**fields))
    change = diff_deployment(a_deployment(**{**fields, name: None, "description": "something new"}), live)

    assert isinstance(change, Update)
    assert change.after[name] == live.record[name]
