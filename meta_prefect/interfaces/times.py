"""Timestamps that are safe to compute with, and durations in the short form that people write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

_YEARS: Final = range(1970, 3000)
_LENGTH: Final = re.compile(r"(?P<count>[1-9]\d{0,3})\s*(?P<unit>[mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _in_utc(moment: datetime) -> datetime:
    """Convert a moment to UTC. Near the limits of the calendar, that or any arithmetic on it overflows."""
    if moment.year not in _YEARS:
        raise ValueError(f"the year {moment.year} is out of range")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A timestamp with an offset, in UTC, in a year that is safe for arithmetic."""


def read_length(text: str) -> timedelta | None:
    """Parse ``30m``, ``12h``, ``3d`` or ``2w``; None for any other text."""
    found = _LENGTH.fullmatch(text.strip().lower())
    return None if found is None else timedelta(**{_UNITS[found["unit"]]: int(found["count"])})


def length_in_words(length: timedelta) -> str:
    """Format as ``90m``, ``12h`` or ``3d``, readable by :func:`read_length`, exact to the minute."""
    minutes = int(length.total_seconds()) // 60
    for size, unit in ((1440, "d"), (60, "h")):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


def about(length: timedelta) -> str:
    """Format for people, in the largest unit of which there are at least two."""
    minutes = int(length.total_seconds()) // 60
    for size, unit in ((1440, "d"), (60, "h")):
        if minutes >= 2 * size:
            return f"{round(minutes / size)}{unit}"
    return f"{minutes}m"


def _length(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    found = read_length(value) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError("length", "is no length of time", {"hint": "Write '30m', '12h' or '3d'."})
    return found


Length = Annotated[
    timedelta,
    BeforeValidator(_length),
    PlainSerializer(length_in_words),
    WithJsonSchema({"type": "string", "pattern": r"^[1-9][0-9]{0,3} ?[mhdw]$"}),
]
"""A duration, written ``30m``, ``12h``, ``3d`` or ``2w``."""
