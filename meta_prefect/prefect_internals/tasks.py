"""How Prefect takes the parameters of a task."""

from __future__ import annotations

from typing import TypeVar, cast

from prefect.utilities.annotations import quote

T = TypeVar("T")


def whole(value: T) -> T:
    """A parameter of a task as it is. In any other, Prefect looks for futures: in each member of a dataclass and of a list."""
    return cast("T", quote(value))
