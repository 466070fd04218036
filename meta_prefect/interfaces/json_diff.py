"""Objects of the server as plain values, and how two of them differ.

A record is the JSON form of a deployment or component: nested dictionaries, lists and scalars. Comparing records is pure;
the plan, the drift report and the history all read the same :class:`FieldChange`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard, cast

__all__ = ["ABSENT", "FieldChange", "Record", "differences", "differences_within", "merged"]

Record = dict[str, Any]
"""The JSON form of an object."""


class _Absent:
    """The value of a key that is not there; distinct from a key that holds null."""

    def __repr__(self) -> str:
        return "(absent)"

    def __reduce__(self) -> str:
        return "ABSENT"  # copies and unpickled ones are the very same


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs.

    Attributes:
        path: The field's place, keys joined by dots: ``job_variables.env.STAGE``, ``schedules.daily.rrule``.
        before: Its value on the server; :data:`ABSENT` where there is none.
        after: The value it is to have; :data:`ABSENT` where it is to go.
    """

    path: str
    before: Any
    after: Any


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a JSON value is an object."""
    return isinstance(value, Mapping)


def differences(before: Any, after: Any, path: str = "") -> Iterator[FieldChange]:
    """Yield each leaf in which two JSON values differ, objects compared key by key, lists as a whole."""
    if is_mapping(before) and is_mapping(after):
        for key in sorted(before.keys() | after.keys()):
            inner = f"{path}.{key}" if path else key
            yield from differences(before.get(key, ABSENT), after.get(key, ABSENT), inner)
    elif not is_same(before, after):
        yield FieldChange(path, before, after)


_NAMES: Final = ("name", "key", "mountPath", "containerPort")
"""Keys by which the items of a list tell who they are, the likeliest first."""


def differences_by_name(before: Any, after: Any, path: str = "") -> Iterator[FieldChange]:
    """Yield what :func:`differences` does, and look into lists of objects, as those of Kubernetes are.

    Items that have names are compared by them, whatever their order: ``containers[worker].env[PREFECT_API_URL]``; the ``value``
    of one that has nothing else beside its name stands for it. Items of lists of one length are else compared by position:
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
    """The key that has another value in each item of a list."""
    for key in _NAMES:
        named = [[item.get(key) for item in items] for items in lists]
        if all(None not in names and len(set(map(str, names))) == len(names) for names in named):
            return key
    return None


def _beside(item: Mapping[str, Any], key: str) -> Any:
    rest = {name: value for name, value in item.items() if name != key}
    return rest["value"] if rest.keys() == {"value"} else rest


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are the same. Python takes ``True`` for 1; a flow does not take one for the other."""
    if is_mapping(one) and is_mapping(other):
        return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        mine, yours = cast("list[Any]", one), cast("list[Any]", other)
        return len(mine) == len(yours) and all(map(is_same, mine, yours))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def differences_within(before: Any, wanted: Any, path: str = "") -> Iterator[FieldChange]:
    """Yield where ``before`` lacks something that ``wanted`` asks for; what ``wanted`` does not mention is not compared."""
    if is_mapping(wanted) and wanted:
        inside: Mapping[str, Any] = before if is_mapping(before) else {}
        for key, value in wanted.items():
            inner = f"{path}.{key}" if path else key
            yield from differences_within(inside.get(key, ABSENT), value, inner)
    elif not is_same(before, wanted):
        yield FieldChange(path, before, wanted)


def merged(base: Mapping[str, Any], addition: Mapping[str, Any]) -> Record:
    """Lay one object over another, key by key; anything that is not an object on both sides is replaced."""
    result: Record = dict(base)
    for key, value in addition.items():
        below = result.get(key)
        result[key] = merged(below, value) if is_mapping(below) and is_mapping(value) else value
    return result
