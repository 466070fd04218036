"""Versions that count: the next integer at each deploy, or at each change."""

from __future__ import annotations

from typing import Any

import pytest
from server_answer import stored
from values import a_context, a_deployment

from meta_prefect.interfaces.deployment import VersionRule
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Change, Create, Plan, Unchanged, Update
from meta_prefect.plan.diff import diff_deployment, next_integer
from meta_prefect.plan.outcomes import count_planned
from meta_prefect.report.plan_text import kept_versions


def planned(
    rule: VersionRule,
    live: str | None,
    *,
    new: bool = False,
    differs: bool = False,
    active: bool | None = None,
    paused: bool = False,
    **context: Any,
) -> Change:
    """The change of a deployment whose live version is given; ``new`` where there is no live one.

    ``active`` gives it a schedule that is active or not.
    """
    own = {} if active is None else {"schedules": [Schedule(cron="0 9 * * *", slug="nightly", active=active)]}
    desired = a_deployment(version=rule, context=a_context(**context), description="New." if differs else None, **own)
    return diff_deployment(desired, None if new else stored(a_deployment(**own), version=live, paused=paused))


def version_after(change: Change) -> str | None:
    """The version that the deployment will have."""
    return change.live["version"] if isinstance(change, Unchanged) else getattr(change, "after", {})["version"]


EVERY, ON_CHANGE = VersionRule.NEXT_INTEGER, VersionRule.NEXT_ON_CHANGE
SAME_DEPLOY: Any = {"versions": {"add/nightly-dev": "6"}}


@pytest.mark.parametrize(
    ("version", "following"),
    [(None, "1"), ("", "1"), ("1", "2"), ("9", "10"), ("007", "8"), ("v3", "1"), ("1.0", "1"), ("-1", "1"), ("²", "1")],
)
def test_the_next_integer(version: str | None, following: str) -> None:
    """Counting goes on from a number, and starts at 1 after anything else."""
    assert next_integer(version) == following


@pytest.mark.parametrize(
    ("change", "kind", "version"),
    [
        pytest.param(planned(EVERY, None, new=True), Create, "1", id="a first deploy is version 1"),
        pytest.param(planned(ON_CHANGE, None, new=True), Create, "1", id="also where changes are counted"),
        pytest.param(planned(EVERY, "5"), Update, "6", id="every deploy counts"),
        pytest.param(planned(EVERY, "5", differs=True), Update, "6", id="a change counts once"),
        pytest.param(planned(ON_CHANGE, "5"), Unchanged, "5", id="no change, no count"),
        pytest.param(planned(ON_CHANGE, "5", differs=True), Update, "6", id="a change is counted"),
        pytest.param(planned(EVERY, "5", next_versions=False), Unchanged, "5", id="a healing deploy does not count"),
        pytest.param(
            planned(EVERY, "5", next_versions=False, differs=True), Update, "5", id="nor where it repairs something"
        ),
        pytest.param(planned(EVERY, "v5"), Update, "1", id="a version that is no number: counting starts"),
        pytest.param(planned(EVERY, "v5", next_versions=False), Unchanged, "v5", id="unless the deploy does not count"),
        pytest.param(planned(EVERY, None, next_versions=False), Update, "1", id="without a version, counting starts"),
        pytest.param(planned(EVERY, "5", **SAME_DEPLOY), Update, "6", id="the version that the plan fixed"),
        pytest.param(
            planned(EVERY, "6", **SAME_DEPLOY), Unchanged, "6", id="a retry finds it done and does not count on"
        ),
        pytest.param(planned(EVERY, None, new=True, **SAME_DEPLOY), Create, "1", id="a new one begins, planned or not"),
        pytest.param(
            planned(EVERY, "5", versions={"add/nightly-dev": "10000"}),
            Update,
            "6",
            id="a plan does not say by how much to count",
        ),
        pytest.param(planned(EVERY, "5", active=True), Unchanged, "5", id="scheduled runs are worth more than a count"),
        pytest.param(planned(EVERY, "5", active=True, differs=True), Update, "6", id="they go anyway"),
        pytest.param(planned(EVERY, "5", active=False), Update, "6", id="no runs without an active schedule"),
        pytest.param(planned(EVERY, "5", active=True, paused=True), Update, "6", id="no runs while paused"),
        pytest.param(planned(EVERY, "5", active=True, bump=True), Update, "6", id="asked for at any price"),
        pytest.param(planned(EVERY, "v5", active=True), Update, "1", id="what counts nothing yet has to begin"),
        pytest.param(planned(EVERY, "5", active=True, **SAME_DEPLOY), Update, "6", id="fixed, whatever is lost"),
        pytest.param(
            planned(EVERY, "5", versions={"add/other-dev": "9"}),
            Update,
            "6",
            id="another deployment's plan is no matter",
        ),
    ],
)
def test_counting(change: Change, kind: type[Change], version: str) -> None:
    """The version after a deploy, by rule and circumstances."""
    assert type(change) is kind
    assert version_after(change) == version


@pytest.mark.parametrize(
    ("change", "only_counts"),
    [
        pytest.param(planned(EVERY, "5"), True, id="the version alone"),
        pytest.param(planned(EVERY, "5", differs=True), False, id="something else as well"),
        pytest.param(
            diff_deployment(a_deployment(version="2"), stored(a_deployment())), False, id="a version that is set"
        ),
    ],
)
def test_the_next_version_alone_is_no_change(change: Change, only_counts: bool) -> None:
    """It is written, but whoever asks whether the server differs from the project is told no."""
    assert isinstance(change, Update)
    assert change.only_counts is only_counts
    plan = Plan(deployments=(change,))
    assert plan.writes == (change,)
    assert plan.changes == (() if only_counts else (change,))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param((planned(EVERY, "5"), planned(EVERY, "5", active=True, next_versions=False)), [], id="none kept"),
        pytest.param(
            (planned(EVERY, "5", active=True),),
            [
                "version kept at 5: nothing else changed; --bump writes it and lets Prefect create the scheduled runs anew"
            ],
            id="one",
        ),
        pytest.param(
            (planned(EVERY, "5", active=True), planned(EVERY, "6", active=True)),
            [
                "versions kept for 2 deployments: nothing else changed; --bump writes them and lets Prefect create the "
                "scheduled runs anew"
            ],
            id="several",
        ),
    ],
)
def test_a_version_that_stays_is_said_once(changes: tuple[Change, ...], told: list[str]) -> None:
    """One sentence for all of them, with the way to have them counted."""
    assert list(kept_versions(Plan(deployments=changes))) == told


def test_the_next_version_alone_is_counted_as_such() -> None:
    """A summary calls it neither an update nor unchanged."""
    plan = Plan(deployments=(planned(EVERY, "5"), planned(EVERY, "5", differs=True), planned(ON_CHANGE, "5")))
    assert count_planned(plan) == "1 to update, 1 next version, 1 unchanged"


def test_the_next_version_stands_last() -> None:
    """What really differs is shown before the version."""
    change = planned(EVERY, "5", differs=True)

    assert isinstance(change, Update)
    assert [field.path for field in change.fields] == ["description", "version"]
