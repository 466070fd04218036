"""How two JSON values differ."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from values import sent

from meta_prefect.interfaces.json_diff import (
    ABSENT,
    FieldChange,
    differences,
    differences_by_name,
    differences_within,
    is_same,
    merged,
)

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab", max_size=2)
keys = st.text("abc", min_size=1, max_size=2)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(keys, values, max_size=4)
some_examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({"a": 1}, {"a": 2}, [FieldChange("a", 1, 2)], id="changed"),
        pytest.param({}, {"a": 1}, [FieldChange("a", ABSENT, 1)], id="new"),
        pytest.param({"a": 1}, {}, [FieldChange("a", 1, ABSENT)], id="gone"),
        pytest.param({"a": None}, {}, [FieldChange("a", None, ABSENT)], id="null is not absent"),
        pytest.param({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, [FieldChange("a.b.c", 1, 2)], id="deep"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, [FieldChange("a", [1, 2], [2, 1])], id="lists are compared whole"),
        pytest.param({"a": {"b": 1}}, {"a": 1}, [FieldChange("a", {"b": 1}, 1)], id="an object no more"),
        pytest.param({"a": 1}, {"a": True}, [FieldChange("a", 1, True)], id="true is not 1"),
        pytest.param({"a": [0]}, {"a": [False]}, [FieldChange("a", [0], [False])], id="false is not 0, in a list"),
        pytest.param({"a": 1}, {"a": 1.0}, [], id="1.0 is 1"),
        pytest.param({"b": 1, "a": 1}, {"a": 1, "b": 1}, [], id="order of keys means nothing"),
    ],
)
def test_differences(before: Any, after: Any, expected: list[FieldChange]) -> None:
    """Objects are compared key by key; each leaf that differs is one change with its path."""
    assert list(differences(before, after)) == expected


CONTAINERS = [{"name": "worker", "image": "a", "env": [{"name": "URL", "value": "x"}, {"name": "HOME", "value": "/"}]}]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            {"containers": CONTAINERS},
            {"containers": [{**CONTAINERS[0], "env": [{"name": "HOME", "value": "/"}, {"name": "URL", "value": "y"}]}]},
            [FieldChange("containers[worker].env[URL]", "x", "y")],
            id="by name, in any order",
        ),
        pytest.param(
            CONTAINERS, [], [FieldChange("", CONTAINERS, [])], id="an empty list has no items to compare with"
        ),
        pytest.param(
            {"env": [{"name": "A", "value": "1"}]},
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"x": 1}}]},
            [FieldChange("env[B]", ABSENT, {"valueFrom": {"x": 1}})],
            id="a new item",
        ),
        pytest.param(
            {"rules": [{"verbs": ["get"]}, {"verbs": ["list"]}]},
            {"rules": [{"verbs": ["get"]}, {"verbs": ["list", "watch"]}]},
            [FieldChange("rules.1.verbs", ["list"], ["list", "watch"])],
            id="without names, by position",
        ),
        pytest.param(
            {"a": [{"name": "x"}, {"name": "x"}]},
            {"a": [{"name": "x"}]},
            [FieldChange("a", [{"name": "x"}, {"name": "x"}], [{"name": "x"}])],
            id="names that are there twice are none",
        ),
        pytest.param(
            {"tags": ["a", "b"]}, {"tags": ["a"]}, [FieldChange("tags", ["a", "b"], ["a"])], id="plain values"
        ),
    ],
)
def test_differences_by_name(before: Any, after: Any, expected: list[FieldChange]) -> None:
    """Lists of objects are looked into, by what their items are called."""
    assert list(differences_by_name(before, after)) == expected


@some_examples
@given(values)
def test_a_value_does_not_differ_from_its_copy(value: Any) -> None:
    """Equal values have no differences."""
    assert list(differences(value, copy.deepcopy(value))) == []
    assert is_same(value, copy.deepcopy(value))


@some_examples
@given(objects, objects)
def test_no_differences_means_the_same(one: Any, other: Any) -> None:
    """Two objects without differences are the same, and the other way round."""
    assert (not list(differences(one, other))) == is_same(one, other)


@some_examples
@given(objects, objects)
def test_differences_turned_round(one: Any, other: Any) -> None:
    """The way back has the same paths, with before and after exchanged."""
    forth = [(change.path, change.before, change.after) for change in differences(one, other)]
    back = [(change.path, change.after, change.before) for change in differences(other, one)]

    assert forth == back


@pytest.mark.parametrize(
    ("before", "wanted", "expected"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1}, [], id="what is not wanted is not compared"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, [FieldChange("a.b", 1, 3)], id="deep"),
        pytest.param({"a": 1}, {"a": {"b": 3}}, [FieldChange("a.b", ABSENT, 3)], id="an object instead of a number"),
        pytest.param(ABSENT, {"a": {"b": 3}}, [FieldChange("a.b", ABSENT, 3)], id="nothing there"),
        pytest.param(ABSENT, {"a": {}}, [FieldChange("a", ABSENT, {})], id="an empty object is wanted too"),
        pytest.param({"a": 1}, {"a": True}, [FieldChange("a", 1, True)], id="true is not 1"),
    ],
)
def test_differences_within(before: Any, wanted: Any, expected: list[FieldChange]) -> None:
    """Only what is wanted is looked at."""
    assert list(differences_within(before, wanted)) == expected


@some_examples
@given(objects, objects)
def test_what_was_laid_over_is_there(base: Any, addition: Any) -> None:
    """After merging, nothing that was wanted is missing, unless an empty object met a full one."""
    for change in differences_within(merged(base, addition), addition):
        assert change.after == {}


@some_examples
@given(objects, objects)
def test_merging_keeps_the_rest(base: Any, addition: Any) -> None:
    """Merging touches no key that the addition lacks, and changes neither of the two."""
    before = copy.deepcopy((base, addition))
    result = merged(base, addition)

    assert {key: result[key] for key in base.keys() - addition.keys()} == {
        key: base[key] for key in base.keys() - addition.keys()
    }
    assert (base, addition) == before


def test_absent_stays_itself() -> None:
    """The mark of an absent value is told by identity, also after copying and in another process."""
    assert copy.deepcopy(ABSENT) is copy.copy(ABSENT) is ABSENT
    assert sent(ABSENT) is ABSENT
    assert repr(ABSENT) == "(absent)"
