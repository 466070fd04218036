"""How Prefect handles task parameters."""

from __future__ import annotations

from typing import TypeVar, cast

from prefect.utilities.annotations import quote

T = TypeVar("T")


def whole(value: T) -> T:
    """Pass a task parameter through unchanged. Otherwise, Prefect searches it for futures, in all dataclasses and lists."""
    return cast("T", quote(value))
