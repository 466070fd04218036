"""Records (JSON objects from the server as plain values) and their differences.

A record is the JSON form of a deployment or component: nested dictionaries, lists and scalars. Comparing records is pure; the
plan, the drift report and the history all use the same :class:`FieldChange`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard, cast

__all__ = ["ABSENT", "FieldChange", "Record", "differences", "differences_within", "merged"]

Record = dict[str, Any]
"""The JSON form of an object."""


class _Absent:
    """The value of a missing key; distinct from a key that holds null."""

    def __repr__(self) -> str:
        return "(absent)"

    def __reduce__(self) -> str:
        return "ABSENT"  # copies and unpickled values are the same object


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One differing field.

    Attributes:
        path: The field's path, keys joined by dots: ``job_variables.env.STAGE``, ``schedules.daily.rrule``.
        before: Its value on the server; :data:`ABSENT` if there is none.
        after: The desired value; :data:`ABSENT` to remove the field.
    """

    path: str
    before: Any
    after: Any


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether a JSON value is an object."""
    return isinstance(value, Mapping)


def differences(before: Any, after: Any, path: str = "") -> Iterator[FieldChange]:
    """Yield each differing leaf of two JSON values; objects are compared key by key, lists as a whole."""
    if is_mapping(before) and is_mapping(after):
        for key in sorted(before.keys() | after.keys()):
            inner = f"{path}.{key}" if path else key
            yield from differences(before.get(key, ABSENT), after.get(key, ABSENT), inner)
    elif not is_same(before, after):
        yield FieldChange(path, before, after)


_NAMES: Final = ("name", "key", "mountPath", "containerPort")
"""Keys that may identify the items of a list, most likely first."""


def differences_by_name(before: Any, after: Any, path: str = "") -> Iterator[FieldChange]:
    """Like :func:`differences`, but also compare inside lists of objects, such as those of Kubernetes.

    Named items are matched by name, whatever their order: ``containers[worker].env[PREFECT_API_URL]``; an item with only a
    name and a ``value`` is represented by the value. Otherwise, lists of the same length are compared by position:
    ``rules.0.verbs``. Anything else is compared as a whole.
    """
    if is_mapping(before) and is_mapping(after):
        for key in sorted(before.keys() | after.keys()):
            inner = f"{path}.{key}" if path else key
            yield from differences_by_name(before.get(key, ABSENT), after.get(key, ABSENT), inner)
        return
    if _are_objects(before) and _are_objects(after):
        if (key := _name_of(before, after)) is not None:
            old, new = ({item[key]: _beside(item, key) for item in items} for items in (before, after))
            for name in sorted(old.keys() | new.keys(), key=str):
                yield from differences_by_name(old.get(name, ABSENT), new.get(name, ABSENT), f"{path}[{name}]")
            return
        if len(before) == len(after):
            for position, (one, other) in enumerate(zip(before, after, strict=True)):
                yield from differences_by_name(one, other, f"{path}.{position}")
            return
    if not is_same(before, after):
        yield FieldChange(path, before, after)


def _are_objects(value: Any) -> TypeGuard[list[Mapping[str, Any]]]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return bool(items) and all(map(is_mapping, items))


def _name_of(*lists: list[Mapping[str, Any]]) -> str | None:
    """Return the key whose value is unique among the items of each list."""
    for key in _NAMES:
        named = [[item.get(key) for item in items] for items in lists]
        if all(None not in names and len(set(map(str, names))) == len(names) for names in named):
            return key
    return None


def _beside(item: Mapping[str, Any], key: str) -> Any:
    rest = {name: value for name, value in item.items() if name != key}
    return rest["value"] if rest.keys() == {"value"} else rest


def is_same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal. Unlike Python, this distinguishes ``True`` from 1, as flows do."""
    if is_mapping(one) and is_mapping(other):
        return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        mine, yours = cast("list[Any]", one), cast("list[Any]", other)
        return len(mine) == len(yours) and all(map(is_same, mine, yours))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def differences_within(before: Any, wanted: Any, path: str = "") -> Iterator[FieldChange]:
    """Yield where ``before`` lacks something from ``wanted``; keys not in ``wanted`` are not compared."""
    if is_mapping(wanted) and wanted:
        inside: Mapping[str, Any] = before if is_mapping(before) else {}
        for key, value in wanted.items():
            inner = f"{path}.{key}" if path else key
            yield from differences_within(inside.get(key, ABSENT), value, inner)
    elif not is_same(before, wanted):
        yield FieldChange(path, before, wanted)


def merged(base: Mapping[str, Any], addition: Mapping[str, Any]) -> Record:
    """Merge one object into another, key by key; anything that is not an object on both sides is replaced."""
    result: Record = dict(base)
    for key, value in addition.items():
        below = result.get(key)
        result[key] = merged(below, value) if is_mapping(below) and is_mapping(value) else value
    return result
